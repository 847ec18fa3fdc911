package contactlist

import (
	"strconv"

	"github.com/nyaruka/phonenumbers"
)

// numbering reads phone numbers as libphonenumber does. Not safe for concurrent use.
type numbering struct {
	region string
	nanp   bool // region writes its own numbers as [1]NXXNXXXXXX
	number phonenumbers.PhoneNumber
}

// newNumbering reads numbers without + as numbers of the region, an upper-case ISO 3166 code that phonenumbers knows.
func newNumbering(region string) *numbering {
	return &numbering{region: region, nanp: region == "US" || region == "CA"}
}

// e164 returns the number that is written as digits, with or without a leading +, and whether it is valid.
func (n *numbering) e164(written string) (string, bool) {
	if number, ok := n.parse(written); ok {
		return number, true
	}
	if written == "" || written[0] == '+' || written[0] == '0' || len(written) < 11 {
		return "", false
	}
	// Too long for a mistyped number of most regions: the + is what is missing.
	return n.parse("+" + written)
}

func (n *numbering) parse(written string) (string, bool) {
	if number, ok := n.parseUS(written); ok {
		return number, true
	}
	if err := phonenumbers.ParseToNumber(written, n.region, &n.number); err != nil || !phonenumbers.IsValidNumber(&n.number) {
		return "", false
	}
	return phonenumbers.Format(&n.number, phonenumbers.E164), true
}

// parseUS is a short cut through libphonenumber for what most lists are full of, at a quarter of the time: ten digits, with
// or without a 1, are parsed by counting them, and the United States are the first country of +1 in which IsValidNumber
// looks for a number. What is not valid there goes the whole way.
func (n *numbering) parseUS(written string) (string, bool) {
	digits := written
	if len(written) == 12 && written[:2] == "+1" {
		digits = written[2:]
	} else if len(written) == 11 && n.nanp && written[0] == '1' {
		digits = written[1:]
	} else if !n.nanp {
		return "", false
	}
	if len(digits) != 10 || digits[0] < '2' {
		return "", false
	}
	national, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return "", false
	}
	n.number.Reset()
	n.number.CountryCode, n.number.NationalNumber = new(int32(1)), new(national)
	return "+1" + digits, phonenumbers.IsValidNumberForRegion(&n.number, "US")
}
