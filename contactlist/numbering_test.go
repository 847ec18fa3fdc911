package contactlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// slowE164 is what phonenumbers says by itself, with the same second try for a lost plus.
func slowE164(written, region string) (string, bool) {
	number, err := phonenumbers.Parse(written, region)
	if err == nil && phonenumbers.IsValidNumber(number) {
		return phonenumbers.Format(number, phonenumbers.E164), true
	}
	if written[0] != '+' && written[0] != '0' && len(written) >= 11 {
		return slowE164("+"+written, region)
	}
	return "", false
}

// kinds are all kinds of numbers of which phonenumbers has examples.
func kinds() []phonenumbers.PhoneNumberType {
	return []phonenumbers.PhoneNumberType{
		phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE,
		phonenumbers.SHARED_COST, phonenumbers.VOIP, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER,
		phonenumbers.UAN, phonenumbers.VOICEMAIL,
	}
}

func TestNumberingAgreesWithPhonenumbers(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var seeds []string
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range kinds() {
			if example := phonenumbers.GetExampleNumberForType(region, kind); example != nil {
				seeds = append(seeds, phonenumbers.Format(example, phonenumbers.E164))
			}
		}
	}
	for code := range phonenumbers.GetSupportedGlobalNetworkCallingCodes() {
		seeds = append(seeds, phonenumbers.Format(phonenumbers.GetExampleNumberForNonGeoEntity(code), phonenumbers.E164))
	}
	slices.Sort(seeds)
	if len(seeds) < 900 {
		t.Fatalf("got %d example numbers, want some of every region", len(seeds))
	}
	var checked, valid int
	for nth, region := range []string{"US", "CA", "BS", "DE", "GB", "IT", "AR", "BR", "FR", "ES", "AU", "JP", "GG", "VA", "MX", "RU", "HU"} {
		n, err := newNumbering(region)
		if err != nil {
			t.Fatal(err)
		}
		check := func(written string) {
			checked++
			want, wantValid := slowE164(written, region)
			got, gotValid, err := n.e164(written)
			if err != nil {
				t.Fatal(err)
			}
			if gotValid != wantValid || gotValid && got != want {
				t.Errorf("%s in %s: got %s, %t, want %s, %t", written, region, got, gotValid, want, wantValid)
			}
			if wantValid {
				valid++
			}
		}
		for i, seed := range seeds {
			home := strings.HasPrefix(seed, "+"+n.home.code)
			if !home && nth > 0 && i%10 != nth%10 {
				continue // numbers from abroad are read alike everywhere
			}
			check(seed)
			if nth > 0 || i%4 == 0 {
				check(seed[1:])
			}
			if code := "+" + n.home.code; home && (n.home.code != "1" || i%12 == nth) {
				for _, trunk := range []string{"", "0", "8", "06", "1", "00", n.home.code} {
					check(trunk + seed[len(code):])
					for range 5 {
						check(trunk + mutate(random, seed)[len(code):])
					}
				}
			}
			for range 2 {
				check(mutate(random, seed))
			}
		}
		for range 60 {
			check(fmt.Sprintf("+1%010d", random.Int64N(1e10)))
			check(fmt.Sprintf("%010d", random.Int64N(1e10)))
			check(fmt.Sprintf("1%010d", random.Int64N(1e10)))
			check(fmt.Sprintf("0%0*d", 6+random.IntN(6), random.Int64N(1e6)))
		}
	}
	if valid < checked/10 {
		t.Errorf("only %d of %d numbers were valid: the comparison says little", valid, checked)
	}
}

// mutate changes, adds or removes one digit behind the plus.
func mutate(random *rand.Rand, number string) string {
	b := []byte(number)
	i := 1 + random.IntN(len(b)-1)
	digit := byte('0' + random.IntN(10))
	switch random.IntN(4) {
	case 0:
		b = append(b, digit)
	case 1:
		if len(b) > 4 {
			b = b[:len(b)-1]
		}
	default:
		b[i] = digit
	}
	return string(b)
}

func TestAutomaton(t *testing.T) {
	t.Parallel()
	a, err := compile(`0|1(?:2[3-5]|6\d{2})|99`)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		digits        string
		whole, prefix bool
	}{
		{"", false, false},
		{"0", true, true},
		{"00", false, true},
		{"12", false, false},
		{"124", true, true},
		{"126", false, false},
		{"1645", true, true},
		{"16456", false, true},
		{"99", true, true},
		{"9", false, false},
	}
	for _, tt := range tests {
		if got := a.whole(tt.digits); got != tt.whole {
			t.Errorf("whole(%q) = %t, want %t", tt.digits, got, tt.whole)
		}
		if got := a.prefix(tt.digits); got != tt.prefix {
			t.Errorf("prefix(%q) = %t, want %t", tt.digits, got, tt.prefix)
		}
	}
	if _, err := compile(`1$`); err == nil {
		t.Error("an assertion was compiled, want an error")
	}
}

func BenchmarkNumbering(b *testing.B) {
	for _, tt := range []struct{ name, region, written string }{
		{"international", "US", "+12125550123"},
		{"national", "US", "2125550123"},
		{"germany", "DE", "+493023125123"},
		{"germany national", "DE", "03023125123"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			n, err := newNumbering(tt.region)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, valid, err := n.e164(tt.written); err != nil || !valid {
					b.Fatal(valid, err)
				}
			}
		})
	}
}
