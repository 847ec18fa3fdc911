package contactlist

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// sense is how the digits of a column without + are meant where they can be read in both ways.
type sense int

const (
	undecided     sense = iota
	national            // as dialled within the country
	international       // with the list's country code in front: other cells of the column show it
	worldwide           // with any country's code in front: the list's owner says so
)

// numbering reads phone numbers as libphonenumber does. Not safe for concurrent use.
type numbering struct {
	list    region // the list's
	regions map[string]region
	lengths map[uint32]bool // by calling code and length: whether there are numbers of that length
	number  phonenumbers.PhoneNumber
}

// region is a country in which numbers without + are read.
type region struct {
	name string // ISO 3166
	code int    // calling code
	nanp bool   // writes its own numbers as [1]NXXNXXXXXX
	// apart says that the country code stands in a column of its own, so that the digits are national.
	apart bool
	// said says that the row names its country.
	said bool
}

// newNumbering reads numbers without + as numbers of the region, an upper-case ISO 3166 code that phonenumbers knows.
func newNumbering(name string) *numbering {
	n := &numbering{regions: map[string]region{}, lengths: map[uint32]bool{}}
	n.list = n.region(name)
	return n
}

func (n *numbering) region(name string) region {
	r, ok := n.regions[name]
	if !ok {
		r = region{name: name, code: phonenumbers.GetCountryCodeForRegion(name), nanp: phonenumbers.IsNANPACountry(name)}
		n.regions[strings.Clone(name)] = r
	}
	return r
}

// e164 returns the number that is written as digits, with or without a leading +, as a number of the region or with a country
// code; else what is wrong. Digits that can be two numbers are read in the given sense.
func (n *numbering) e164(written string, r region, s sense) (string, flaw) {
	if written == "" {
		return "", flawEmpty
	}
	if written[0] == '+' {
		number, ok := n.parse(written, r)
		switch {
		case !ok:
			return "", flawInvalid
		case n.doubled(number):
			return "", flawDoubled
		case r.said && n.code(number) != r.code:
			return "", flawCountry
		}
		return number, flawNone
	}
	home, homeOK := n.parse(written, r)
	if homeOK && n.code(home) != r.code && !prefixed(written, r) {
		homeOK = false // digits that happen to begin as a prefix for calls abroad
	}
	if written[0] == '0' {
		return n.dialled(written, home, homeOK, r)
	}
	twice := homeOK && n.doubled(home)
	if homeOK && (s == national || r.apart || n.code(home) != r.code) {
		if twice {
			return "", flawDoubled
		}
		return home, n.contradicts(home, r)
	}
	abroad, abroadOK := "", false
	if n.possible(written) {
		abroad, abroadOK = n.parse("+"+written, r)
	}
	if abroadOK && n.doubled(abroad) {
		return "", flawDoubled
	}
	own := abroadOK && n.code(abroad) == r.code
	two := homeOK && abroadOK && home != abroad
	switch {
	case two && s == undecided:
		return "", flawAmbiguous
	case abroadOK && (two || !homeOK) && own:
		return abroad, flawNone
	case abroadOK && (two || !homeOK) && s == worldwide:
		return abroad, n.contradicts(abroad, r)
	case abroadOK && (two || !homeOK):
		return "", flawForeign
	case twice:
		return "", flawDoubled
	case homeOK:
		return home, flawNone
	}
	return "", flawInvalid
}

// dialled reads digits with a 0 in front: a trunk prefix, or one for calls abroad.
func (n *numbering) dialled(written, home string, homeOK bool, r region) (string, flaw) {
	abroad, abroadOK := "", false
	if strings.HasPrefix(written, "00") && len(written) > 3 {
		abroad, abroadOK = n.parse("+"+strings.TrimLeft(written, "0"), r)
	}
	if !abroadOK && strings.HasPrefix(written, "00") && !strings.HasPrefix(written, "001") {
		homeOK = false // 00 and a carrier's digit, or a country code twice
	}
	number := home
	switch {
	case homeOK && abroadOK && home != abroad:
		return "", flawAmbiguous
	case abroadOK:
		number = abroad
	case !homeOK:
		return "", flawInvalid
	}
	if n.doubled(number) {
		return "", flawDoubled
	}
	return number, n.contradicts(number, r)
}

func (n *numbering) contradicts(number string, r region) flaw {
	if r.said && n.code(number) != r.code {
		return flawCountry
	}
	return flawNone
}

// any reports whether digits are somebody's number, however they are meant.
func (n *numbering) any(written string) bool {
	if _, ok := n.parse(written, n.list); ok {
		return true
	}
	if written == "" || written[0] == '+' || !n.possible(written) {
		return false
	}
	_, ok := n.parse("+"+written, n.list)
	return ok
}

// prefixed reports whether digits begin with a prefix for calls abroad that nobody dials by accident.
func prefixed(written string, r region) bool {
	switch {
	case strings.HasPrefix(written, "00"):
		return true
	case r.nanp:
		return strings.HasPrefix(written, "011")
	case r.name == "JP":
		return strings.HasPrefix(written, "010")
	case r.code == 7 || r.name == "BY" || r.name == "TM" || r.name == "UZ" || r.name == "TJ":
		return strings.HasPrefix(written, "810")
	}
	return false
}

// code is the calling code of a number, 0 of none.
func (n *numbering) code(number string) int {
	if number == "" {
		return 0
	}
	return callingCode(number)
}

func (n *numbering) parse(written string, r region) (string, bool) {
	if number, ok := n.parseUS(written, r); ok {
		return number, true
	}
	if err := phonenumbers.ParseToNumber(written, r.name, &n.number); err != nil || !phonenumbers.IsValidNumber(&n.number) {
		return "", false
	}
	return phonenumbers.Format(&n.number, phonenumbers.E164), true
}

// parseUS is a short cut through libphonenumber for what most lists are full of, at a quarter of the time: ten digits, with
// or without a 1, are parsed by counting them, and the United States are the first country of +1 in which IsValidNumber
// looks for a number. What is not valid there goes the whole way.
func (n *numbering) parseUS(written string, r region) (string, bool) {
	plain := r.name == "US" || r.name == "CA"
	digits := written
	if len(written) == 12 && written[:2] == "+1" {
		digits = written[2:]
	} else if len(written) == 11 && plain && written[0] == '1' {
		digits = written[1:]
	} else if !plain {
		return "", false
	}
	if len(digits) != 10 || digits[0] < '2' {
		return "", false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return "", false
	}
	n.number.Reset()
	n.number.CountryCode, n.number.NationalNumber = new(int32(1)), new(number)
	if !phonenumbers.IsValidNumberForRegion(&n.number, "US") {
		return "", false
	}
	return "+1" + digits, true
}

// possible reports, without looking at more than their count, whether digits may be a number with its country code.
func (n *numbering) possible(digits string) bool {
	code := callingCode("+" + digits)
	key := uint32(code)<<8 | uint32(len(digits)) //nolint:gosec // a calling code has three digits, a number some twenty
	ok, known := n.lengths[key]
	if !known {
		var number phonenumbers.PhoneNumber
		national := uint64(1)
		for range len(digits) - len(strconv.Itoa(code)) - 1 {
			national *= 10
		}
		number.CountryCode, number.NationalNumber = new(int32(code)), new(national) //nolint:gosec // as above
		ok = len(digits) <= 20 && phonenumbers.IsPossibleNumber(&number)
		// A leading zero is part of some countries' numbers, which the count above cannot show.
		ok = ok || code == 39 || code == 225 || code == 242 || code == 241 || code == 378 || code == 379
		n.lengths[key] = ok
	}
	return ok
}

// doubled reports whether a number looks as if its country code had been put before it twice: without one of them it is
// valid too, and with both it is longer than its country's numbers usually are.
func (n *numbering) doubled(number string) bool {
	code := strconv.Itoa(callingCode(number))
	national := number[1+len(code):]
	if !strings.HasPrefix(national, code) || code == "1" || code == "7" {
		return false
	}
	usual := 0
	main := phonenumbers.GetRegionCodeForCountryCode(callingCode(number))
	for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
		if example := phonenumbers.GetExampleNumberForType(main, kind); example != nil {
			usual = max(usual, len(phonenumbers.GetNationalSignificantNumber(example)))
		}
	}
	// Where numbers differ in length, those of an area that begins as the code does are no longer than others: Emden's +49 49. In
	// Sweden Lund's +46 46 8… would be Stockholm's, and has no such numbers.
	if len(national) <= usual && code != "46" {
		return false
	}
	var once phonenumbers.PhoneNumber
	err := phonenumbers.ParseToNumber("+"+national, main, &once)
	return err == nil && phonenumbers.IsValidNumber(&once)
}

// callingCode is the country code of a number in E.164. Codes of one and two digits are all given out; the others have three.
func callingCode(number string) int {
	d := number[1:]
	if d == "" {
		return 0
	}
	size := 3
	switch {
	case d[0] == '1' || d[0] == '7':
		size = 1
	case len(d) >= 2 && twoDigitCode(d[:2]):
		size = 2
	}
	code, err := strconv.Atoi(d[:min(size, len(d))])
	if err != nil {
		return 0
	}
	return code
}

func twoDigitCode(d string) bool {
	switch d {
	case "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
		"51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
		"81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98":
		return true
	}
	return false
}

// shows is which sense of a column a cell proves, or undecided.
func (n *numbering) shows(written string, r region) sense {
	if r.apart || written == "" || written[0] == '+' || written[0] == '0' {
		return undecided
	}
	home, homeOK := n.parse(written, r)
	if homeOK && n.code(home) != r.code {
		return undecided
	}
	abroadOK, abroad := false, ""
	if n.possible(written) {
		abroad, abroadOK = n.parse("+"+written, r)
	}
	switch {
	case homeOK && !abroadOK:
		return national
	case abroadOK && !homeOK, abroadOK && home == abroad && !r.nanp:
		return international
	}
	return undecided
}

// prefix is the region's calling code in digits.
func (r region) prefix() string { return strconv.Itoa(r.code) }
