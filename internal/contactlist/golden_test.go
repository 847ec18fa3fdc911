package contactlist

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows what becomes of whole files: the mapping, every contact and every rejected row.
func TestGolden(t *testing.T) {
	t.Parallel()
	tests := []struct{ file, region string }{
		{filepath.Join("..", "..", "examples", "contacts.csv"), "US"},
		{filepath.Join("..", "..", "examples", "messy-excel.csv"), "DE"},
		{filepath.Join("testdata", "google.csv"), "US"},
		{filepath.Join("testdata", "pandas.csv"), "GB"},
		{filepath.Join("testdata", "no-header.txt"), "DE"},
		{filepath.Join("testdata", "utf16.txt"), "FR"},
	}
	regions := map[string]string{"01-outlook-german-assistant.csv": "DE", "21-title-and-totals.csv": "DE"}
	for _, folder := range []string{"cases", "lists"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.[ctx]*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if filepath.Ext(file) == ".golden" {
				continue
			}
			region := regions[filepath.Base(file)]
			if name := filepath.Base(file); folder == "lists" { // de-outlook.csv
				region = strings.ToUpper(name[:2])
			}
			tests = append(tests, struct{ file, region string }{file, region})
		}
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			t.Parallel()
			got := describe(t, tt.file, tt.region)
			golden := tt.file + ".golden"
			if !strings.HasPrefix(golden, "testdata") {
				golden = filepath.Join("testdata", filepath.Base(tt.file)+".golden")
			}
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s has changed (write it anew with -update if that is right); got\n%s", golden, got)
			}
		})
	}
}

func describe(t *testing.T, file, region string) string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	var b strings.Builder
	r, err := Open(in, Options{Region: region, IDKey: []byte("golden"), Name: filepath.Base(file)})
	if err != nil {
		fmt.Fprintf(&b, "refused: %v\n", err)
		return b.String()
	}
	fmt.Fprintf(&b, "delimiter %q, header %q\nroles %s\n", r.Delimiter(), r.Header(), rolesOf(r))
	for {
		c, err := r.Next()
		var row *RejectedRow
		switch {
		case err == nil:
			fmt.Fprintf(&b, "%d: %s %s %q %s %q\n", c.Row, c.ID, strings.Join(c.Numbers, ","), c.Name, c.Zone, c.Values)
			if c.DoNotCall != "" {
				fmt.Fprintf(&b, "   not to be called: %s\n", c.DoNotCall)
			}
		case errors.As(err, &row):
			fmt.Fprintf(&b, "%d: rejected: %s %q\n", row.Line, row.Reason, row.Record)
		case errors.Is(err, io.EOF):
			fmt.Fprintf(&b, "encoding %s, %d bytes\n", r.Encoding(), r.Offset())
			for _, note := range r.Notes() {
				fmt.Fprintf(&b, "note: %s\n", note)
			}
			return b.String()
		default:
			t.Fatal(err)
		}
	}
}
