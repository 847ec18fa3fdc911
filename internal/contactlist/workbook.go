package contactlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Bounds of a workbook, which may be made to unpack to anything.
const (
	mostUnpacked = 2 << 30  // bytes, of all its parts
	inPart       = 16 << 20 // bytes of a sheet that are kept in memory; above it is in a temporary file
)

// workbook is an Excel file, of which one sheet is the list.
type workbook struct {
	file  *excelize.File
	sheet string
}

// isWorkbook reports whether a file begins as an Excel workbook does: a zip archive with parts of that kind.
func isWorkbook(head []byte) bool {
	if !bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.Contains(head, []byte("mimetypeapplication/")) {
		return false
	}
	for _, part := range []string{"[Content_Types].xml", "xl/", "_rels/.rels", "docProps/"} {
		if bytes.Contains(head, []byte(part)) {
			return true
		}
	}
	return false
}

// openBook opens a workbook and finds the sheet: the one named, or the only one with rows.
func (f *file) openBook(named string) error {
	in, err := f.raw()
	if err != nil {
		return err
	}
	book, err := excelize.OpenReader(in, excelize.Options{
		UnzipSizeLimit: mostUnpacked, UnzipXMLSizeLimit: inPart,
		ShortDatePattern: "yyyy-mm-dd", LongDatePattern: "yyyy-mm-dd", LongTimePattern: "hh:mm:ss",
	})
	if err != nil {
		return fmt.Errorf("this is no Excel workbook that can be read: %w", err)
	}
	f.book = &workbook{file: book}
	f.encoding = "XLSX"
	if f.size, err = f.in.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	f.size -= f.start
	sheets := book.GetSheetList()
	if named != "" {
		for _, sheet := range sheets {
			if strings.EqualFold(strings.TrimSpace(sheet), strings.TrimSpace(named)) {
				f.book.sheet = sheet
				return nil
			}
		}
		return fmt.Errorf("there is no sheet %q: the workbook has %s", named, quoteAll(sheets))
	}
	var candidates []string
	for _, sheet := range sheets {
		visible, err := book.GetSheetVisible(sheet)
		if err != nil || !visible {
			continue
		}
		f.book.sheet = sheet
		rows, err := f.book.rows()
		if err != nil {
			continue // a chart
		}
		if _, err := rows.next(); err == nil {
			candidates = append(candidates, sheet)
		}
		if closer, ok := rows.(io.Closer); ok {
			_ = closer.Close() // only read
		}
	}
	switch len(candidates) {
	case 0:
		return ErrEmpty
	case 1:
		f.book.sheet = candidates[0]
		return nil
	}
	return fmt.Errorf("the workbook has several sheets, %s: say which with --sheet", quoteAll(candidates))
}

func (w *workbook) close() error { return w.file.Close() }

// rows reads the sheet's rows, with each cell as it is shown and as it is stored.
func (w *workbook) rows() (rows, error) {
	shown, err := w.file.Rows(w.sheet)
	if err != nil {
		return nil, fmt.Errorf("sheet %q: %w", w.sheet, err)
	}
	stored, err := w.file.Rows(w.sheet)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sheet %q: %w", w.sheet, err), shown.Close())
	}
	return &sheetRows{shown: shown, stored: stored}, nil
}

type sheetRows struct {
	shown, stored *excelize.Rows
	line          int
}

func (s *sheetRows) Close() error { return errors.Join(s.shown.Close(), s.stored.Close()) }

// next implements rows.
func (s *sheetRows) next() (record, error) {
	for s.shown.Next() && s.stored.Next() {
		s.line++
		shown, err := s.shown.Columns()
		if err != nil {
			return record{}, err
		}
		stored, err := s.stored.Columns(excelize.Options{RawCellValue: true})
		if err != nil {
			return record{}, err
		}
		for i := range shown {
			if i < len(stored) {
				shown[i] = sheetCell(shown[i], stored[i])
			}
		}
		if !allBlank(shown) {
			return record{line: s.line, cells: shown}, nil
		}
	}
	if err := errors.Join(s.shown.Error(), s.stored.Error(), s.Close()); err != nil {
		return record{}, err
	}
	return record{}, io.EOF
}

// sheetCell is what a cell says: as it is shown, unless a whole number is stored of which the cell shows other digits, such as
// 1.65E+10.
func sheetCell(shown, stored string) string {
	if shown == stored {
		return expanded(stored)
	}
	number, err := strconv.ParseFloat(stored, 64)
	if err != nil || number != math.Trunc(number) || math.Abs(number) >= 1<<53 || strings.ContainsAny(shown, ":") {
		return shown
	}
	digits := strconv.FormatFloat(math.Abs(number), 'f', -1, 64)
	has := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, shown)
	if strings.TrimLeft(has, "0") == strings.TrimLeft(digits, "0") {
		return shown // with the format's signs and leading zeros
	}
	if strings.ContainsAny(shown, "Ee#") && len(digits) >= shortest {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return shown // a date, an amount
}

// expanded writes out a number that is stored as 1.6505550123E10.
func expanded(stored string) string {
	if !strings.ContainsAny(stored, "Ee") || len(stored) > 30 {
		return stored
	}
	number, err := strconv.ParseFloat(stored, 64)
	if err != nil || number != math.Trunc(number) || math.Abs(number) >= 1<<53 {
		return stored
	}
	return strconv.FormatFloat(number, 'f', -1, 64)
}
