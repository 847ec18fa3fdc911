package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
)

// rejectsFiles is where the rejected rows of each list go, "" for nowhere; no two share a file. What is wrong with one is said
// before anything is imported.
func (f csvFlags) rejectsFiles(lists []string, campaign string) ([]string, error) {
	files := make([]string, len(lists))
	if f.dryRun && f.rejects == "" {
		return files, nil
	}
	for i, list := range lists {
		file := f.rejects
		if file == "" {
			stem := rejectsStem(list, campaign)
			file = stem + ".rejects.csv"
			taken := func(other string) bool { return filepath.Clean(other) == filepath.Clean(file) }
			for n := 2; slices.ContainsFunc(files[:i], taken) || sameAsAny(file, lists); n++ {
				file = stem + "-" + strconv.Itoa(n) + ".rejects.csv"
			}
		}
		if err := checkRejects(file, append(slices.Clone(lists), f.campaign)); err != nil {
			return nil, cli.Usage(err)
		}
		files[i] = file
	}
	return files, nil
}

// rejectsStem is a list's name without .csv. Any other ending stays: leads.2024 and leads.2025 are two lists.
func rejectsStem(list, campaign string) string {
	if list == "-" {
		return campaign
	}
	return strings.TrimSuffix(list, ".csv")
}

func sameAsAny(file string, others []string) bool {
	info, err := os.Stat(file)
	return err == nil && slices.ContainsFunc(others, func(other string) bool {
		o, err := os.Stat(other)
		return err == nil && os.SameFile(info, o)
	})
}

// checkRejects says what is wrong with a rejects file, of whose names none is one of the sources.
func checkRejects(file string, sources []string) error {
	what := "rejects file " + file
	info, err := os.Stat(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("rejects file: %w", err)
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: is a folder; give a file in it with --rejects", what)
	case err == nil && sameAsAny(file, sources):
		return fmt.Errorf("%s: is itself what is read; give another file with --rejects", what)
	case err == nil && info.Mode().IsRegular():
		if ours, err := isRejects(file); err != nil || !ours {
			return errors.Join(err, fmt.Errorf("%s: is there, and was not written as a rejects file; give another file with --rejects", what))
		}
	case err == nil: // a pipe or a device
		return nil
	}
	// A file is made beside it and given its name at the end.
	probe, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.partial")
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return fmt.Errorf("%s: cannot be written: %w; give another file with --rejects", what, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// isRejects tells a rejects file, or an empty file, by its header.
func isRejects(file string) (ours bool, err error) {
	h, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return false, fmt.Errorf("rejects file: %w", err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	head, _ := bufio.NewReaderSize(h, 64<<10).Peek(64 << 10) // a short file is all that there is
	return len(head) == 0 || bytes.Contains(head, []byte(contactlist.ReasonColumn)), nil
}

// removeStale deletes the rejects file of an earlier import, now that no row is rejected; false if there is none.
func removeStale(file string) (bool, error) {
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false, nil //nolint:nilerr // there is nothing to remove
	}
	if ours, err := isRejects(file); err != nil || !ours {
		return false, err
	}
	if err := os.Remove(file); err != nil {
		return false, fmt.Errorf("remove the rejects file of an earlier import: %w", err)
	}
	return true, nil
}
