package show

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal is what is known of the terminal that is written to.
type terminal struct {
	file    *os.File
	colours bool
}

// terminalOf returns the terminal behind a writer, or nil.
func terminalOf(w io.Writer) *terminal {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &terminal{file: f, colours: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// size is the terminal's width and height in characters.
func (t *terminal) size() (width, height int) {
	width, height, err := term.GetSize(int(t.file.Fd()))
	if err != nil || width < 2 || height < 2 {
		return 80, 24
	}
	return width, height
}

func (t *terminal) style(code, text string) string {
	if !t.colours || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *terminal) strong(text string) string { return t.style("1", text) }
func (t *terminal) quiet(text string) string  { return t.style("2", text) }
func (t *terminal) good(text string) string   { return t.style("32", text) }
func (t *terminal) bad(text string) string    { return t.style("33", text) }

// cut cuts a line to a width: one that wraps would be two to go up. Colours take no room.
func cut(line string, width int) string {
	var b strings.Builder
	n, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case n == width-2:
			b.WriteString("…\x1b[0m")
			return strings.TrimSuffix(b.String(), plainEnd(line))
		default:
			n++
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plainEnd is the end of colours that a line without any does not need.
func plainEnd(line string) string {
	if strings.ContainsRune(line, '\x1b') {
		return ""
	}
	return "\x1b[0m"
}
