package contactlist

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// TestNeverAnotherPersons damages numbers of every region as spreadsheets and people do, and reads them in their own region: the
// result is the number itself, or none, and in no case a number of another country.
func TestNeverAnotherPersons(t *testing.T) {
	t.Parallel()
	kinds := []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE}
	rng := rand.New(rand.NewPCG(1, 2))
	read, lost := 0, 0
	for name := range phonenumbers.GetSupportedRegions() {
		n := newNumbering(name)
		code := strconv.Itoa(n.list.code)
		for _, kind := range kinds {
			example := phonenumbers.GetExampleNumberForType(name, kind)
			if example == nil {
				continue
			}
			for i := range 3 {
				b := []byte(phonenumbers.Format(example, phonenumbers.E164))
				for j := len(b) - 1; i > 0 && j > len(b)-7 && j > 1+len(code)+1; j-- {
					b[j] = byte('0' + rng.IntN(10))
				}
				want := string(b)
				if got, why := n.e164(want, n.list, undecided); why != flawNone || got != want {
					continue
				}
				parsed, err := phonenumbers.Parse(want, "")
				if err != nil {
					t.Fatal(err)
				}
				dialled := phonenumbers.NormalizeDigitsOnly(phonenumbers.Format(parsed, phonenumbers.NATIONAL))
				significant := phonenumbers.GetNationalSignificantNumber(parsed)
				extra := strconv.Itoa(rng.IntN(10))
				for _, damaged := range []struct {
					what, written string
					longer        bool // may be another number of the same country: nobody can know
				}{
					{"as dialled", dialled, false},
					{"plus lost", want[1:], false},
					{"zero lost", strings.TrimLeft(dialled, "0"), false},
					{"significant digits", significant, false},
					{"00 for plus", "00" + want[1:], false},
					{"code doubled", "+" + code + want[1:], false},
					{"code doubled, plus lost", code + want[1:], false},
					{"code doubled after 00", "00" + code + want[1:], false},
					{"digit added", dialled + extra, true},
					{"digit added, plus lost", want[1:] + extra, true},
				} {
					for _, s := range []sense{undecided, national, international} {
						got, why := n.e164(damaged.written, n.list, s)
						read++
						if why != flawNone {
							lost++
							continue
						}
						if callingCode(got) != n.list.code {
							t.Errorf("%s, %s of %s, %v: %s is a number of another country", name, damaged.what, want, s, got)
						}
						if name == "GA" && damaged.what == "zero lost" {
							continue // Gabon's numbers have an old form without the zero: the same phone
						}
						if got != want && !damaged.longer && s == undecided {
							t.Errorf("%s, %s of %s: %s is read as %s", name, damaged.what, want, damaged.written, got)
						}
					}
				}
			}
		}
	}
	if read < 5000 || lost*2 > read {
		t.Errorf("%d read, of which %d were refused", read, lost)
	}
}
