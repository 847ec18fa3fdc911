package contactlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Bounds of one record. A quote that is not closed within them was never meant to be one.
const (
	maxRecordBytes = 1 << 20
	maxRecordLines = 1000
)

// records splits text into records of cells. Unlike encoding/csv it goes on after anything, ends lines at CR too, and
// counts the line on which a record starts.
type records struct {
	in     io.Reader
	comma  byte
	line   int              // lines read
	single *charmap.Charmap // for bytes that are not UTF-8; nil is Windows-1252

	// The window on the text: buf[start:pos] is the record that is being read, buf[pos:end] is yet to be read. A
	// record that turns out to be no record is taken back by setting pos.
	buf             []byte
	start, pos, end int
	readErr         error

	cells []byte // scratch: the cells of a record with quotes
	ends  []int  // where each of them ends
}

// record is one row of the list.
type record struct {
	line  int // on which it starts, from 1
	cells []string
	flaw  string // not empty: why it cannot be read; cells are what its first line has then
}

func newRecords(in io.Reader, comma byte) *records {
	return &records{in: in, comma: comma, buf: make([]byte, 64<<10)}
}

// next returns the next record that is not blank, or io.EOF. Its cells stay valid.
func (r *records) next() (record, error) {
	for {
		r.start = r.pos
		content, err := r.readLine()
		if errors.Is(err, errTooLong) {
			return r.skipLine()
		}
		if err != nil {
			return record{}, err
		}
		if blank(content) {
			continue
		}
		rec := record{line: r.line}
		if len(content) > maxRecordBytes {
			return tooLong(rec, content), nil
		}
		if bytes.IndexByte(content, '"') >= 0 {
			return r.quoted(rec, len(content))
		}
		text := utf8Bytes(content, r.single)
		rec.cells = cut(string(text), r.comma)
		return rec, nil
	}
}

var errTooLong = errors.New("line is too long")

// readLine returns the next line without its end, and moves pos behind it. The record's lines stay together in buf.
func (r *records) readLine() ([]byte, error) {
	from := 0 // how much of the line was searched already
	for {
		text := r.buf[r.pos:r.end]
		i := bytes.IndexByte(text[from:], '\n')
		if i >= 0 {
			i += from
		}
		searched := text
		if i >= 0 {
			searched = text[:i]
		}
		if j := bytes.IndexByte(searched[from:], '\r'); j >= 0 {
			i = from + j
		}
		if i >= 0 {
			size := i + 1
			if text[i] == '\r' {
				if i+1 == len(text) && r.readErr == nil && i <= maxRecordBytes {
					from = i
					if err := r.fill(); err != nil {
						return nil, err
					}
					continue
				}
				if i+1 < len(text) && text[i+1] == '\n' {
					size++
				}
			}
			r.pos += size
			r.line++
			return text[:i], nil
		}
		if r.readErr != nil {
			if !errors.Is(r.readErr, io.EOF) {
				return nil, r.readErr
			}
			if len(text) == 0 {
				return nil, io.EOF
			}
			r.pos = r.end
			r.line++
			return text, nil
		}
		from = len(text)
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more text behind what is there, or notes in readErr that there is no more.
func (r *records) fill() error {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.pos -= r.start
		r.end -= r.start
		r.start = 0
	}
	if r.end == len(r.buf) {
		if len(r.buf) > maxRecordBytes {
			return errTooLong
		}
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	for range 100 {
		n, err := r.in.Read(r.buf[r.end:])
		r.end += n
		if err != nil {
			r.readErr = err
			return nil
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// tooLong rejects a line that does not fit into the bounds; only its beginning is kept.
func tooLong(rec record, line []byte) record {
	const kept = 1024
	text := utf8Bytes(line[:min(kept, len(line))], nil)
	rec.cells = []string{string(text)}
	rec.flaw = fmt.Sprintf("the line is longer than %d bytes", maxRecordBytes)
	return rec
}

// skipLine passes over a line that does not even fit into the window.
func (r *records) skipLine() (record, error) {
	rec := tooLong(record{line: r.line + 1}, r.buf[r.start:r.end])
	for {
		r.start, r.pos = 0, 0
		r.end = 0
		if err := r.fill(); err != nil {
			return record{}, err
		}
		if i := bytes.IndexAny(r.buf[:r.end], "\r\n"); i >= 0 {
			r.start, r.pos = i, i // what is left of the line is blank, and ends it
			return rec, nil
		}
		if r.readErr != nil {
			if !errors.Is(r.readErr, io.EOF) {
				return record{}, r.readErr
			}
			return rec, nil
		}
	}
}

// quoted reads a record whose first line has a quote; the line has size bytes and begins at r.start.
func (r *records) quoted(rec record, size int) (record, error) {
	first := size
	behind := r.pos - r.start // where the line after the first one begins, should it be needed again
	r.cells, r.ends = r.cells[:0], r.ends[:0]
	at := 0
	for {
		// A cell begins at at.
		text := r.buf[r.start : r.start+size]
		if at >= len(text) || text[at] != '"' {
			at = r.bare(text, at)
		} else {
			var why string
			var err error
			if at, size, why, err = r.unquote(at+1, size); err != nil {
				return record{}, err
			}
			if why != "" {
				return r.takeBack(rec, first, behind, why), nil
			}
			at = r.bare(r.buf[r.start:r.start+size], at)
		}
		r.ends = append(r.ends, len(r.cells))
		if at == size {
			break
		}
		at++ // the comma
	}
	text := string(r.cells)
	rec.cells = make([]string, len(r.ends))
	begin := 0
	for i, end := range r.ends {
		rec.cells[i] = text[begin:end]
		begin = end
	}
	if !utf8.ValidString(text) {
		for i, cell := range rec.cells {
			fixed := utf8Bytes([]byte(cell), r.single)
			rec.cells[i] = string(fixed)
		}
	}
	return rec, nil
}

// bare adds text from at up to the next comma or the end to the cell, and returns where that is.
func (r *records) bare(text []byte, at int) int {
	end := len(text)
	if i := bytes.IndexByte(text[at:], r.comma); i >= 0 {
		end = at + i
	}
	r.cells = append(r.cells, text[at:end]...)
	return end
}

// unquote adds the quoted text from at on to the cell. It returns where the text behind the closing quote begins and how
// long the record is by now, without its line end; why is not empty if there is no such quote.
func (r *records) unquote(at, size int) (behind, length int, why string, err error) {
	opened := r.line
	for {
		text := r.buf[r.start : r.start+size]
		i := bytes.IndexByte(text[at:], '"')
		if i < 0 {
			// The cell goes on in the next line; the line end is part of it.
			from, end := r.start+at, r.pos-r.start
			r.cells = append(r.cells, r.buf[from:r.pos]...)
			if r.line-opened+1 >= maxRecordLines || end > maxRecordBytes {
				return 0, 0, fmt.Sprintf("a quote is not closed within %d lines", r.line-opened+1), nil
			}
			line, err := r.readLine()
			if errors.Is(err, io.EOF) || errors.Is(err, errTooLong) {
				return 0, 0, "a quote is not closed", nil
			}
			if err != nil {
				return 0, 0, "", err
			}
			at, size = end, end+len(line)
			continue
		}
		r.cells = append(r.cells, text[at:at+i]...)
		at += i + 1
		switch {
		case at < size && text[at] == '"':
			r.cells = append(r.cells, '"')
			at++
		case at < size && text[at] != r.comma && r.line > opened:
			// The quote of a later row's cell: closing here would swallow the rows between.
			return 0, 0, "a quote is not closed before the next row's", nil
		default:
			return at, size, "", nil
		}
	}
}

// takeBack rejects the record's first line and sets reading back to the line after it. No line is read often that way: what
// leaves a quote open has an odd one, and that would have ended an earlier line's open quote in its turn.
func (r *records) takeBack(rec record, first, behind int, why string) record {
	r.pos = r.start + behind
	r.line = rec.line
	text := utf8Bytes(r.buf[r.start:r.start+first], r.single)
	rec.cells = cut(string(text), r.comma)
	rec.flaw = why
	return rec
}

// cut splits a line without quotes.
func cut(line string, comma byte) []string {
	count := 1
	for i := range len(line) {
		if line[i] == comma {
			count++
		}
	}
	cells := make([]string, 0, count)
	begin := 0
	for i := range len(line) {
		if line[i] == comma {
			cells = append(cells, line[begin:i])
			begin = i + 1
		}
	}
	return append(cells, line[begin:])
}

// blank reports whether a line has no text: an empty row of a spreadsheet is a line of delimiters.
func blank(line []byte) bool { return len(bytes.Trim(line, " \t,;|")) == 0 }
