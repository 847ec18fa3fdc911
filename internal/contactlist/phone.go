package contactlist

import (
	"regexp"
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
	flawAmbiguous flaw = "can be read with and without a country code: write it with + and country code, or say which with --numbers national or --numbers international"
	flawForeign   flaw = "is no number of the list's country; one of another country needs + or 00 in front, a column with the country, or --numbers international"
	flawCountry   flaw = "is not a number of the country that the row names"
	flawDoubled   flaw = "seems to have its country code twice"
	flawArea      flaw = "has no area code in the column for it"
	flawLabel     flaw = "has a label that is not known to be the person's own"
	flawFax       flaw = "is marked as fax, pager or the like"
	flawOther     flaw = "is marked as somebody else's"
	flawDead      flaw = "is marked as wrong or out of use"
	flawStop      flaw = "is marked as not to be called"
	flawGone      flaw = "says that the person is dead"
)

// alone is the flaw of a number that stands in no list.
func (f flaw) alone() string {
	switch f {
	case flawAmbiguous:
		return "can be read with and without a country code: write it with + and country code"
	case flawForeign:
		return "is no number of this country; write it with + and country code"
	}
	return string(f)
}

// flawOf is why a phone with these words beside it is left out.
func flawOf(c class) flaw {
	switch {
	case c&isGone != 0:
		return flawGone
	case c&isStop != 0:
		return flawStop
	case c&isDead != 0:
		return flawDead
	case c&isFax != 0:
		return flawFax
	case c&isOther != 0:
		return flawOther
	case c&isExtension != 0:
		return flawExtension
	case c&^(isPhone|isKind) != 0:
		return flawLetters
	}
	return flawNone
}

// shortest is how many digits a cell's second number has at least. Below that it is an extension, or part of the first.
const shortest = 7

// longestCell is how many bytes a cell of phones may have.
const longestCell = 2000

// way is how the digits of a cell are to be read.
type way struct {
	region region
	sense  sense
	all    bool // words beside a number do not matter: the list is one of phones not to be called
}

// numbers adds the valid numbers of a cell to those of the cells before it, without repeating one. Why not all of them
// were taken is said too; an empty cell says nothing. After flawStop and flawGone the row is not to be called at all.
func (n *numbering) numbers(cell string, w way, found []string) ([]string, flaw) {
	if clean(cell) {
		number, why := n.e164(cell, w.region, w.sense)
		if why != flawNone {
			return found, why
		}
		return appendNew(found, number), flawNone
	}
	s := tidy(cell)
	if s == "" {
		return found, flawNone
	}
	if len(s) > longestCell {
		return found, flawLetters
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
	before := len(found)
	var all class // of words that stand alone, and of the part before
	lead, carried := "", class(0)
	for _, part := range parts {
		pieces, reason := labelled(part)
		if reason != flawNone {
			return found[:before], reason
		}
		for _, piece := range pieces {
			if piece.digits == "" {
				all |= piece.words
				continue
			}
			own := piece.words
			if piece.words == 0 {
				own = carried // "Fax 030 123 / 030 124": the second one may be the fax's too
			}
			carried = own &^ (isPhone | isKind)
			if f := flawOf(own); f != flawNone && !w.all {
				if f == flawStop || f == flawGone || f == flawLetters {
					all |= own
				}
				why = first(why, f)
				if f != flawStop {
					continue
				}
			}
			if lead == "" {
				lead = piece.digits
			} else if !w.region.nanp && !trunk(piece.digits) && trunk(lead) {
				why = first(why, flawInvalid)
				continue // "030 1234567 / 1234568": the second one has lost its area code
			}
			how := w.sense
			if piece.groups && how == undecided && (w.region.nanp || w.region.code == 7 && piece.digits[0] == '8') {
				how = national
			}
			number, bad := n.e164(piece.digits, w.region, how)
			if bad != flawNone {
				why = first(why, bad)
				continue
			}
			found = appendNew(found, number)
		}
	}
	switch f := flawOf(all); {
	case f != flawStop && f != flawGone && f != flawNone && countDigits(s) == 0:
		return found, flawEmpty // "nan", "none", "unbekannt"
	case w.all || f == flawNone:
	case f == flawStop:
		return found, f
	default:
		if len(found) > before || why == flawNone || f == flawGone {
			why = f
		}
		return found[:before], why
	}
	if why == flawNone && len(found) == before && lead == "" {
		why = flawEmpty
	}
	return found, why
}

func first(a, b flaw) flaw {
	if a != flawNone {
		return a
	}
	return b
}

// piece is one number of a cell with the words that belong to it, or words alone.
type piece struct {
	digits string
	words  class
	groups bool // written in groups as one's own country's numbers are: (212) 555-0123
}

// labelled takes one part of a cell apart into numbers and the words beside them: "030 123", "mobile: 0171 39", "(home)",
// "Tel. 030 123 Fax 030 124".
func labelled(part string) ([]piece, flaw) {
	type run struct {
		text    string
		letters bool
	}
	var runs []run
	begin, lettered := 0, false
	for i, r := range part {
		letter := unicode.IsLetter(r) || unicode.Is(unicode.M, r) || r == '†'
		digit := r >= '0' && r <= '9' || r == '+'
		switch {
		case letter && !lettered:
			if i > begin {
				runs = append(runs, run{part[begin:i], false})
			}
			begin, lettered = i, true
		case digit && lettered:
			runs = append(runs, run{part[begin:i], true})
			begin, lettered = i, false
		}
	}
	if begin < len(part) {
		runs = append(runs, run{part[begin:], lettered})
	}
	// Signs without a digit say nothing, and belong to the words before.
	kept := runs[:0]
	for _, r := range runs {
		if !r.letters && countDigits(r.text) == 0 {
			if strings.ContainsAny(r.text, "#*@") {
				return nil, flawLetters
			}
			continue
		}
		if r.letters && len(kept) > 0 && kept[len(kept)-1].letters {
			kept[len(kept)-1].text += " " + r.text
			continue
		}
		kept = append(kept, r)
	}
	numbers := 0
	for i, r := range kept {
		if r.letters {
			continue
		}
		numbers++
		// A few digits behind words are an extension; digits glued to letters are no number.
		if i > 0 && countDigits(r.text) < shortest && numbers > 1 {
			return nil, flawExtension
		}
	}
	if numbers == 0 {
		if len(kept) == 0 {
			return nil, flawNone
		}
		return []piece{{words: cellWords(kept[0].text)}}, flawNone
	}
	pieces := make([]piece, 0, numbers)
	// Which words belong to which number: those before it where the part begins with words, else those behind it.
	leading := kept[0].letters
	if leading == kept[len(kept)-1].letters && len(kept) > 1 && numbers > 1 || leading && kept[len(kept)-1].letters && numbers > 1 {
		return nil, flawLetters
	}
	var pending class
	for _, r := range kept {
		if r.letters {
			c := cellWords(r.text)
			if leading && len(pieces) < numbers {
				pending |= c
			} else {
				pieces[len(pieces)-1].words |= c
			}
			continue
		}
		digits, why := canonical(r.text)
		if why != flawNone {
			return nil, why
		}
		groups := digits[0] != '+' && inGroups.MatchString(strings.TrimSpace(r.text))
		pieces = append(pieces, piece{digits: digits, words: pending, groups: groups})
		pending = 0
	}
	return pieces, flawNone
}

// cellWords is what words in a phone's cell say.
func cellWords(text string) class {
	c := words().cell.classes(fold(text))
	if c == 0 {
		return isUnknown
	}
	return c
}

// inGroups is a number in brackets and groups as it is dialled in its own country: (212) 555-0123, 8 (495) 123-45-67.
var inGroups = regexp.MustCompile(`^([18][ .-]?)?(\(\d{3,5}\)|\d{3}[ .-]\d{3}[ .-]\d{4}$)`)

// trunk reports whether a number begins as one that can be dialled from anywhere in its country.
func trunk(written string) bool { return written[0] == '+' || written[0] == '0' }

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
	plain := true
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte(",;|&\n\r/", c) >= 0 || c == ':' {
			plain = false
			break
		}
	}
	if plain {
		return []string{s}, flawNone
	}
	if strings.Contains(strings.ToLower(s), ";ext=") || strings.Contains(strings.ToLower(s), ";isub=") {
		return nil, flawExtension
	}
	var parts []string
	add := func(part string) flaw {
		if part = strings.TrimSpace(part); part == "" {
			return flawNone
		}
		if digits := countDigits(part); digits > 0 && digits < shortest && len(parts) > 0 {
			return flawShort
		}
		parts = append(parts, part)
		return flawNone
	}
	begin, digits := 0, 0
	for i := 0; i < len(s); i++ {
		width := 0 // of the separator at i
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case c == ',' || c == ';' || c == '|' || c == '&' || c == '\n' || c == '\r':
			width = 1
		case c == ':' && strings.HasPrefix(s[i:], ":::"): // Google Contacts
			width = 3
		case c == '/' && (digits >= enough(s[begin:i], i+1 < len(s) && s[i+1] == ' ') || digits == 0 && countDigits(s[:i]) >= shortest):
			width = 1
		case c == ' ' || c == '\t':
			width = conjunction(s[i:])
			if digits > 0 && digits < shortest {
				width = 0
			}
		}
		if width == 0 {
			continue
		}
		if why := add(s[begin:i]); why != flawNone {
			return nil, why
		}
		begin, digits = i+width, 0
		i += width - 1
	}
	if why := add(s[begin:]); why != flawNone {
		return nil, why
	}
	if len(parts) > 1 {
		for _, part := range parts {
			if digits := countDigits(part); digits > 0 && digits < shortest {
				return nil, flawShort
			}
		}
	}
	return parts, flawNone
}

// enough is how many digits before a slash are a whole number. With a country code they may be an area's: +49 (0)5021/12345.
func enough(before string, apart bool) int {
	before = strings.TrimLeft(before, " (")
	if !apart && (strings.HasPrefix(before, "+") || strings.HasPrefix(before, "00")) {
		return 10
	}
	return shortest
}

// conjunction is the length of a word such as " or " at the beginning of s, with its blanks, or 0.
func conjunction(s string) int {
	rest := strings.TrimLeft(s, " \t")
	end := strings.IndexAny(rest, " \t")
	if end <= 0 || end > 12 || !among("or", fold(rest[:end])) || strings.ContainsAny(rest[:end], "0123456789") {
		return 0
	}
	return len(s) - len(rest) + end + 1
}

// canonical reduces one number as people write it to digits, with a leading plus where it has one.
func canonical(s string) (string, flaw) {
	buf := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			buf = append(buf, c)
		case c == '+' && len(buf) == 0:
			buf = append(buf, c)
		case c == ' ' || c == '-' || c == '(' || c == ')' || c == '.' || c == '/' || c == '[' || c == ']' || c == '\t' || c == ':' && i == len(s)-1:
		default:
			return "", odd(s[i:], countDigits(s[:i]))
		}
	}
	switch {
	case len(buf) == 0 || len(buf) == 1 && buf[0] == '+':
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
