// Package golden compares what a test has got with what a file under testdata says.
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/spf13/cobra"
)

var (
	update = flag.Bool("update", false, "write the golden files")
	// A test begins in its package's folder, and may change to another one.
	folder, _ = os.Getwd()
)

// Check compares got with testdata/name, or writes it there when the test runs with -update.
func Check(tb testing.TB, name string, got []byte) {
	tb.Helper()
	path := filepath.Join(folder, "testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // a test's own
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		tb.Errorf("this is not what %s has, which -update writes anew:\n%s", path, got)
	}
}

var changing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "INSTANT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?`), "TIME"},
	{regexp.MustCompile(`"\d{13}-\d+"`), `"EVENT"`},
	{regexp.MustCompile(`(?m)^  \d\d:00 `), "  HOUR  "},
	{regexp.MustCompile(`(since|another) (\d+[hms])+`), "$1 SPAN"},
}

// Steady takes times out of a text, which are others each time.
func Steady(text string) string {
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.with)
	}
	return text
}

// Help is what --help says of a command and all its subcommands.
func Help(root *cobra.Command) []byte {
	var b bytes.Buffer
	var add func(*cobra.Command)
	add = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		b.WriteString("$ " + cmd.CommandPath() + " --help\n")
		cmd.SetOut(&b)
		if err := cmd.Help(); err != nil {
			b.WriteString(err.Error())
		}
		b.WriteString("\n")
		for _, sub := range cmd.Commands() {
			add(sub)
		}
	}
	add(root)
	return b.Bytes()
}
