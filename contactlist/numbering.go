package contactlist

import (
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
	if err := phonenumbers.ParseToNumber(written, n.region, &n.number); err != nil || !phonenumbers.IsValidNumber(&n.number) {
		return "", false
	}
	return phonenumbers.Format(&n.number, phonenumbers.E164), true
}
