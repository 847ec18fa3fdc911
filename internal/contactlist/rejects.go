package contactlist

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// RejectsWriter writes rejected rows to a CSV file from which they can be imported again once they are corrected: the
// row's cells under the list's own header, then the columns ringqueue_line and ringqueue_reason, then cells beyond
// the header. Delimiter and byte order mark are those of the list, so that the program that wrote it can read it. Cells are
// written as they were, formulas too: the file is the user's own data, and changing it would change what is imported again.
//
// The file is made when the first row comes and has its name from Close on; it is readable by its owner only. Until then the
// rows are in a file without a name, so that nothing personal is left behind by a process that is killed. Not safe for
// concurrent use.
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
		if w.file, err = w.temporary(); err == nil {
			_ = os.Remove(w.file.Name()) // where an open file cannot be removed, Close does so
		}
	}
	if err != nil {
		return err
	}
	if w.mark {
		if _, err := w.file.WriteString("\ufeff"); err != nil {
			return err
		}
	}
	if !strings.ContainsRune(",;\t|", w.comma) { // which nobody finds out by the rows
		if _, err := fmt.Fprintf(w.file, "sep=%c\n", w.comma); err != nil {
			return err
		}
	}
	w.csv = csv.NewWriter(w.file)
	w.csv.Comma = w.comma
	return w.csv.Write(append(slices.Clone(w.header), lineColumn, ReasonColumn))
}

func (w *RejectsWriter) temporary() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(w.path), filepath.Base(w.path)+".*.partial")
}

// name gives what was written its name.
func (w *RejectsWriter) name(written *os.File) (err error) {
	defer func() { _ = os.Remove(written.Name()) }()
	if _, err := written.Seek(0, io.SeekStart); err != nil {
		return err
	}
	named, err := w.temporary()
	if err != nil {
		return err
	}
	_, err = io.Copy(named, written)
	if err = errors.Join(err, named.Close()); err == nil {
		err = os.Rename(named.Name(), w.path)
	}
	if err != nil {
		_ = os.Remove(named.Name()) // what counts is the error before it
	}
	return err
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
	if err == nil && w.rename {
		err = w.name(file)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("finish rejects file: %w", err)
	}
	return w.err
}
