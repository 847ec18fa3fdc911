package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		when When
		want string // how the error begins; empty: none
	}{
		{When{Cron: "0 9 * * MON-FRI", Zone: newYork}, ""},
		{When{Cron: "*/15 9-17 1,15 JAN-MAR ?", Zone: "UTC"}, ""},
		{When{Cron: "0 0 29 2 *", Zone: "UTC"}, ""},
		{When{Cron: "@daily", Zone: "Europe/Berlin"}, ""},
		{When{Cron: "@every 2h", Zone: "UTC"}, ""},
		{When{At: "2026-11-25T09:00", Zone: newYork}, ""},
		{When{Cron: "@daily"}, "--timezone is empty; takes"},
		{When{Cron: "@daily", Zone: "Local"}, `--timezone "Local": is no time zone; takes`},
		{When{Cron: "@daily", Zone: "Mars/Olympus"}, `--timezone "Mars/Olympus": is no time zone; takes`},
		{When{Zone: "UTC"}, "--cron or --at is missing"},
		{When{Cron: "@daily", At: "2026-11-25T09:00", Zone: "UTC"}, "--cron and --at exclude each other"},
		{When{At: "tomorrow", Zone: "UTC"}, `--at "tomorrow": takes a date and time such as`},
		{When{At: "2026-02-30T09:00", Zone: "UTC"}, `--at "2026-02-30T09:00": takes`},
		{When{Cron: "61 9 * * *", Zone: "UTC"}, `--cron "61 9 * * *": minute "61": takes 0 to 59, a list`},
		{When{Cron: "0 24 * * *", Zone: "UTC"}, `--cron "0 24 * * *": hour "24": takes 0 to 23`},
		{When{Cron: "0 9 0 * *", Zone: "UTC"}, `--cron "0 9 0 * *": day of month "0": takes 1 to 31`},
		{When{Cron: "0 9 * FOO *", Zone: "UTC"}, `--cron "0 9 * FOO *": month "FOO": takes 1 to 12 or JAN to DEC`},
		{When{Cron: "0 9 * * 7", Zone: "UTC"}, `--cron "0 9 * * 7": day of week "7": takes 0 (Sunday) to 6 or SUN to SAT`},
		{When{Cron: "*/0 9 * * *", Zone: "UTC"}, `--cron "*/0 9 * * *": minute "*/0": takes`},
		{When{Cron: "0 17-9 * * *", Zone: "UTC"}, `--cron "0 17-9 * * *": hour "17-9": takes`},
		{When{Cron: "0 9 * *", Zone: "UTC"}, `--cron "0 9 * *": has 4 fields; takes 5`},
		{When{Cron: "0 0 9 * * *", Zone: "UTC"}, `--cron "0 0 9 * * *": has 6 fields; takes 5`},
		{When{Cron: "0 0 31 2 *", Zone: "UTC"}, `--cron "0 0 31 2 *": never comes`},
		{When{Cron: "0 0 30 2 *", Zone: "UTC"}, `--cron "0 0 30 2 *": never comes`},
		{When{Cron: "TZ=Asia/Tokyo 0 9 * * *", Zone: "UTC"}, `--cron "TZ=Asia/Tokyo 0 9 * * *": takes no time zone; --timezone does`},
		{When{Cron: "CRON_TZ=", Zone: "UTC"}, `--cron "CRON_TZ=": takes no time zone`},
		{When{Cron: "@fortnightly", Zone: "UTC"}, `--cron "@fortnightly": takes @hourly`},
		{When{Cron: "@every 30s", Zone: "UTC"}, `--cron "@every 30s": takes whole minutes`},
		{When{Cron: "@every 90s", Zone: "UTC"}, `--cron "@every 90s": takes whole minutes`},
		{When{Cron: "@every soon", Zone: "UTC"}, `--cron "@every soon": takes @hourly`},
	} {
		err := tt.when.Check()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%+v: %v; want %q", tt.when, err, tt.want)
		}
	}
}

// TestClockChanges walks through days on which clocks change.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, zone, cron string
		from             string   // UTC
		want             []string // UTC
	}{
		{"a time that is skipped comes when clocks change", newYork, "30 2 * * *", "2026-03-08T00:00", []string{"2026-03-08T07:00", "2026-03-09T06:30"}},
		{"several that are skipped are one", newYork, "*/15 2 * * *", "2026-03-08T00:00", []string{"2026-03-08T07:00", "2026-03-09T06:00"}},
		{"and one with the minute after", newYork, "0 2,3 * * *", "2026-03-08T00:00", []string{"2026-03-08T07:00", "2026-03-09T06:00"}},
		{"a time that comes twice is its first", newYork, "30 1 * * *", "2026-11-01T00:00", []string{"2026-11-01T05:30", "2026-11-02T06:30"}},
		{"the second pass is empty", newYork, "*/30 * * * *", "2026-11-01T04:45", []string{"2026-11-01T05:00", "2026-11-01T05:30", "2026-11-01T07:00"}},
		{"looked at in the second pass", newYork, "30 1 * * *", "2026-11-01T06:10", []string{"2026-11-02T06:30"}},
		{"a nine o'clock stays one", newYork, "0 9 * * *", "2026-03-07T20:00", []string{"2026-03-08T13:00", "2026-03-09T13:00"}},
		{"elapsed time knows no clocks", newYork, "@every 1h", "2026-11-01T05:10", []string{"2026-11-01T06:00", "2026-11-01T07:00"}},
		{"Berlin, spring", "Europe/Berlin", "30 2 * * *", "2026-03-28T12:00", []string{"2026-03-29T01:00", "2026-03-30T00:30"}},
		{"Berlin, autumn", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00", []string{"2026-10-25T00:30", "2026-10-26T01:30"}},
		{"half an hour, spring", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00", []string{"2026-10-03T15:30", "2026-10-04T15:15"}},
		{"half an hour, autumn", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00", []string{"2026-04-04T14:45", "2026-04-05T15:15"}},
		{"a day that was skipped", "Pacific/Apia", "0 9 * * *", "2011-12-29T00:00", []string{"2011-12-29T19:00", "2011-12-30T10:00", "2011-12-30T19:00"}},
		{"clocks go back for Ramadan", "Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00", []string{"2026-02-15T01:30", "2026-02-16T02:30"}},
		{"and forward", "Africa/Casablanca", "30 2 * * *", "2026-03-21T12:00", []string{"2026-03-22T02:00", "2026-03-23T01:30"}},
		{"midnight that does not exist", "America/Asuncion", "0 0 * * *", "2023-10-01T00:00", []string{"2023-10-01T04:00", "2023-10-02T03:00"}},
	} {
		when := When{Cron: tt.cron, Zone: tt.zone}
		if err := when.Check(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		now := at(t, "UTC", tt.from)
		for i, want := range tt.want {
			next, ok := when.Next(now)
			if !ok || !next.Equal(at(t, "UTC", want)) {
				t.Errorf("%s: instant %d is %s, want %s", tt.name, i, next.UTC(), want)
				break
			}
			now = next
		}
	}
	for civil, want := range map[string]string{
		"2026-03-08T02:30": "2026-03-08T07:00", "2026-11-01T01:30": "2026-11-01T05:30", "2026-11-25T09:00": "2026-11-25T14:00",
	} {
		when := When{At: civil, Zone: newYork}
		next, ok := when.Next(at(t, "UTC", "2026-01-01T00:00"))
		if _, again := when.Next(next); !ok || again || !next.Equal(at(t, "UTC", want)) {
			t.Errorf("--at %s is %s, want %s, once", civil, next.UTC(), want)
		}
	}
}

// TestYearOfMinutes compares a year of instants with clocks that are watched minute by minute.
func TestYearOfMinutes(t *testing.T) {
	t.Parallel()
	rules := map[string]func(civil time.Time) bool{
		"*/20 * * * *":    func(c time.Time) bool { return c.Minute()%20 == 0 },
		"30 2 * * *":      func(c time.Time) bool { return c.Hour() == 2 && c.Minute() == 30 },
		"0 9 * * MON-FRI": func(c time.Time) bool { return c.Hour() == 9 && c.Minute() == 0 && c.Weekday()%6 != 0 },
		"45 0,1 1 * *":    func(c time.Time) bool { return c.Hour() < 2 && c.Minute() == 45 && c.Day() == 1 },
	}
	for zone, year := range map[string]int{
		newYork: 2026, "Europe/Berlin": 2026, "Australia/Lord_Howe": 2026, "Pacific/Apia": 2011, "Africa/Casablanca": 2026, "Asia/Kolkata": 2026,
	} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		end := begin.AddDate(1, 0, 0)
		for expr, matches := range rules {
			var want []time.Time
			last := wall(begin.In(loc)) // the latest that the clocks have shown
			for now := begin.Add(time.Minute); !now.After(end); now = now.Add(time.Minute) {
				civil := wall(now.In(loc))
				due := false
				for c := last.Add(time.Minute); !c.After(civil); c = c.Add(time.Minute) { // more than one if clocks went forward
					due = due || matches(c)
				}
				if civil.After(last) {
					last = civil
				}
				if due {
					want = append(want, now)
				}
			}
			got, total := When{Cron: expr, Zone: zone}.Between(begin, end, 1<<20)
			if total != len(want) || len(got) != len(want) {
				t.Errorf("%s in %s: %d instants, want %d", expr, zone, total, len(want))
				continue
			}
			for i := range got {
				if !got[i].Equal(want[i]) {
					t.Errorf("%s in %s: instant %d is %s, want %s", expr, zone, i, got[i], want[i].In(loc))
					break
				}
			}
		}
	}
}

// TestBothDays has rules with both day fields, as crontab(5) reads them: the case of a rule that begins with a star, and that
// of two lists, of which either is enough and which is said.
func TestBothDays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cron  string
		want  []string
		warns string
	}{
		{"0 9 */2 * MON", []string{"2026-12-07T09:00", "2026-12-21T09:00", "2027-01-11T09:00"}, ""},
		{"0 9 1-7 * */2", []string{"2026-12-01T09:00", "2026-12-03T09:00", "2026-12-05T09:00", "2026-12-06T09:00"}, ""},
		{"0 9 */2,8 * MON", []string{"2026-12-07T09:00", "2026-12-21T09:00"}, ""},
		{"0 9 * * MON", []string{"2026-11-30T09:00", "2026-12-07T09:00"}, ""},
		{"0 9 1-7 * MON", []string{"2026-11-30T09:00", "2026-12-01T09:00", "2026-12-02T09:00"}, "on day 1-7 of the month and, besides, on every MON"},
		{"0 9 13 * FRI", []string{"2026-11-27T09:00", "2026-12-04T09:00", "2026-12-11T09:00", "2026-12-13T09:00"}, "besides, on every FRI"},
	} {
		when := When{Cron: tt.cron, Zone: "UTC"}
		if err := when.Check(); err != nil {
			t.Errorf("%s: %v", tt.cron, err)
		}
		now := at(t, "UTC", "2026-11-25T12:00")
		for i, want := range tt.want {
			next, ok := when.Next(now)
			if !ok || !next.Equal(at(t, "UTC", want)) {
				t.Errorf("%s: instant %d is %s, want %s", tt.cron, i, next.UTC(), want)
				break
			}
			now = next
		}
		if got := when.Warning(); got == "" && tt.warns != "" || !strings.Contains(got, tt.warns) || tt.warns == "" && got != "" {
			t.Errorf("%s: warns %q, want %q", tt.cron, got, tt.warns)
		}
	}
}

func TestZoneAbbreviations(t *testing.T) {
	t.Parallel()
	for zone, advice := range map[string]string{
		"EST": "America/New_York", "PST8PDT": "America/Los_Angeles", "CET": "Europe/Berlin", "cest": "Europe/Berlin", "HST": "Pacific/Honolulu",
		"Nowhere/City": "America/New_York or UTC", "Local": "or UTC", "": "is empty",
	} {
		if err := (When{Cron: "0 9 * * *", Zone: zone}).Check(); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("--timezone %q: %v, want advice with %s", zone, err, advice)
		}
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	when := When{Cron: "0 9 * * *", Zone: "UTC"}
	last, total := when.Between(at(t, "UTC", "2026-03-01T09:00"), at(t, "UTC", "2026-03-05T09:00"), 2)
	if total != 4 || len(last) != 2 || !last[1].Equal(at(t, "UTC", "2026-03-05T09:00")) {
		t.Errorf("%d, %v", total, last)
	}
	if _, total := (When{Cron: "* * * * *", Zone: newYork}).Between(at(t, "UTC", "1990-01-01T00:00"), at(t, "UTC", "2026-01-01T00:00"), 5); total > 366*24*60 {
		t.Errorf("%d instants were counted", total)
	}
}

func TestRunName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	when := When{Cron: "@every 30m", Zone: newYork}
	for now := at(t, "UTC", "2026-11-01T04:00"); now.Before(at(t, "UTC", "2026-11-01T09:00")); {
		now, _ = when.Next(now)
		name := RunName("often", when, now)
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
	if !seen["often-20261101T0130"] || !seen["often-20261101T0130-2"] {
		t.Errorf("names are %v", seen)
	}
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"0 9 * * MON-FRI", "@daily", "@every 2h", "TZ=UTC * * * * *", "*/0 * * * *", "60-70/2 9 * * *", "TZ=", "@every -5m", "0 0 31 2 *"} {
		f.Add(s, "America/New_York", int64(1772900000))
	}
	f.Fuzz(func(t *testing.T, expr, zone string, unix int64) {
		when := When{Cron: expr, Zone: zone}
		if when.Check() != nil {
			return
		}
		now := time.Unix(unix%4e9, 0)
		next, ok := when.Next(now)
		if ok && !next.After(now) {
			t.Errorf("%+v: %s is not after %s", when, next, now)
		}
		if !ok {
			return
		}
		if last, total := when.Between(now, next, 3); total != 1 || !last[0].Equal(next) {
			t.Errorf("%+v: between %s and its next instant %s are %v", when, now, next, last)
		}
	})
}
