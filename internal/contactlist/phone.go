package contactlist

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// flaw says why a cell has no number that can be dialled. The text goes on after the column's name and the masked number.
type flaw string

const (
	flawNone      flaw = ""
	flawInvalid   flaw = "is not a valid number; write it with + and country code"
	flawEmpty     flaw = "has no digits in it"
	flawLetters   flaw = "has letters or signs that no phone number has"
	flawExtension flaw = "has an extension, which RingOut cannot dial; give a direct number"
	flawShort     flaw = "has a short second number: if it is an extension, RingOut cannot dial it; give one full number per cell"
	flawExcel     flaw = "was shortened by a spreadsheet and its last digits are lost; make the column text there and export again"
)

// shortest is how many digits a cell's second number has at least. Below that it is an extension, or part of the first.
const shortest = 7

// numbers adds the valid numbers of a cell to those of the cells before it, without repeating one. A cell that has
// none says why; an empty one says nothing.
func (n *numbering) numbers(cell string, found []string) ([]string, flaw) {
	if clean(cell) {
		number, valid := n.e164(cell)
		if !valid {
			return found, flawInvalid
		}
		return appendNew(found, number), flawNone
	}
	s := tidy(cell)
	if s == "" {
		return found, flawNone
	}
	if digits, written := scientific(s); written {
		if digits == "" {
			return found, flawExcel
		}
		s = digits
	}
	parts, why := split(s)
	if why != flawNone {
		return found, why
	}
	why = flawNone
	lead := ""
	before := len(found)
	for _, part := range parts {
		written, reason := canonical(part)
		if reason == flawNone {
			if lead == "" {
				lead = written
			} else if !n.nanp && !dialled(written) && dialled(lead) {
				continue // "030 1234567 / 1234568": the second one has lost its area code
			}
			number, valid := n.e164(written)
			if valid {
				found = appendNew(found, number)
				before = -1
				continue
			}
			reason = flawInvalid
		}
		if why == flawNone {
			why = reason
		}
	}
	if before < 0 {
		why = flawNone
	}
	return found, why
}

// dialled reports whether a number begins as one that can be dialled from anywhere in its country.
func dialled(written string) bool { return written[0] == '+' || written[0] == '0' }

func appendNew(found []string, number string) []string {
	if slices.Contains(found, number) {
		return found
	}
	return append(found, number)
}

// clean reports whether a cell is nothing but ASCII digits, with or without a leading plus.
func clean(cell string) bool {
	if len(cell) < 2 {
		return false
	}
	for i := range len(cell) {
		if c := cell[i]; (c < '0' || c > '9') && (c != '+' || i > 0) {
			return false
		}
	}
	return true
}

// tidy takes away what spreadsheets, web pages and phones add to a number without being part of it.
func tidy(cell string) string {
	s := cell
	if !ascii(s) {
		s = strings.Map(plain, s)
	}
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "="); ok { // ="0123" keeps a spreadsheet from calculating
		s = strings.TrimSpace(inner)
	}
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	s = strings.TrimSpace(strings.TrimLeft(s, "'`"))
	// A number that went through floating point, as 16505550123.0 or 16505550123,00.
	if i := strings.LastIndexAny(s, ".,"); i >= shortest && clean(s[:i]) && strings.Trim(s[i+1:], "0") == "" {
		s = s[:i]
	}
	return s
}

// plain maps a rune of a phone cell to the ASCII one that it stands for; invisible ones vanish.
func plain(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return r
	case r >= '\uff01' && r <= '\uff5e': // full-width forms
		return r - '\uff01' + '!'
	case r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\u2060' || r == '\ufeff' || r == '\u00ad',
		unicode.Is(unicode.Bidi_Control, r):
		return -1
	case unicode.IsSpace(r):
		return ' '
	case unicode.Is(unicode.Dash, r):
		return '-'
	case r == '’' || r == '‘' || r == '´':
		return '\''
	case r == '“' || r == '”' || r == '„':
		return '"'
	case unicode.Is(unicode.Nd, r):
		if digit := phonenumbers.NormalizeDigitsOnly(string(r)); len(digit) == 1 {
			return rune(digit[0])
		}
	}
	return r
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// scientific reads 1.6505550123E+10. written says that the cell has that form; digits is empty if some of them are lost.
func scientific(s string) (digits string, written bool) {
	mantissa, exponent, ok := strings.Cut(strings.ToUpper(s), "E")
	exponent = strings.TrimPrefix(exponent, "+")
	if !ok || len(exponent) == 0 || len(exponent) > 2 || !all(exponent, isDigit) {
		return "", false
	}
	whole, fraction, _ := strings.Cut(strings.Replace(mantissa, ",", ".", 1), ".")
	whole = strings.TrimPrefix(whole, "+")
	if whole == "" || !all(whole, isDigit) || !all(fraction, isDigit) {
		return "", false
	}
	places := 0
	for i := range len(exponent) {
		places = 10*places + int(exponent[i]-'0')
	}
	if len(fraction) != places {
		return "", true
	}
	return whole + fraction, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func countDigits(s string) int {
	count := 0
	for i := range len(s) {
		if isDigit(s[i]) {
			count++
		}
	}
	return count
}

// split takes a cell with several numbers apart. A slash stands between two numbers or, as in 030/1234567, behind
// an area code; the digits before it tell.
func split(s string) ([]string, flaw) {
	s = strings.ReplaceAll(s, ":::", ";") // Google Contacts
	lower := strings.ToLower(s)
	if strings.Contains(lower, ";ext=") {
		return nil, flawExtension
	}
	for _, word := range [...]string{" or ", " and ", " oder ", " und ", " ou ", " et ", " o ", " y ", " e ", " of ", " en "} {
		if i := strings.Index(lower, word); i > 0 && len(lower) == len(s) {
			s = s[:i] + ";" + s[i+len(word):]
			lower = strings.ToLower(s)
		}
	}
	between := ",;|&\n\r"
	if i := strings.IndexByte(s, '/'); i >= 0 && countDigits(s[:i]) >= shortest {
		between += "/"
	}
	if !strings.ContainsAny(s, between) {
		return []string{s}, flawNone
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(between, r) })
	kept := parts[:0]
	for _, part := range parts {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if digits := countDigits(part); digits > 0 && digits < shortest {
			return nil, flawShort
		}
		kept = append(kept, part)
	}
	return kept, flawNone
}

// canonical reduces one number as people write it to digits, with a leading plus where it has one.
func canonical(s string) (string, flaw) {
	s = unlabelled(s)
	buf := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			buf = append(buf, c)
		case c == '+' && len(buf) == 0:
			buf = append(buf, c)
		case c == ' ' || c == '-' || c == '(' || c == ')' || c == '.' || c == '/' || c == '[' || c == ']' || c == '\t':
		default:
			return "", odd(s[i:], countDigits(s[:i]))
		}
	}
	switch {
	case len(buf) == 0:
		return "", flawEmpty
	case len(buf) < 3 || len(buf) > 25:
		return "", flawInvalid
	}
	return string(buf), flawNone
}

// odd says what is wrong with the rest of a number from its first strange character on.
func odd(rest string, before int) flaw {
	after := countDigits(rest)
	if before >= shortest && after > 0 && after <= 8 && rest[0] != '+' && rest[0] != '*' && rest[0] != '@' {
		return flawExtension
	}
	if before+after == 0 {
		return flawEmpty
	}
	return flawLetters
}

// unlabelled takes a label such as "tel:" from the front of a number, or "(home)" from its end. Only words that
// name a kind of phone: "do not call" and "fax" must stay, and make the cell invalid.
func unlabelled(s string) string {
	first := strings.IndexFunc(s, func(r rune) bool { return r == '+' || r == '(' || r >= '0' && r <= '9' })
	if first > 0 && isLabel(s[:first]) {
		s = s[first:]
	}
	last := strings.LastIndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
	if last >= 0 && last+1 < len(s) && isLabel(s[last+1:]) {
		s = s[:last+1]
	}
	return s
}

func isLabel(s string) bool {
	switch strings.ToLower(strings.Trim(s, " .:-()[]")) {
	case "tel", "telephone", "phone", "ph", "p", "t", "m", "c", "h", "w", "o", "mobile", "mob", "cell", "cellphone", "home",
		"work", "office", "main", "private", "business", "direct", "landline", "callto", "phone number", "mobile number",
		"telefon", "handy", "mobil", "privat", "büro", "arbeit", "geschäftlich", "festnetz", "fon", "rufnummer",
		"tél", "téléphone", "portable", "domicile", "bureau", "teléfono", "móvil", "casa", "trabajo", "celular",
		"telefono", "cellulare", "cell.", "ufficio", "telefoon", "mobiel", "thuis", "werk", "telefone":
		return true
	}
	return false
}
