package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// maxFileBytes bounds a .env file.
const maxFileBytes = 64 << 10

// environment is the process's environment over a .env file, and what is wrong with either.
type environment struct {
	getenv   func(string) string
	file     map[string]string
	problems []string
}

func newEnvironment(getenv func(string) string, dotenvPath string) *environment {
	e := &environment{getenv: getenv}
	if dotenvPath == "" {
		return e
	}
	src, err := readFile(dotenvPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e
	case err != nil:
		e.fail("%s: %v", dotenvPath, err)
		return e
	}
	// godotenv's errors repeat the file's text, which is mostly secrets.
	if e.file, err = godotenv.UnmarshalBytes(src); err != nil {
		e.fail("%s:%d: is not a line such as NAME=value", dotenvPath, badLine(src))
	}
	return e
}

// badLine is the line, from 1, on which a .env file that cannot be read goes wrong: the first one from
// which on no beginning of the file can be read. A value in quotes may span lines.
func badLine(src []byte) int {
	lines := bytes.SplitAfter(src, []byte("\n"))
	bad := len(lines)
	for n := len(lines); n > 0; n-- {
		if _, err := godotenv.UnmarshalBytes(bytes.Join(lines[:n], nil)); err == nil {
			break
		}
		bad = n
	}
	return bad
}

func (e *environment) fail(format string, args ...any) {
	e.problems = append(e.problems, fmt.Sprintf(format, args...))
}

func (e *environment) failed() bool { return len(e.problems) > 0 }

// get is a variable's value, the environment's first; empty is not set. Space around it is dropped: secrets
// that are mounted from files mostly end with a line break.
func (e *environment) get(name string) string {
	if v := strings.TrimSpace(e.getenv(name)); v != "" {
		return v
	}
	return strings.TrimSpace(e.file[name])
}

// required is the value of a variable that must be there.
func (e *environment) required(name, what string) string {
	v := e.get(name)
	if v == "" {
		e.fail("%s is not set: %s; takes it from the environment or a .env file", name, what)
	}
	return v
}

// readFile reads a file that a person wrote. Its errors do not repeat the path.
func readFile(path string) (_ []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() {
		if closing := f.Close(); err == nil && closing != nil {
			err = withoutPath(closing)
		}
	}()
	src, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(src) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d KiB", maxFileBytes>>10)
	}
	return src, nil
}

func withoutPath(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}
