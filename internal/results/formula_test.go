package results

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
)

func TestNoFormula(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"":                      "",
		"Ada":                   "Ada",
		"+16505550123":          "+16505550123",
		"+1 (650) 555-0123":     "+1 (650) 555-0123",
		"(650) 555-0123":        "(650) 555-0123",
		"-5":                    "-5",
		"-3.50":                 "-3.50",
		"-12%":                  "-12%",
		"a=b":                   "a=b",
		"me@example.com":        "me@example.com",
		"=1+1":                  "'=1+1",
		"=cmd|' /C calc'!A0":    "'=cmd|' /C calc'!A0",
		"+SUM(A1:A9)":           "'+SUM(A1:A9)",
		"-2+3+cmd|' /C calc'!A": "'-2+3+cmd|' /C calc'!A",
		"@SUM(1)":               "'@SUM(1)",
		"  =1+1":                "'  =1+1",
		"\t=1+1":                "'\t=1+1",
		"\r=1+1":                "'\r=1+1",
		"\ufeff=1+1":            "'\ufeff=1+1",
		"\uff1d1+1":             "'\uff1d1+1",
		"-":                     "'-",
		"-5\n=1":                "'-5\n=1",
	} {
		if got := noFormula(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

// FuzzNoFormula writes and reads a cell: it comes back as it was but for the apostrophe, and begins no formula.
func FuzzNoFormula(f *testing.F) {
	for _, s := range []string{"=1+1", "+16505550123", "\t@x", "-1-1", "a\"b,c\nd", "\uff1d1", "+(1)-cmd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		if strings.Contains(cell, "\r\n") {
			return // encoding/csv reads it as \n
		}
		var b bytes.Buffer
		e := newCSV(&b, []string{"x"})
		if err := e.row([]any{cell}); err != nil {
			t.Fatal(err)
		}
		if err := e.close(); err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(&b)
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", cell, err)
		}
		if cell == "" {
			return
		}
		got := rows[1][0]
		if got != cell && got != "'"+cell {
			t.Errorf("%q came back as %q", cell, got)
		}
		if strings.ContainsAny(got[:1], "=+-@") && strings.ContainsFunc(got, func(r rune) bool { return r >= 'A' && r <= 'z' || r == '|' || r == '!' }) {
			t.Errorf("%q is a formula still", got)
		}
	})
}
