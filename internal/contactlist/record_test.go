package contactlist

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func recordsOf(t *testing.T, in io.Reader) []record {
	t.Helper()
	r := newRecords(in, ',')
	var all []record
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []record
	}{
		{"plain", "a,b\nc,,d\n", []record{{1, []string{"a", "b"}, ""}, {2, []string{"c", "", "d"}, ""}}},
		{"ends", "a\r\nb\rc\n\r\nd", []record{{1, []string{"a"}, ""}, {2, []string{"b"}, ""}, {3, []string{"c"}, ""}, {5, []string{"d"}, ""}}},
		{"quotes", `"a,b","c""d","",e` + "\n", []record{{1, []string{"a,b", `c"d`, "", "e"}, ""}}},
		{"quoted end", `a,"b"`, []record{{1, []string{"a", "b"}, ""}}},
		{"comma at the end", "\"a\",\nb,\n", []record{{1, []string{"a", ""}, ""}, {2, []string{"b", ""}, ""}}},
		{"text behind a quote", `"a"b,"c" d` + "\n", []record{{1, []string{"ab", "c d"}, ""}}},
		{"quoted lines", "\"a\nb\r\nc\",d\ne\n", []record{{1, []string{"a\nb\r\nc", "d"}, ""}, {4, []string{"e"}, ""}}},
		{"open at the end", "a\n\"b,c\nd\n", []record{{1, []string{"a"}, ""}, {2, []string{`"b`, "c"}, "a quote is not closed"}, {3, []string{"d"}, ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, in := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
				got := recordsOf(t, in)
				if !slices.EqualFunc(got, tt.want, func(a, b record) bool {
					return a.line == b.line && a.flaw == b.flaw && slices.Equal(a.cells, b.cells)
				}) {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			}
		})
	}
}

func TestRecordsRunaway(t *testing.T) {
	t.Parallel()
	const rows = 50000
	row := strings.Repeat("x", 90) + ",2125550123\n"
	for _, tt := range []struct {
		name, bad string
		rejected  int
	}{
		{"one quote", `"never closed,2125550123` + "\n", 1},
		{"long line", strings.Repeat("y", 3<<20) + ",z\r\n", 1},
		{"line over the bound, in the window", strings.Repeat("y", maxRecordBytes+10) + "\n", 1},
		{"quoted text over the bound", "\"" + strings.Repeat(strings.Repeat("z", 20000)+"\n", 100), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := recordsOf(t, strings.NewReader(strings.Repeat(row, 10)+tt.bad+strings.Repeat(row, rows)))
			rejected := 0
			for _, rec := range all {
				if rec.flaw != "" {
					rejected++
					if rec.line != 11 {
						t.Errorf("rejected line %d, want 11", rec.line)
					}
				}
			}
			lines := 10 + strings.Count(tt.bad, "\n") + rows
			if rejected != tt.rejected || len(all) != lines {
				t.Errorf("got %d records of which %d were rejected, want %d and %d", len(all), rejected, lines, tt.rejected)
			}
			if last := all[len(all)-1]; last.line != lines || last.cells[1] != "2125550123" {
				t.Errorf("last record is %+v, want line %d", last, lines)
			}
		})
	}
}

func TestRecordsQuoteInEveryLine(t *testing.T) {
	t.Parallel()
	// Every line opens a quote, and the next one would close it in the midst of its text: each is taken back.
	const lines = 100000
	all := recordsOf(t, strings.NewReader(strings.Repeat("b,\"open\n", lines)))
	if len(all) != lines {
		t.Errorf("got %d records, want %d", len(all), lines)
	}
	for _, rec := range all {
		if rec.flaw == "" || !slices.Equal(rec.cells, []string{"b", `"open`}) {
			t.Fatalf("got %+v", rec)
		}
	}
}
