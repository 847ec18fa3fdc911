package contactlist

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// RejectsWriter writes rejected rows to a CSV file from which they can be imported again once they are corrected: the
// row's cells under the list's own header, then the columns ringqueue_line and ringqueue_reason, then cells beyond
// the header. Delimiter and byte order mark are those of the list, so that the program that wrote it can read it. Cells are
// written as they were, formulas too: the file is the user's own data, and changing it would change what is imported again.
//
// The file is made when the first row comes; it is readable by its owner only, and has its name from Close on, so that a
// list can be imported from the very file that its rejects go to. Not safe for concurrent use.
type RejectsWriter struct {
	path   string
	header []string
	comma  rune
	mark   bool

	file   *os.File
	rename bool // file has a temporary name
	csv    *csv.Writer
	count  int
	err    error
}

// NewRejectsWriter prepares a rejects file for the rows of a list. It makes no file.
func NewRejectsWriter(path string, list *Reader) *RejectsWriter {
	return &RejectsWriter{
		path:   path,
		header: list.Header(),
		comma:  list.Delimiter(),
		mark:   list.file.mark, // a list with a mark, or in UTF-16, comes from a spreadsheet
	}
}

// Write adds a row. Errors are those of the file, and are returned again by each later call.
func (w *RejectsWriter) Write(row *RejectedRow) error {
	if w.err == nil {
		w.err = w.write(row)
	}
	return w.err
}

func (w *RejectsWriter) write(row *RejectedRow) error {
	if w.file == nil {
		if err := w.create(); err != nil {
			return fmt.Errorf("create rejects file: %w", err)
		}
	}
	own := row.Record[:min(len(row.Record), len(w.header))]
	cells := make([]string, len(w.header), len(w.header)+2)
	copy(cells, own)
	cells = append(cells, strconv.Itoa(row.Line), row.Reason)
	cells = append(cells, row.Record[len(own):]...)
	if err := w.csv.Write(cells); err != nil {
		return fmt.Errorf("write rejects file: %w", err)
	}
	w.count++
	return nil
}

func (w *RejectsWriter) create() error {
	info, err := os.Stat(w.path)
	switch {
	case err == nil && !info.Mode().IsRegular(): // a pipe or a device
		w.file, err = os.OpenFile(w.path, os.O_WRONLY, 0)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		w.rename = true
		w.file, err = os.CreateTemp(filepath.Dir(w.path), filepath.Base(w.path)+".*.partial")
	}
	if err != nil {
		return err
	}
	if w.mark {
		if _, err := w.file.WriteString("\ufeff"); err != nil {
			return err
		}
	}
	w.csv = csv.NewWriter(w.file)
	w.csv.Comma = w.comma
	return w.csv.Write(append(slices.Clone(w.header), lineColumn, reasonColumn))
}

// Count is how many rows were written.
func (w *RejectsWriter) Count() int { return w.count }

// Path is where the file is after Close, if there is one.
func (w *RejectsWriter) Path() string { return w.path }

// Close finishes the file, if there is one, and gives it its name. An earlier file of that name is replaced. After an
// error nothing is replaced.
func (w *RejectsWriter) Close() error {
	if w.file == nil {
		return w.err
	}
	file := w.file
	w.file = nil
	err := w.err
	if err == nil {
		w.csv.Flush()
		err = w.csv.Error()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil && w.rename {
		err = os.Rename(file.Name(), w.path)
	}
	if err != nil && w.rename {
		_ = os.Remove(file.Name()) // what counts is the error before it
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("finish rejects file: %w", err)
	}
	return w.err
}
