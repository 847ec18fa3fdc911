package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Plain writes text to a terminal without what steers one: control characters of any kind but line ends, tabs and carriage
// returns, and marks that turn the direction of text. A name in a call list is anybody's text.
func Plain(w io.Writer) io.Writer { return plain{w} }

type plain struct{ w io.Writer }

func (p plain) Write(text []byte) (int, error) {
	if _, err := io.WriteString(p.w, PlainText(string(text))); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return len(text), nil
}

// PlainText is a text as Plain writes it.
func PlainText(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return r
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f':
			return '\ufffd'
		}
		return r
	}, text)
}
