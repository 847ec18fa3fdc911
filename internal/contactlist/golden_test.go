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
	for _, tt := range tests {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			t.Parallel()
			got := describe(t, tt.file, tt.region)
			golden := filepath.Join("testdata", filepath.Base(tt.file)+".golden")
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
	r, err := Open(in, Options{Region: region, IDKey: []byte("golden"), Name: filepath.Base(file)})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "delimiter %q, header %q\nroles %s\n", r.Delimiter(), r.Header(), rolesOf(r))
	for {
		c, err := r.Next()
		var row *RejectedRow
		switch {
		case err == nil:
			fmt.Fprintf(&b, "%d: %s %s %q %s %q\n", c.Row, c.ID, strings.Join(c.Numbers, ","), c.Name, c.Zone, c.Values)
		case errors.As(err, &row):
			fmt.Fprintf(&b, "%d: rejected: %s %q\n", row.Line, row.Reason, row.Record)
		case errors.Is(err, io.EOF):
			fmt.Fprintf(&b, "encoding %s, %d bytes\n", r.Encoding(), r.Offset())
			return b.String()
		default:
			t.Fatal(err)
		}
	}
}
