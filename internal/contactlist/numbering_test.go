package contactlist

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestE164(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, region, written, want string }{
		{"international", "US", "+12125550123", "+12125550123"},
		{"international elsewhere", "US", "+493023125123", "+493023125123"},
		{"national", "US", "2125550123", "+12125550123"},
		{"national with trunk digit", "US", "12125550123", "+12125550123"},
		{"national in Germany", "DE", "03023125123", "+493023125123"},
		{"Italian leading zero stays", "IT", "0236618300", "+390236618300"},
		{"lost plus of the own country", "DE", "493023125123", "+493023125123"},
		{"lost plus of another country", "US", "493023125123", ""},
		{"ten digits are not taken for another country's", "US", "4930231251", ""},
		{"no such area", "US", "+19995550123", ""},
		{"too short", "US", "5550123", ""},
		{"empty", "US", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNumbering(tt.region)
			got, why := n.e164(tt.written, n.list, undecided)
			if got != tt.want || (why == flawNone) != (tt.want != "") {
				t.Errorf("e164(%q) = %q, %q; want %q", tt.written, got, why, tt.want)
			}
		})
	}
}

// TestShortCut: the short cut finds what the whole way finds, for numbers with every area code.
func TestShortCut(t *testing.T) {
	t.Parallel()
	taken := 0
	for _, region := range []string{"US", "CA", "DE"} {
		n := newNumbering(region)
		for area := range 1000 {
			for range 4 {
				number := fmt.Sprintf("%03d%07d", area, rand.IntN(10_000_000))
				for _, written := range []string{number, "1" + number, "+1" + number, number[1:], number + "0"} {
					got, short := n.parseUS(written, n.list)
					if !short {
						continue
					}
					taken++
					want, err := phonenumbers.Parse(written, region)
					if err != nil || !phonenumbers.IsValidNumber(want) || got != phonenumbers.Format(want, phonenumbers.E164) {
						t.Errorf("%s in %s: %s by the short cut, %v (%v) by libphonenumber", written, region, got, want, err)
					}
				}
			}
		}
	}
	if taken < 1000 {
		t.Errorf("the short cut took %d numbers only", taken)
	}
}

func BenchmarkE164(b *testing.B) {
	n := newNumbering("US")
	b.ReportAllocs()
	for b.Loop() {
		if _, why := n.e164("+12125550123", n.list, undecided); why != flawNone {
			b.Fatal("the number is valid")
		}
	}
}
