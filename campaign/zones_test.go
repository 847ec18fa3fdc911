package campaign

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"
)

func TestZones(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, number, zone string
		want               []string // nil: unknown
	}{
		{"New York", "+12125550100", "", []string{"America/New_York"}},
		{"Idaho", "+12085550100", "", []string{"America/Boise", "America/Los_Angeles"}},
		{"German mobile", "+491701234567", "", []string{"Europe/Berlin"}},
		{"Rome, with its leading zero", "+390612345678", "", []string{"Europe/Rome"}},
		{"Spanish mobile, may be on the Canaries", "+34612345678", "", []string{"Atlantic/Canary", "Europe/Madrid"}},
		{"Madrid", "+34912345678", "", []string{"Europe/Madrid"}},
		{"Sydney, fixed line", "+61236618300", "", []string{"Australia/Sydney"}},
		{"Kazakh mobile is not Russian", "+77011234567", "", []string{"Asia/Almaty", "Asia/Aqtobe"}},
		{"Brazilian mobile has an area code", "+5592991234567", "", []string{"America/Manaus"}},
		{"column", "+12125550100", "America/Chicago", []string{"America/Chicago"}},
		{"column of another country", "+12125550100", "Europe/Berlin", []string{"Europe/Berlin", "America/New_York"}},
		{"column is a program's default", "+493012345678", "UTC", []string{"UTC", "Europe/Berlin"}},
		{"column with a neighbour's clock", "+493012345678", "Europe/Paris", []string{"Europe/Paris"}},
		{"column with two", "+61236618300", "Australia/Sydney,Australia/Brisbane", []string{"Australia/Sydney", "Australia/Brisbane"}},
		{"column with an old name", "+819012345678", "Japan", []string{"Japan"}},
		{"column, no number", "", "UTC", []string{"UTC"}},
		{"column is an abbreviation", "+12125550100", "EST", nil},
		{"column is no zone", "+12125550100", "Mars/Olympus", nil},
		{"column leads out of the zone files", "+12125550100", "../../etc/passwd", nil},
		{"satellite", "+870773111632", "", nil},
		{"not E.164", "12125550100", "", nil},
		{"no number", "", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := Zones(contact(tt.number, tt.zone))
			if ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %t; want %v", got, ok, tt.want)
			}
		})
	}
}

// A mobile number that has no area code may be anywhere in its country, although the zone data gives its
// first digits to one city.
func TestZonesOfMobileAreTheCountrys(t *testing.T) {
	t.Parallel()
	tests := []struct{ number, zone string }{
		{"+61412345678", "Australia/Perth"},
		{"+79161234567", "Asia/Kamchatka"},
		{"+351912345678", "Atlantic/Azores"},
		{"+18005551234", "Pacific/Honolulu"}, // toll-free
	}
	for _, tt := range tests {
		got, ok := Zones(contact(tt.number, ""))
		if !ok || !slices.Contains(got, tt.zone) {
			t.Errorf("%s: got %v, want %s among them", tt.number, got, tt.zone)
		}
	}
}

// The code must know every calling code, and Zones every example of a number that the library has: it
// gives the number's own zones or its country's, nothing else.
func TestZonesOfExampleNumbers(t *testing.T) {
	t.Parallel()
	checked := 0
	for code := range phonenumbers.GetSupportedCallingCodes() {
		want := strconv.Itoa(code)
		if got := callingCode("+" + want + "23456789"); got != want && got != "77" {
			t.Errorf("calling code of +%s…: got %s", want, got)
		}
	}
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{
			phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE, phonenumbers.VOIP, phonenumbers.PERSONAL_NUMBER,
		} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			number := phonenumbers.Format(example, phonenumbers.E164)
			prefix, err := phonenumbers.GetTimezonesForNumber(example)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := Zones(contact(number, ""))
			if !ok {
				if prefix[0] != phonenumbers.UNKNOWN_TIMEZONE {
					t.Errorf("%s: unknown, want %v", number, prefix)
				}
				continue
			}
			checked++
			for _, zone := range prefix {
				if !slices.Contains(got, zone) {
					t.Errorf("%s: got %v, without %s", number, got, zone)
				}
			}
			for _, zone := range got {
				if _, ok := LoadZone(zone); !ok {
					t.Errorf("%s: %s is not in the zone files", number, zone)
				}
			}
			code := callingCode(number)
			if kind := phonenumbers.GetNumberType(example); !byPrefixAlone(code) &&
				(kind == phonenumbers.FIXED_LINE || kind == phonenumbers.FIXED_LINE_OR_MOBILE) != geographic(code, number) {
				t.Errorf("%s: geographic %t, but of type %d", number, geographic(code, number), kind)
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d numbers checked", checked)
	}
}

func TestOneClock(t *testing.T) {
	t.Parallel()
	checked := 0
	for code := range phonenumbers.GetSupportedCallingCodes() {
		text := strconv.Itoa(code)
		zones, ok := zonesOfPrefix(text)
		if !oneClock(text) || !ok {
			continue
		}
		checked++
		for at := time.Date(2020, 1, 1, 1, 0, 0, 0, time.UTC); at.Year() < 2038; at = at.Add(day) {
			first, _ := LoadZone(zones[0])
			_, want := at.In(first).Zone()
			for _, name := range zones {
				loc, _ := LoadZone(name)
				if _, got := at.In(loc).Zone(); got != want {
					t.Fatalf("+%s: %s and %s differ at %v", text, zones[0], name, at)
				}
			}
		}
	}
	if checked != 5 {
		t.Errorf("checked %d countries", checked)
	}
}

func TestLoadZoneIsBounded(t *testing.T) {
	t.Parallel()
	for i := range 2 * maxWrongZones {
		if _, ok := LoadZone(fmt.Sprintf("No/Where%d", i)); ok {
			t.Fatal("found")
		}
	}
	if n := zoneMemo.wrong.Load(); n > maxWrongZones+8 { // a few goroutines may pass the bound together
		t.Errorf("%d wrong names remembered", n)
	}
	if loc, ok := LoadZone("Europe/Berlin"); !ok || loc.String() != "Europe/Berlin" {
		t.Errorf("got %v, %t", loc, ok)
	}
	if _, there := zoneMemo.Load("Europe/Berlin"); !there {
		t.Error("wrong names keep right ones from being remembered")
	}
}

func TestE164(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"+16505550100": true, "+4930123456": true, "+290123456": true, "+123456789012345": true, "+1234567": true,
		"": false, "+": false, "16505550100": false, "+06505550100": false, "+1650555010a": false,
		"+1 6505550100": false, "+1234567890123456": false, "+123456": false, "+１６５０５５５０１００": false,
	} {
		if got := E164(number); got != want {
			t.Errorf("%q: got %t", number, got)
		}
	}
}

func BenchmarkZones(b *testing.B) {
	for name, number := range map[string]string{
		"US": "+16505550100", "DE": "+491701234567", "UKmobile": "+447911123456", "AUmobile": "+61412345678", "ES": "+34612345678",
	} {
		c := contact(number, "")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Zones(c)
			}
		})
	}
}
