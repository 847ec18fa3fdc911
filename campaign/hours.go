package campaign

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ContactZone is the Hours.Zone of calling hours that are read on the contact's own clock.
const ContactZone = "contact"

// Hours is when contacts may be called. The zero value is never.
type Hours struct {
	Always   bool
	Zone     string    // ContactZone, or the IANA zone on whose clock Days and Holidays are read
	Days     [7][]Span // by time.Weekday, Sunday first; in order, without overlap
	Holidays []Date    // whole days without calls, in order
}

// Span is a part of a day on the wall clock, in minutes since midnight: From is in it, To is not.
type Span struct{ From, To int }

// Date is a day of the calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

const minutesOfDay = 24 * 60

// String is the span as a campaign file writes it: 09:00-12:00.
func (s Span) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", s.From/60, s.From%60, s.To/60, s.To%60)
}

// MarshalText writes the span as String does.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Span) UnmarshalText(text []byte) error {
	v, err := ParseSpan(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

var (
	errNotSpan   = errors.New("is not a span of hours such as 09:00-20:00")
	errOvernight = errors.New("ends before it begins; hours past midnight are given on the next day: 22:00-24:00 on one, 00:00-02:00 on the other")
)

// ParseSpan reads a part of a day such as 09:00-20:00.
func ParseSpan(text string) (Span, error) {
	from, to, found := strings.Cut(text, "-")
	if !found {
		return Span{}, errNotSpan
	}
	f, okFrom := parseClock(strings.TrimSpace(from))
	t, okTo := parseClock(strings.TrimSpace(to))
	switch {
	case !okFrom || !okTo || f == minutesOfDay:
		return Span{}, errNotSpan
	case t <= f:
		return Span{}, errOvernight
	}
	return Span{From: f, To: t}, nil
}

// parseClock is the minutes since midnight of 9:00, 09:00 … 24:00.
func parseClock(text string) (int, bool) {
	h, m, found := strings.Cut(text, ":")
	if !found || len(h) > 2 || len(m) != 2 || strings.ContainsAny(text, "+-") {
		return 0, false
	}
	hour, errHour := strconv.Atoi(h)
	minute, errMinute := strconv.Atoi(m)
	if errHour != nil || errMinute != nil || minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, false
	}
	return hour*60 + minute, true
}

// String is the date as 2026-12-25.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// MarshalText writes the date as String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("not a date such as 2026-12-25: %q", text)
	}
	d.Year, d.Month, d.Day = t.Date()
	return nil
}

// CompareDates is for sorting: negative if a is before b.
func CompareDates(a, b Date) int {
	return cmp.Or(cmp.Compare(a.Year, b.Year), cmp.Compare(a.Month, b.Month), cmp.Compare(a.Day, b.Day))
}

// hoursJSON is the stored form of Hours.
type hoursJSON struct {
	Always   bool              `json:"always,omitempty"`
	Zone     string            `json:"timezone,omitempty"`
	Days     map[string][]Span `json:"days,omitempty"`
	Holidays []Date            `json:"holidays,omitempty"`
}

// MarshalJSON writes the hours with a day's name as the key of its spans.
func (h Hours) MarshalJSON() ([]byte, error) {
	stored := hoursJSON{Always: h.Always, Zone: h.Zone, Holidays: h.Holidays}
	for d, spans := range h.Days {
		if len(spans) == 0 {
			continue
		}
		if stored.Days == nil {
			stored.Days = make(map[string][]Span, len(h.Days))
		}
		stored.Days[dayName(time.Weekday(d))] = spans
	}
	return json.Marshal(stored)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Hours) UnmarshalJSON(b []byte) error {
	var stored hoursJSON
	if err := json.Unmarshal(b, &stored); err != nil {
		return fmt.Errorf("read calling hours: %w", err)
	}
	*h = Hours{Always: stored.Always, Zone: stored.Zone, Holidays: stored.Holidays}
	for name, spans := range stored.Days {
		d, ok := ParseDay(name)
		if !ok {
			return fmt.Errorf("read calling hours: no such day: %q", name)
		}
		h.Days[d] = spans
	}
	return nil
}

// String is the hours on one line: "contact: mon-fri 09:00-12:00 13:00-20:00, sat 10:00-16:00,
// without 2026-12-25".
func (h Hours) String() string {
	if h.Always {
		return "always"
	}
	var parts []string
	week := []time.Weekday{1, 2, 3, 4, 5, 6, 0} // people's week begins on Monday
	for i := 0; i < len(week); {
		spans := h.Days[week[i]]
		last := i
		for last+1 < len(week) && slices.Equal(h.Days[week[last+1]], spans) {
			last++
		}
		if len(spans) > 0 {
			var days strings.Builder
			days.WriteString(dayName(week[i]))
			if last > i {
				days.WriteString("-" + dayName(week[last]))
			}
			for _, s := range spans {
				days.WriteString(" " + s.String())
			}
			parts = append(parts, days.String())
		}
		i = last + 1
	}
	if len(parts) == 0 {
		parts = append(parts, "never")
	}
	if len(h.Holidays) > 0 {
		var without strings.Builder
		without.WriteString("without")
		for _, d := range h.Holidays {
			without.WriteString(" " + d.String())
		}
		parts = append(parts, without.String())
	}
	return h.Zone + ": " + strings.Join(parts, ", ")
}

// dayName is mon, tue … as campaign files write it.
func dayName(d time.Weekday) string { return strings.ToLower(d.String()[:3]) }

// ParseDay takes mon and monday, in any letter case.
func ParseDay(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(name, d.String()) || strings.EqualFold(name, dayName(d)) {
			return d, true
		}
	}
	return 0, false
}

// Empty reports whether there is no hour in the week at which anybody may be called.
func (h Hours) Empty() bool {
	if h.Always {
		return false
	}
	for _, spans := range h.Days {
		if len(spans) > 0 {
			return false
		}
	}
	return true
}

// zones is where these hours must be open for a contact, or false if that is not known.
func (h Hours) zones(c Contact) ([]string, bool) {
	if h.Zone == ContactZone {
		return Zones(c)
	}
	if _, ok := LoadZone(h.Zone); !ok {
		return nil, false
	}
	return []string{h.Zone}, true
}

// lookAhead is how far the next opening is searched: past every holiday, weekday and change of clocks.
const lookAhead = 370 * day

// opening is the first instant from t on at which the hours are open in all zones. It is the zero time
// where there is none within lookAhead. The reason says why it is not t; it is empty where it is.
func (h Hours) opening(t time.Time, zones []string) (time.Time, Reason) {
	limit := t.Add(lookAhead)
	reason := Reason("")
	for at := t; ; {
		moved := false
		for _, name := range zones {
			loc, ok := LoadZone(name)
			if !ok {
				return time.Time{}, ZoneUnknown
			}
			open, why := h.openAt(at, loc)
			if open {
				continue
			}
			if reason == "" {
				reason = why
			}
			if at = h.opensIn(at, loc, limit); at.IsZero() {
				return time.Time{}, reason
			}
			moved = true
		}
		if !moved {
			return at, reason
		}
	}
}

// openAt reports whether the hours are open at t on the clock of one zone, and if not, why.
func (h Hours) openAt(t time.Time, loc *time.Location) (bool, Reason) {
	// The zone is asked once: each look at a rule of summer time past the zone file's table reads the rule anew.
	_, offset := t.In(loc).Zone()
	wall := t.UTC().Add(time.Duration(offset) * time.Second)
	spans := h.Days[wall.Weekday()]
	if len(spans) > 0 && len(h.Holidays) > 0 {
		y, m, d := wall.Date()
		if h.holiday(Date{y, m, d}) {
			return false, Holiday
		}
	}
	hour, minute, _ := wall.Clock()
	now := hour*60 + minute
	for _, s := range spans {
		if s.From <= now && now < s.To {
			return true, ""
		}
	}
	return false, OutsideHours
}

func (h Hours) holiday(d Date) bool {
	_, found := slices.BinarySearchFunc(h.Holidays, d, CompareDates)
	return found
}

// opensIn is the first instant from t on at which the hours are open in one zone, or the zero time if
// there is none before limit. Between two changes of a zone's clock its wall clock is UTC plus a constant,
// so that each such stretch is searched by itself: a span in the hour that spring skips opens
// where the clock lands, one in the hour that autumn repeats opens twice.
func (h Hours) opensIn(t time.Time, loc *time.Location, limit time.Time) time.Time {
	for t.Before(limit) {
		local := t.In(loc)
		_, seconds := local.Zone()
		offset := time.Duration(seconds) * time.Second
		_, change := local.ZoneBounds()
		end := limit
		if !change.IsZero() && change.Before(limit) {
			end = change
		}
		if at := h.wallOpening(t.UTC().Add(offset), end.UTC().Add(offset)); !at.IsZero() {
			return at.Add(-offset)
		}
		t = end
	}
	return time.Time{}
}

// wallOpening is the first opening in [wall, end), where both are wall-clock times written as if UTC.
func (h Hours) wallOpening(wall, end time.Time) time.Time {
	y, m, d := wall.Date()
	for midnight := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); midnight.Before(end); midnight = midnight.Add(day) {
		spans := h.Days[midnight.Weekday()]
		if len(spans) == 0 {
			continue
		}
		y, m, d := midnight.Date()
		if h.holiday(Date{y, m, d}) {
			continue
		}
		for _, s := range spans {
			from := midnight.Add(time.Duration(s.From) * time.Minute)
			to := midnight.Add(time.Duration(s.To) * time.Minute)
			if !to.After(wall) {
				continue
			}
			if from.Before(wall) {
				from = wall
			}
			if !from.Before(end) {
				return time.Time{}
			}
			return from
		}
	}
	return time.Time{}
}
