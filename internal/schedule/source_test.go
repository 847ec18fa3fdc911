package schedule

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFileNames has names that are patterns, too: the file of just this name comes first.
func TestFileNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := source{quiet: 30 * time.Second, most: 1 << 20}
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"due [EU].csv", "due E.csv", "due U.csv", "due *.csv", "odd[.csv"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(list(1, 2)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string][]string{
		"due [EU].csv": {"due [EU].csv"}, "due *.csv": {"due *.csv"}, "due ?.csv": {"due *.csv", "due E.csv", "due U.csv"},
		"due [E].csv": {"due E.csv"}, "odd[.csv": {"odd[.csv"},
	} {
		path := filepath.Join(dir, pattern)
		if err := CheckList(path); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		var got []string
		err := s.files(path, func(name string, _ io.Reader) error {
			got = append(got, filepath.Base(name))
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s names %v, %v; want %v", pattern, got, err, want)
		}
	}
	if err := CheckList(filepath.Join(dir, "new[.csv")); err == nil {
		t.Error("a pattern that cannot be matched, and no file, is taken")
	}
}

// TestFutureFile has a file that is dated in the future: it is wrong, and not one that is still being written for hours.
func TestFutureFile(t *testing.T) {
	t.Parallel()
	s := source{quiet: 30 * time.Second, most: 1 << 20}
	path := filepath.Join(t.TempDir(), "due.csv")
	if err := os.WriteFile(path, []byte(list(1, 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	for ahead, writing := range map[time.Duration]bool{2 * time.Hour: false, time.Minute: true} {
		at := time.Now().Add(ahead)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		err := s.files(path, func(string, io.Reader) error { return nil })
		if err == nil || errors.Is(err, errWriting) != writing {
			t.Errorf("%s ahead: %v", ahead, err)
			continue
		}
		if failing := (Run{State: StateDue, Detail: err.Error()}).Failing(); failing == writing || !writing && !strings.Contains(err.Error(), "in the future") {
			t.Errorf("%s ahead: %v, failing %v", ahead, err, failing)
		}
	}
}
