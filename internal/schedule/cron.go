package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// When is when a schedule's runs start: a cron rule or one civil time, on a zone's clock.
//
// A rule speaks of what a clock on the wall shows. On the day on which clocks go forward, a time that they skip is the
// instant at which they do so, the next minute that exists; times that come to one instant are one run. On the day on which
// they go back, a time that they show twice is its first instant. "@every" alone counts elapsed time, from the Unix epoch, so
// that all workers agree.
type When struct {
	Cron string `json:"cron,omitempty"`
	At   string `json:"at,omitempty"` // 2006-01-02T15:04
	Zone string `json:"timezone"`     // IANA
}

const (
	civilLayout = "2006-01-02T15:04"
	aYear       = 366 * 24 * time.Hour
)

// The fields of a cron rule, in order, and what each takes.
var cronFields = [5]struct{ name, takes string }{
	{"minute", "0 to 59"},
	{"hour", "0 to 23"},
	{"day of month", "1 to 31"},
	{"month", "1 to 12 or JAN to DEC"},
	{"day of week", "0 (Sunday) to 6 or SUN to SAT"},
}

// abbreviations are what people write for a zone, and an IANA name that most of them mean.
var abbreviations = map[string]string{
	"EST": "America/New_York", "EDT": "America/New_York", "ET": "America/New_York", "EST5EDT": "America/New_York",
	"CST": "America/Chicago", "CDT": "America/Chicago", "CT": "America/Chicago", "CST6CDT": "America/Chicago",
	"MST": "America/Denver", "MDT": "America/Denver", "MT": "America/Denver", "MST7MDT": "America/Denver",
	"PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PT": "America/Los_Angeles", "PST8PDT": "America/Los_Angeles",
	"HST": "Pacific/Honolulu", "AKST": "America/Anchorage", "BST": "Europe/London", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo",
	"CET": "Europe/Berlin", "CEST": "Europe/Berlin", "MET": "Europe/Berlin", "MEZ": "Europe/Berlin", "MESZ": "Europe/Berlin",
	"EET": "Europe/Helsinki", "EEST": "Europe/Helsinki", "WET": "Europe/Lisbon", "WEST": "Europe/Lisbon",
	"AEST": "Australia/Sydney", "AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland",
}

// parser is robfig's, without seconds, as crontab(5) has it.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// parse is robfig's parser, which panics on some input, with crontab(5)'s meaning of the two days: where one of their fields
// begins with *, both must hold. robfig's has that for * alone, and not for */2.
func parse(expr string) (s cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("cannot be understood")
		}
	}()
	s, err = parser.Parse(expr)
	if spec, ok := s.(*cron.SpecSchedule); err == nil && ok {
		if fields := strings.Fields(expr); len(fields) == len(cronFields) {
			if anyDay(fields[2]) {
				spec.Dom |= starBit
			}
			if anyDay(fields[4]) {
				spec.Dow |= starBit
			}
		}
	}
	return s, err //nolint:wrapcheck // the caller says which flag
}

// starBit is robfig's mark of a field that was written as *.
const starBit = 1 << 63

// anyDay says whether a field of days leaves it to the other one which days are meant, as * and */2 do in crontab(5).
func anyDay(field string) bool { return strings.HasPrefix(field, "*") || strings.HasPrefix(field, "?") }

// Warning says what a rule does that its reader may not expect; empty where there is nothing to say.
func (w When) Warning() string {
	f := strings.Fields(w.Cron)
	if len(f) != len(cronFields) || anyDay(f[2]) || anyDay(f[4]) {
		return ""
	}
	return fmt.Sprintf("--cron %q runs on day %s of the month and, besides, on every %s: either is enough, as in crontab(5)", w.Cron, f[2], f[4])
}

// Check says which flag is wrong, and of a cron rule which field, and what it takes.
func (w When) Check() error {
	switch loc, err := time.LoadLocation(w.Zone); {
	case w.Zone == "":
		return errors.New("--timezone is empty; takes an IANA name such as America/New_York")
	case abbreviations[strings.ToUpper(w.Zone)] != "":
		return fmt.Errorf("--timezone %q: is an abbreviation, which knows no summer time or means several places; takes an IANA name such as %s",
			w.Zone, abbreviations[strings.ToUpper(w.Zone)])
	case err != nil || loc == time.Local: // the workers' own zone may be another one on each
		return fmt.Errorf("--timezone %q: is no time zone; takes an IANA name such as America/New_York or UTC", w.Zone)
	}
	switch {
	case w.Cron == "" && w.At == "":
		return errors.New("--cron or --at is missing: when shall it run?")
	case w.Cron != "" && w.At != "":
		return errors.New("--cron and --at exclude each other")
	case w.At != "":
		if _, err := time.Parse(civilLayout, w.At); err != nil {
			return fmt.Errorf("--at %q: takes a date and time such as 2026-11-25T09:00", w.At)
		}
		return nil
	}
	return checkCron(w.Cron)
}

func checkCron(expr string) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("--cron %q: %s", expr, fmt.Sprintf(format, args...))
	}
	fields := strings.Fields(expr)
	switch {
	case strings.Contains(expr, "TZ="):
		return bad("takes no time zone; --timezone does")
	case strings.HasPrefix(expr, "@"):
		s, err := parse(expr)
		if err != nil {
			return bad("takes @hourly, @daily, @weekly, @monthly, @yearly or @every with a duration, such as @every 2h")
		}
		if every, ok := s.(cron.ConstantDelaySchedule); ok && (every.Delay < time.Minute || every.Delay%time.Minute != 0) {
			return bad("takes whole minutes, one or more")
		}
		return nil
	case len(fields) != len(cronFields):
		return bad("has %d fields; takes 5, minute, hour, day of month, month and day of week, such as 0 9 * * MON-FRI, or @daily", len(fields))
	}
	for i, f := range cronFields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = fields[i]
		if _, err := parse(strings.Join(alone, " ")); err != nil {
			return bad("%s %q: takes %s, a list (1,3), a range (1-5), a step (*/2) or *", f.name, fields[i], f.takes)
		}
	}
	s, err := parse(expr)
	if err != nil {
		return bad("%s", err)
	}
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return bad("never comes: none of its months has that day")
	}
	return nil
}

// Next is the first instant after another one; false if there is none, or the rule is not valid.
func (w When) Next(after time.Time) (time.Time, bool) { return w.nexts()(after) }

// nexts is Next with rule and zone looked up.
func (w When) nexts() func(after time.Time) (time.Time, bool) {
	never := func(time.Time) (time.Time, bool) { return time.Time{}, false }
	loc, err := time.LoadLocation(w.Zone)
	if err != nil {
		return never
	}
	if w.At != "" {
		c, err := time.Parse(civilLayout, w.At)
		if err != nil {
			return never
		}
		t := instant(c, loc)
		return func(after time.Time) (time.Time, bool) { return t, t.After(after) }
	}
	rule, err := parse(w.Cron)
	if err != nil {
		return never
	}
	return func(after time.Time) (time.Time, bool) { return next(rule, after, loc) }
}

func next(rule cron.Schedule, after time.Time, loc *time.Location) (time.Time, bool) {
	if every, ok := rule.(cron.ConstantDelaySchedule); ok {
		step := int64(every.Delay / time.Second)
		n := after.Unix() / step
		if after.Unix()%step < 0 {
			n--
		}
		return time.Unix((n+1)*step, 0).In(loc), true
	}
	// The rule is asked on the wall's clock, as if that were UTC's. Instants do not decrease as the wall's time grows: what is
	// earlier on the wall than after is not later than it.
	for c := wall(after.In(loc)); ; {
		if c = rule.Next(c); c.IsZero() {
			return time.Time{}, false
		}
		if t := instant(c, loc); t.After(after) {
			return t, true
		}
	}
}

// wall is what a clock shows at t, as a time of UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when the clocks of a zone first show c, or when they skip it.
func instant(c time.Time, loc *time.Location) time.Time {
	near := time.Date(c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), 0, loc)
	from, to := near.ZoneBounds()
	around := []time.Time{near}
	var changes []time.Time
	if !from.IsZero() {
		around, changes = append(around, from.Add(-1)), append(changes, from)
	}
	if !to.IsZero() {
		around, changes = append(around, to), append(changes, to)
	}
	var first time.Time
	for _, a := range around {
		_, offset := a.Zone()
		t := c.Add(-time.Duration(offset) * time.Second).In(loc)
		if wall(t).Equal(c) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		return first
	}
	for _, change := range changes {
		_, before := change.Add(-1).Zone()
		skips := change.UTC().Add(time.Duration(before) * time.Second) // what the clocks would have shown
		if !c.Before(skips) && c.Before(wall(change)) {
			return change
		}
	}
	return near
}

// Between counts the instants after one and up to another, and lists the last few of them in order. It looks back no further
// than a year.
func (w When) Between(after, until time.Time, most int) (last []time.Time, total int) {
	if begin := until.Add(-aYear); after.Before(begin) {
		after = begin
	}
	for next := w.nexts(); ; after = last[len(last)-1] {
		t, ok := next(after)
		if !ok || t.After(until) {
			return last, total
		}
		total++
		if last = append(last, t); len(last) > max(most, 1) {
			last = last[1:]
		}
	}
}

// Civil is an instant on the schedule's own clock.
func (w When) Civil(t time.Time) time.Time {
	loc, err := time.LoadLocation(w.Zone)
	if err != nil {
		return t.UTC()
	}
	return t.In(loc)
}

// RunName is the name of a schedule's run, such as weekday-renewals-20261123T0900 for nine on the schedule's clock. When
// clocks go back, the runs of the second pass through an hour, which only "@every" has, end in -2.
func RunName(schedule string, w When, at time.Time) string {
	civil := w.Civil(at)
	name := schedule + "-" + civil.Format("20060102T1504")
	if !instant(wall(civil), civil.Location()).Equal(at) {
		name += "-2"
	}
	return name
}
