package crashtest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// worker is the built command, which TestMain makes.
var worker string

func TestMain(m *testing.M) { os.Exit(build(m)) }

// build builds the worker with its crash points, once for all tests.
func build(m *testing.M) int {
	flag.Parse()
	// The tests wait for processes nearly all the time, so that many can run side by side on few cores.
	if err := sideBySide(12); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "ringqueue-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	worker = filepath.Join(dir, "worker")
	cmd := exec.Command("go", "build", "-tags", "crash", "-o", worker, "github.com/ringqueue/ringqueue/cmd/worker")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the worker: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// sideBySide is how many tests run at a time, unless -parallel was given.
func sideBySide(n int) error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", fmt.Sprint(n))
}

const (
	// scale is how many times faster than real time RingCentral runs: an answered call lasts two seconds.
	scale = 20
	// patience bounds every wait; only a failure takes as long.
	patience = 90 * time.Second
)
