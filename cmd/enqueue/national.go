package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
)

// nationalLine is a line of the US national do-not-call file: an area code of three digits, a number of seven, and perhaps a
// date and more behind them. Nobody but the countries of +1 has numbers of just this shape in two columns.
var nationalLine = regexp.MustCompile(`^"?([2-9][0-9]{2})"?[,;\t|] *"?([2-9][0-9]{2})-?([0-9]{4})"?\r?(?:[,;\t|].*)?$`)

// national reads the US national file as a list of one number a line, with a header if it has one; false if what begins so is
// another list.
func national(in *bufio.Reader) (io.Reader, bool) {
	head, _ := in.Peek(in.Size()) // a short file is all that there is
	lines := bytes.Split(head, []byte("\n"))
	if len(head) == in.Size() {
		lines = lines[:len(lines)-1] // the last one may go on
	}
	found := 0
	for i, line := range lines {
		switch {
		case len(bytes.TrimSpace(line)) == 0:
		case nationalLine.Match(line):
			found++
		case i > 0 || bytes.ContainsAny(line, "0123456789"):
			return in, false
		}
	}
	if found == 0 {
		return in, false
	}
	out, w := io.Pipe()
	go func() {
		scan := bufio.NewScanner(in)
		scan.Buffer(nil, 1<<20)
		buffered := bufio.NewWriterSize(w, 64<<10)
		for first := true; scan.Scan(); first = false {
			line := scan.Bytes()
			var err error
			if m := nationalLine.FindSubmatch(line); m != nil {
				_, err = fmt.Fprintf(buffered, "+1%s%s%s\n", m[1], m[2], m[3])
			} else if first {
				_, err = buffered.WriteString("phone\n")
			} else { // which is no number, and will be said to be none
				_, err = fmt.Fprintf(buffered, "%s\n", bytes.Map(plainCell, line))
			}
			if err != nil {
				return // nobody reads any more
			}
		}
		_ = buffered.Flush() // the same
		w.CloseWithError(scan.Err())
	}()
	return out, true
}

// plainCell makes one cell of a line.
func plainCell(r rune) rune {
	switch r {
	case ',', ';', '\t', '|', '"':
		return ' '
	}
	return r
}
