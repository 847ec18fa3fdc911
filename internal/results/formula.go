package results

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A number or a phone number, however it is written, calculates nothing.
var plainNumber = regexp.MustCompile(`^[+-]?[0-9(][0-9 ().,/-]*%?$`)

// noFormula makes a cell text that a spreadsheet would take for a formula: an apostrophe comes before it. Numbers and phone
// numbers stay as they are. A spreadsheet takes for one what begins with =, +, - or @, their full-width forms among them, also
// after blanks; a tab or a line's end at the beginning may be stripped by it.
func noFormula(cell string) string {
	text := strings.TrimLeftFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\ufeff' })
	first, _ := utf8.DecodeRuneInString(text)
	if text == "" || !strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", first) || plainNumber.MatchString(cell) {
		return cell
	}
	return "'" + cell
}
