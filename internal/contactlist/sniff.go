package contactlist

import (
	"bytes"
	"errors"
	"io"
)

// Bounds of what Open looks at before the first row is handed out.
const (
	sampleBytes = 64 << 10
	sampleRows  = 200
)

// sample reads the first records from the list's first bytes as if comma were the delimiter. Rejected ones are left out.
func sample(head []byte, comma byte) ([]record, error) {
	r := newRecords(bytes.NewReader(head), comma)
	var rows []record
	for len(rows) < sampleRows {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if rec.flaw == "" {
			rows = append(rows, rec)
		}
	}
	return rows, nil
}

// sniff finds the delimiter: the one with which most rows have as many cells as the first one, and more than one. It
// returns the rows of the sample, too.
func sniff(head []byte) (comma byte, rows []record, err error) {
	bestShare, bestCells := 0.0, 0
	for _, try := range []byte{',', ';', '\t', '|'} {
		tried, err := sample(head, try)
		if err != nil {
			return 0, nil, err
		}
		if rows == nil {
			comma, rows = try, tried
		}
		if len(tried) == 0 || len(tried[0].cells) < 2 {
			continue
		}
		cells := len(tried[0].cells)
		same := 0
		for _, row := range tried {
			if len(row.cells) == cells {
				same++
			}
		}
		share := float64(same) / float64(len(tried))
		if share > bestShare || share == bestShare && cells > bestCells {
			comma, rows, bestShare, bestCells = try, tried, share, cells
		}
	}
	return comma, rows, nil
}

// separatorLine reads Excel's first line "sep=;". behind is how many bytes of head it takes, 0 if there is none.
func separatorLine(head []byte) (comma byte, behind int) {
	line := head
	if i := bytes.IndexAny(head, "\r\n"); i >= 0 {
		line = head[:i]
		behind = i + 1
		if head[i] == '\r' && i+1 < len(head) && head[i+1] == '\n' {
			behind++
		}
	}
	line = bytes.Trim(line, `"`)
	if len(line) < 5 || !bytes.EqualFold(line[:4], []byte("sep=")) {
		return 0, 0
	}
	comma = line[4]
	if comma <= ' ' && comma != '\t' || comma >= 0x7f || bytes.IndexByte([]byte(`"'+=`), comma) >= 0 || isDigit(comma) || isLetter(comma) {
		return 0, 0
	}
	if len(bytes.Trim(line[5:], " \t,;|")) > 0 { // a spreadsheet may have filled the row up
		return 0, 0
	}
	return comma, behind
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
