package contactlist

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/text/encoding/charmap"
)

// Bounds of what Open looks at before the first row is handed out.
const (
	sampleBytes = 64 << 10
	sampleRows  = 200
)

// sample reads the first records from the list's first bytes as if comma were the delimiter. Rejected ones are left out.
func sample(head []byte, comma byte, single *charmap.Charmap) ([]record, error) {
	r := newRecords(bytes.NewReader(head), comma)
	r.single = single
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

// sniff finds the delimiter: the one with which a row is a header with a phone, else the one with which most rows have as many
// cells, and more than one. Titles above the header may have fewer.
func sniff(head []byte, single *charmap.Charmap) (comma byte, err error) {
	comma = ','
	bestHeader, bestShare, bestCells := false, 0.0, 1
	for _, try := range []byte{',', ';', '\t', '|'} {
		rows, err := sample(head, try, single)
		if err != nil {
			return 0, err
		}
		counts := map[int]int{}
		for _, row := range rows {
			counts[len(row.cells)]++
		}
		cells, same := 0, 0
		for c, n := range counts {
			if c > 1 && (n > same || n == same && c > cells) {
				cells, same = c, n
			}
		}
		if same == 0 {
			continue
		}
		header := false
		for _, row := range rows[:min(len(rows), mostAbove)] {
			header = header || len(row.cells) > 1 && speaksOfPhone(row.cells)
		}
		share := float64(same) / float64(len(rows))
		if header && !bestHeader || header == bestHeader && (share > bestShare || share == bestShare && cells > bestCells) {
			comma, bestHeader, bestShare, bestCells = try, header, share, cells
		}
	}
	return comma, nil
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
