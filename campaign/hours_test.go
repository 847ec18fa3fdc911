package campaign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// hours reads the value of calling_hours as a campaign file has it; package campaignfile, which does so in earnest, cannot be
// imported here.
func hours(t testing.TB, src string) Hours {
	t.Helper()
	h := Hours{Zone: ContactZone}
	if src == "always" {
		return Hours{Always: true}
	}
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(src), &fields); err != nil {
		t.Fatal(err)
	}
	given := false
	for key, value := range fields {
		list, _ := value.([]any)
		if one, is := value.(string); is {
			list = []any{one}
		}
		switch key {
		case "timezone":
			h.Zone = fmt.Sprint(value)
		case "holidays":
			for _, v := range list {
				var d Date
				if err := d.UnmarshalText([]byte(fmt.Sprint(v))); err != nil {
					t.Fatal(err)
				}
				h.Holidays = append(h.Holidays, d)
			}
		default:
			given = true
			first, last, _ := strings.Cut(key, "-")
			from, ok := ParseDay(first)
			to, ranged := ParseDay(last)
			if !ok {
				t.Fatalf("day %q", key)
			}
			if !ranged {
				to = from
			}
			for d := from; ; d = (d + 1) % 7 {
				for _, v := range list {
					span, err := ParseSpan(fmt.Sprint(v))
					if err != nil {
						t.Fatal(err)
					}
					h.Days[d] = append(h.Days[d], span)
				}
				if d == to {
					break
				}
			}
		}
	}
	if !given {
		h.Days = defaultHours().Days
	}
	slices.SortFunc(h.Holidays, CompareDates)
	return h
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestOpening(t *testing.T) {
	t.Parallel()
	const newYork, berlin, lordHowe = "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"
	const workdays = `{mon-fri: ["09:00-12:00", "13:00-20:00"], sat: ["10:00-16:00"], holidays: [2026-12-25]}`
	const night = `{mon-sun: ["01:15-01:45", "02:15-02:45"]}`
	const allDay = `{mon-sun: ["00:00-24:00"]}`
	tests := []struct {
		name, hours string
		zones       []string
		at, want    string // want empty: never
		reason      Reason
	}{
		{"open", workdays, []string{newYork}, "2026-11-23T09:00:00-05:00", "2026-11-23T09:00:00-05:00", ""},
		{"last moment", workdays, []string{newYork}, "2026-11-23T11:59:59-05:00", "2026-11-23T11:59:59-05:00", ""},
		{"lunch", workdays, []string{newYork}, "2026-11-23T12:00:00-05:00", "2026-11-23T13:00:00-05:00", OutsideHours},
		{"early", workdays, []string{newYork}, "2026-11-23T08:59:59.5-05:00", "2026-11-23T09:00:00-05:00", OutsideHours},
		{"friday evening", workdays, []string{newYork}, "2026-11-27T20:00:00-05:00", "2026-11-28T10:00:00-05:00", OutsideHours},
		{"saturday evening to monday", workdays, []string{newYork}, "2026-11-28T16:00:00-05:00", "2026-11-30T09:00:00-05:00", OutsideHours},
		{"holiday", workdays, []string{newYork}, "2026-12-25T10:00:00-05:00", "2026-12-26T10:00:00-05:00", Holiday},
		{"eve of the holiday", workdays, []string{newYork}, "2026-12-24T20:00:00-05:00", "2026-12-26T10:00:00-05:00", OutsideHours},
		{"holiday there, not yet here", workdays, []string{berlin}, "2026-12-24T20:00:00-05:00", "2026-12-26T10:00:00+01:00", Holiday},

		// New York, 2026-03-08: 02:00 EST becomes 03:00 EDT.
		{"spring, before the gap", night, []string{newYork}, "2026-03-08T01:45:00-05:00", "2026-03-09T01:15:00-04:00", OutsideHours},
		{"spring, opening where the clock lands", `{sun: ["02:30-04:00"]}`, []string{newYork}, "2026-03-08T00:00:00-05:00", "2026-03-08T03:00:00-04:00", OutsideHours},
		{"spring, the span wholly in the gap", `{sun: ["02:15-02:45"]}`, []string{newYork}, "2026-03-08T00:00:00-05:00", "2026-03-15T02:15:00-04:00", OutsideHours},
		{"spring, morning after", workdays, []string{newYork}, "2026-03-07T16:00:00-05:00", "2026-03-09T09:00:00-04:00", OutsideHours},
		{"spring, the whole day stays open", allDay, []string{newYork}, "2026-03-08T03:00:00-04:00", "2026-03-08T03:00:00-04:00", ""},
		// New York, 2026-11-01: 02:00 EDT becomes 01:00 EST.
		{"autumn, first time", night, []string{newYork}, "2026-11-01T01:00:00-04:00", "2026-11-01T01:15:00-04:00", OutsideHours},
		{"autumn, second time", night, []string{newYork}, "2026-11-01T01:45:00-04:00", "2026-11-01T01:15:00-05:00", OutsideHours},
		{"autumn, the second time is open", night, []string{newYork}, "2026-11-01T01:30:00-05:00", "2026-11-01T01:30:00-05:00", ""},
		{"autumn, after both", night, []string{newYork}, "2026-11-01T01:45:00-05:00", "2026-11-01T02:15:00-05:00", OutsideHours},
		// Berlin, 2026-03-29 02:00 CET → 03:00 CEST; 2026-10-25 03:00 CEST → 02:00 CET.
		{"Berlin, spring", night, []string{berlin}, "2026-03-29T01:50:00+01:00", "2026-03-30T01:15:00+02:00", OutsideHours},
		{"Berlin, autumn", night, []string{berlin}, "2026-10-25T02:50:00+02:00", "2026-10-25T02:15:00+01:00", OutsideHours},
		// Lord Howe moves by half an hour: 2026-04-05 02:00 +11 → 01:30 +10:30; 2026-10-04 02:00 +10:30 → 02:30 +11.
		{"Lord Howe, autumn, a part twice", night, []string{lordHowe}, "2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", OutsideHours},
		{"Lord Howe, spring", night, []string{lordHowe}, "2026-10-04T01:50:00+10:30", "2026-10-04T02:30:00+11:00", OutsideHours},

		{"two zones, one is early", `{mon-sun: ["09:00-20:00"]}`, []string{"America/Boise", "America/Los_Angeles"}, "2026-11-23T08:30:00-08:00", "2026-11-23T09:00:00-08:00", OutsideHours},
		{"two zones, one is late", `{mon-sun: ["09:00-20:00"]}`, []string{"America/Boise", "America/Los_Angeles"}, "2026-11-23T20:30:00-07:00", "2026-11-24T09:00:00-08:00", OutsideHours},
		{"two zones, both open", `{mon-sun: ["09:00-20:00"]}`, []string{"America/Boise", "America/Los_Angeles"}, "2026-11-23T19:30:00-07:00", "2026-11-23T19:30:00-07:00", ""},
		{"two zones that share one hour", `{mon-sun: ["09:00-20:00"]}`, []string{"Europe/Moscow", "Asia/Kamchatka"}, "2026-11-23T12:00:00Z", "2026-11-24T06:00:00Z", OutsideHours},
		{"two zones that never share", `{mon-sun: ["09:00-12:00"]}`, []string{"Europe/Moscow", "Asia/Kamchatka"}, "2026-11-23T12:00:00Z", "", OutsideHours},
		{"two zones that share only in summer", `{mon-sun: ["09:00-12:00"]}`, []string{"Europe/Berlin", "Asia/Tashkent"}, "2026-11-23T12:00:00Z", "", OutsideHours},
		{"one zone changes its clock, the other does not", `{mon-sun: ["09:00-13:00"]}`, []string{"Europe/Berlin", "Asia/Tashkent"}, "2026-11-23T12:00:00Z", "2027-03-28T09:00:00+02:00", OutsideHours},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, reason := hours(t, tt.hours).opening(instant(t, tt.at), tt.zones)
			if tt.want == "" {
				if !got.IsZero() || reason != tt.reason {
					t.Errorf("got %v, %q; want never, %q", got.UTC(), reason, tt.reason)
				}
				return
			}
			if want := instant(t, tt.want); !got.Equal(want) || reason != tt.reason {
				t.Errorf("got %v, %q; want %v, %q", got.UTC(), reason, want.UTC(), tt.reason)
			}
		})
	}
}

// The opening is open, nothing before it is, whatever the hours, the zones and the time of the year.
func TestOpeningIsFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHours(t)
		zones := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia",
			"America/St_Johns", "UTC",
		}), 1, 3, rapid.ID).Draw(t, "zones")
		from := time.Unix(rapid.Int64Range(1735689600, 1830297600).Draw(t, "unix"), rapid.Int64Range(0, 999).Draw(t, "ns")).UTC()
		at, reason := h.opening(from, zones)
		open := func(at time.Time) bool {
			for _, z := range zones {
				loc, _ := LoadZone(z)
				if ok, _ := h.openAt(at, loc); !ok {
					return false
				}
			}
			return true
		}
		if (reason == "") != open(from) {
			t.Fatalf("reason %q, open %t", reason, open(from))
		}
		last := at
		if at.IsZero() {
			last = from.Add(15 * day) // enough to show that there is none in this half of the year
		} else if !open(at) {
			t.Fatalf("%v is not open", at)
		}
		if last.After(from.Add(15 * day)) {
			last = from.Add(15 * day)
		}
		// Hours and changes of clocks stand on whole minutes.
		for m := from; m.Before(last); m = m.Add(time.Minute).Truncate(time.Minute) {
			if open(m) {
				t.Fatalf("open at %v already, said %v", m, at)
			}
		}
	})
}

func drawHours(t *rapid.T) Hours {
	h := Hours{Zone: ContactZone}
	for d := range h.Days {
		at := 0
		for range rapid.IntRange(0, 2).Draw(t, "spans") {
			from := rapid.IntRange(at, minutesOfDay-1).Draw(t, "from")
			to := rapid.IntRange(from+1, minutesOfDay).Draw(t, "to")
			h.Days[d] = append(h.Days[d], Span{from, to})
			if at = to; at >= minutesOfDay-1 {
				break
			}
		}
	}
	if rapid.Bool().Draw(t, "holiday") {
		y, m, d := time.Unix(rapid.Int64Range(1735689600, 1830297600).Draw(t, "on"), 0).UTC().Date()
		h.Holidays = []Date{{y, m, d}}
	}
	return h
}

func TestHoursString(t *testing.T) {
	t.Parallel()
	tests := []struct{ yaml, want string }{
		{"always", "always"},
		{`{mon-fri: ["09:00-12:00", "13:00-20:00"], sat: ["10:00-16:00"], holidays: [2026-12-25]}`, "contact: mon-fri 09:00-12:00 13:00-20:00, sat 10:00-16:00, without 2026-12-25"},
		{`{timezone: UTC, sun: "00:00-24:00"}`, "UTC: sun 00:00-24:00"},
	}
	for _, tt := range tests {
		if got := hours(t, tt.yaml).String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := (Hours{Zone: "UTC"}).String(); got != "UTC: never" {
		t.Errorf("got %q", got)
	}
}
