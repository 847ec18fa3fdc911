package contactlist

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/xuri/excelize/v2"
)

// book makes a workbook of sheets with rows of cells.
func book(t *testing.T, change func(*excelize.File), sheets ...[][]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	t.Cleanup(func() { _ = f.Close() })
	for i, rows := range sheets {
		name := "Sheet" + string(rune('1'+i))
		if _, err := f.NewSheet(name); err != nil {
			t.Fatal(err)
		}
		for y, row := range rows {
			cell, err := excelize.CoordinatesToCellName(1, y+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.SetSheetRow(name, cell, &row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if change != nil {
		change(f)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWorkbook(t *testing.T) {
	t.Parallel()
	rows := [][]any{
		{"Customers", nil, nil, nil},
		{"Id", "Name", "Phone", "Mobile", "Due"},
		{"C-1", "Ada", 16502530101, nil, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)},
		{"C-2", "Zoë", "(650) 253-0102", 6502530112, nil},
		{nil, nil, nil},
		{"C-3", "Cem", 6502530103, nil, nil},
		{"Total", 3, nil, nil},
	}
	format := func(f *excelize.File) {
		scientific, err := f.NewStyle(&excelize.Style{NumFmt: 11}) // 0.00E+00
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellStyle("Sheet1", "C3", "C3", scientific); err != nil {
			t.Fatal(err)
		}
	}
	text := book(t, format, rows)
	for _, in := range []io.Reader{bytes.NewReader(text), iotest.HalfReader(bytes.NewReader(text))} {
		r, err := Open(in, Options{IDKey: []byte("k")})
		if err != nil {
			t.Fatal(err)
		}
		contacts, rejected := rest(t, r)
		if got, want := numbersOf(contacts), []string{"+16502530101", "+16502530102 +16502530112", "+16502530103"}; !slices.Equal(got, want) {
			t.Errorf("numbers are %q, want %q", got, want)
		}
		if len(contacts) < 3 || contacts[0].ID != "C-1" || contacts[0].Row != 3 || contacts[1].Name != "Zoë" || contacts[2].Row != 6 {
			t.Errorf("got %+v", contacts)
		}
		if got := contacts[0].Values[4]; got != "2026-11-25" {
			t.Errorf("the date is %q", got)
		}
		if len(rejected) != 1 || rejected[0].Line != 7 {
			t.Errorf("rejected %v, want the sum in row 7", rejected)
		}
		if r.Encoding() != "XLSX" || r.Offset() != int64(len(text)) || r.Delimiter() != ',' {
			t.Errorf("%s, %d of %d bytes", r.Encoding(), r.Offset(), len(text))
		}
	}
}

func TestWorkbookLeadingZeros(t *testing.T) {
	t.Parallel()
	text := book(t, func(f *excelize.File) {
		custom := "00000000000"
		style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &custom})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellStyle("Sheet1", "B2", "B2", style); err != nil {
			t.Fatal(err)
		}
	}, [][]any{{"Name", "Telefon"}, {"Erika", 3023125101}})
	r, err := Open(bytes.NewReader(text), Options{Region: "DE", IDKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	contacts, rejected := rest(t, r)
	if len(contacts) != 1 || contacts[0].Number() != "+493023125101" || contacts[0].Values[1] != "03023125101" {
		t.Errorf("got %+v, %v; want the number with the zero that the cell shows", contacts, rejected)
	}
}

func TestWorkbookSheets(t *testing.T) {
	t.Parallel()
	one, two := [][]any{{"Name", "Phone"}, {"Ada", "(650) 253-0101"}}, [][]any{{"Name", "Phone"}, {"Ben", "(650) 253-0102"}}
	read := func(text []byte, sheet string) (string, error) {
		r, err := Open(bytes.NewReader(text), Options{IDKey: []byte("k"), Sheet: sheet, Name: "a.xlsx"})
		if err != nil {
			return "", err
		}
		contacts, _ := rest(t, r)
		return strings.Join(numbersOf(contacts), " "), nil
	}
	both := book(t, nil, one, two)
	if got, err := read(both, "sheet2"); got != "+16502530102" {
		t.Errorf("Sheet2: got %q, %v", got, err)
	}
	if _, err := read(both, ""); err == nil || err.Error() != `read a.xlsx: the workbook has several sheets, "Sheet1", "Sheet2": say which with --sheet` {
		t.Errorf("two sheets: %v", err)
	}
	if _, err := read(both, "Sheet3"); err == nil || err.Error() != `read a.xlsx: there is no sheet "Sheet3": the workbook has "Sheet1", "Sheet2"` {
		t.Errorf("no such sheet: %v", err)
	}
	if got, err := read(book(t, nil, one, nil), ""); got != "+16502530101" {
		t.Errorf("one of two is empty: got %q, %v", got, err)
	}
	hidden := book(t, func(f *excelize.File) { _ = f.SetSheetVisible("Sheet2", false) }, one, two)
	if got, err := read(hidden, ""); got != "+16502530101" {
		t.Errorf("one of two is hidden: got %q, %v", got, err)
	}
	if _, err := Open(strings.NewReader("phone\n"), Options{IDKey: []byte("k"), Sheet: "x"}); err == nil {
		t.Error("a sheet of a CSV file is taken")
	}
}

func TestSheetCell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ shown, stored, want string }{
		{"1.65E+10", "16502530101", "16502530101"},
		{"1.65025E+10", "1.6502530101E10", "16502530101"},
		{"16502530101", "16502530101", "16502530101"},
		{"########", "16502530101", "16502530101"},
		{"(650) 253-0101", "6502530101", "(650) 253-0101"},
		{"03023125101", "3023125101", "03023125101"},
		{"2026-11-25", "46351", "2026-11-25"},
		{"1,234.50", "1234.5", "1,234.50"},
		{"abc", "abc", "abc"},
		{"1.65055E+10", "1.65055E+10", "16505500000"},
	} {
		if got := sheetCell(tt.shown, tt.stored); got != tt.want {
			t.Errorf("shown %q, stored %q: got %q, want %q", tt.shown, tt.stored, got, tt.want)
		}
	}
}
