package campaign

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // systems without zone files, or without the old names that phone number data uses

	"github.com/nyaruka/phonenumbers"
)

// Zones is the IANA time zones in which a contact may be: those of the list's column, else those of
// the phone number. A number that belongs to no certain place has all the zones of its country. Where
// the number's country does not have the column's zone, both are meant: the column may be a
// program's default. The second result is false where nothing is known; such a contact is not called.
//
// The slice is shared: it must not be changed.
func Zones(c Contact) ([]string, bool) {
	if c.Zone == "" {
		return zonesOfNumber(c.Number())
	}
	zones := strings.Split(c.Zone, ",")
	for _, zone := range zones {
		if _, ok := LoadZone(zone); !ok {
			return nil, false
		}
	}
	if ZoneAbroad(c) {
		if own, ok := zonesOfNumber(c.Number()); ok {
			zones = append(zones, own...)
		}
	}
	return zones, true
}

// ZoneAbroad reports whether the list gives a contact a time zone whose clock the country of its number does not have.
func ZoneAbroad(c Contact) bool {
	number := c.Number()
	if c.Zone == "" || !E164(number) {
		return false
	}
	code := callingCode(number)
	for zone := range strings.SplitSeq(c.Zone, ",") {
		if !hasClock(code, zone) {
			return true
		}
	}
	return false
}

// clocks remembers what hasClock found, by country and zone: there are some hundreds of either.
var clocks sync.Map // [2]string → bool

// hasClock reports whether a country, by its calling code, has a zone with the clock of the given one. Where nothing is known of
// the country, it has.
func hasClock(code, zone string) bool {
	key := [2]string{code, zone}
	if known, ok := clocks.Load(key); ok {
		return known.(bool)
	}
	loc, ok := LoadZone(zone)
	if !ok {
		return true
	}
	country, known := zonesOfPrefix(code)
	has := !known || slices.ContainsFunc(country, func(name string) bool {
		other, ok := LoadZone(name)
		return ok && (name == zone || sameClock(loc, other))
	})
	clocks.Store([2]string{strings.Clone(code), strings.Clone(zone)}, has)
	return has
}

// sameClock compares two zones over two years, twice a month.
func sameClock(a, b *time.Location) bool {
	for i := range 48 {
		at := time.Date(2026, time.January, 3, 12, 0, 0, 0, time.UTC).AddDate(0, 0, 15*i)
		_, one := at.In(a).Zone()
		if _, two := at.In(b).Zone(); one != two {
			return false
		}
	}
	return true
}

// zonesOfNumber is the zones of a phone number, or of its country where it belongs to no certain place.
func zonesOfNumber(number string) ([]string, bool) {
	if !E164(number) {
		return nil, false
	}
	zones, ok := zonesOfPrefix(number)
	if !ok {
		return nil, false
	}
	code := callingCode(number)
	if byPrefixAlone(code) || oneClock(code) {
		return zones, true
	}
	country, ok := zonesOfPrefix(code)
	if !ok || slices.Equal(country, zones) {
		return zones, true
	}
	// The data gives an Australian mobile number to Sydney, for the digits that it shares with a town
	// there; its owner may live in Perth. The number's kind is looked up only here, since that is a
	// hundred times the work of all the rest.
	if geographic(code, number) {
		return zones, true
	}
	return country, true
}

// E164 reports whether a number is written in E.164: +, then 7 to 15 digits, the first one not 0.
func E164(number string) bool {
	if len(number) < 8 || len(number) > 16 || number[0] != '+' || number[1] == '0' {
		return false
	}
	for i := 1; i < len(number); i++ {
		if number[i] < '0' || number[i] > '9' {
			return false
		}
	}
	return true
}

// zonesOfPrefix is the zones of the longest known prefix of a number.
func zonesOfPrefix(number string) ([]string, bool) {
	zones, err := phonenumbers.GetTimezonesForPrefix(number)
	if err != nil || len(zones) == 0 || zones[0] == phonenumbers.UNKNOWN_TIMEZONE {
		return nil, false
	}
	return zones, true
}

// callingCode is the digits of an E.164 number that stand for its country. ITU-T E.164 fixes them: the
// codes of one and two digits are all given out, every other code has three. Kazakhstan's part of +7 is
// told apart from Russia.
func callingCode(number string) string {
	d := number[1:]
	switch d[0] {
	case '1':
		return d[:1]
	case '7':
		if d[1] == '6' || d[1] == '7' {
			return d[:2]
		}
		return d[:1]
	}
	switch d[:2] {
	case "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
		"51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
		"81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98":
		return d[:2]
	}
	return d[:3]
}

// byPrefixAlone reports whether a number's prefix says where it is, whatever its kind: an area code of
// North America, and the countries whose mobile numbers have area codes too (as libphonenumber's
// GEO_MOBILE_COUNTRIES).
func byPrefixAlone(code string) bool {
	switch code {
	case "1", "52", "54", "55", "62", "77", "86":
		return true
	}
	return false
}

// oneClock reports whether all the zones of a country that has several keep the same time, such as London's
// and Jersey's, so that it does not matter which one a number has.
func oneClock(code string) bool {
	switch code {
	case "39", "44", "47", "358", "599":
		return true
	}
	return false
}

// geographic reports whether a number is of a kind that belongs to a place, as libphonenumber's
// isNumberGeographical, which the Go port does not offer.
func geographic(code, number string) bool {
	country, err := strconv.ParseInt(code, 10, 32)
	if err != nil {
		return false
	}
	digits := number[1+len(code):]
	national, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return false
	}
	parsed := &phonenumbers.PhoneNumber{}
	cc := int32(country)
	parsed.CountryCode, parsed.NationalNumber = &cc, &national
	if strings.HasPrefix(digits, "0") {
		leading, zeros := true, int32(0)
		for ; int(zeros) < len(digits) && digits[zeros] == '0'; zeros++ {
		}
		parsed.ItalianLeadingZero, parsed.NumberOfLeadingZeros = &leading, &zeros
	}
	switch phonenumbers.GetNumberType(parsed) {
	case phonenumbers.FIXED_LINE, phonenumbers.FIXED_LINE_OR_MOBILE:
		return true
	}
	return false
}

// wholeName reports whether the tz database has a zone by a name without a place in it, apart from those that are mostly meant
// otherwise.
func wholeName(name string) bool {
	switch name {
	case "UTC", "CET", "CST6CDT", "Cuba", "EET", "EST5EDT", "Egypt", "Eire", "GB", "GB-Eire", "GMT", "GMT+0", "GMT-0", "GMT0", "Greenwich",
		"Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan", "Kwajalein", "Libya", "MET", "MST7MDT", "NZ", "NZ-CHAT", "Navajo",
		"PRC", "PST8PDT", "Poland", "Portugal", "ROC", "ROK", "Singapore", "Turkey", "UCT", "Universal", "W-SU", "WET", "Zulu":
		return true
	}
	return false
}

// zoneMemo remembers what [time.LoadLocation] found: it reads a file each time, which costs more than
// all the rest of a decision. The contents never change, so that sharing it is safe. There are some six
// hundred zones; wrong names, which come from people's lists, are bounded.
var zoneMemo struct {
	sync.Map // string → *time.Location, nil for a name that is none
	wrong    atomic.Int32
}

const maxWrongZones = 256

// LoadZone is an IANA time zone by its name, such as America/New_York, UTC or Japan. EST, MST and HST are
// not taken: EST has no summer time, but whoever writes it mostly means New York's clock.
func LoadZone(name string) (*time.Location, bool) {
	if known, ok := zoneMemo.Load(name); ok {
		loc := known.(*time.Location)
		return loc, loc != nil
	}
	var loc *time.Location
	if wholeName(name) || strings.Contains(name, "/") && len(name) <= 64 {
		if found, err := time.LoadLocation(name); err == nil {
			loc = found
		}
	}
	if loc == nil && zoneMemo.wrong.Load() >= maxWrongZones {
		return nil, false
	}
	// The name may be a part of a list's row, which must not be kept with it.
	if _, there := zoneMemo.LoadOrStore(strings.Clone(name), loc); !there && loc == nil {
		zoneMemo.wrong.Add(1)
	}
	return loc, loc != nil
}
