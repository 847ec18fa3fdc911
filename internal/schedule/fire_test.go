package schedule

import (
	"slices"
	"testing"
	"time"
)

func TestFirings(t *testing.T) {
	t.Parallel()
	nine := func(day int) time.Time { return time.Date(2026, 3, day, 9, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name    string
		catchUp time.Duration
		keep    int
		now     time.Time
		days    []int
		last    State
		detail  string
		total   int
	}{
		{"in time", 0, 5, nine(10), []int{10}, StateDue, "", 1},
		{"a worker was being restarted", 0, 5, nine(10).Add(late), []int{10}, StateDue, "", 1},
		{"too late", 0, 5, nine(10).Add(late + 1), []int{10}, StateMissed, "no worker was up at its instant", 1},
		{"caught up", time.Hour, 5, nine(10).Add(time.Hour), []int{10}, StateDue, "late by 1h0m0s", 1},
		{"days without a worker", time.Hour, 5, nine(12).Add(time.Minute), []int{10, 11, 12}, StateDue, "", 3},
		{"only the newest are kept", time.Hour, 2, nine(14), []int{13, 14}, StateDue, "", 5},
	} {
		s := Schedule{Rule: Rule{Name: "daily", When: When{Cron: "0 9 * * *", Zone: "UTC"}, CatchUp: c.catchUp, Keep: c.keep}, Next: nine(10)}
		got, total := s.firings(c.now)
		var days []int
		for i, f := range got {
			days = append(days, f.instant.Day())
			if i < len(got)-1 && f.state != StateMissed {
				t.Errorf("%s: the run of day %d is %s", c.name, f.instant.Day(), f.state)
			}
		}
		if !slices.Equal(days, c.days) || total != c.total {
			t.Errorf("%s: days %v of %d, want %v of %d", c.name, days, total, c.days, c.total)
			continue
		}
		if last := got[len(got)-1]; last.state != c.last || last.detail != c.detail {
			t.Errorf("%s: the newest is %s, %q; want %s, %q", c.name, last.state, last.detail, c.last, c.detail)
		}
	}
}

func TestScheduleDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		s    Schedule
		want bool
	}{
		{"its instant", Schedule{Next: now}, true},
		{"after it", Schedule{Next: now.Add(-time.Hour)}, true},
		{"before it", Schedule{Next: now.Add(time.Millisecond)}, false},
		{"paused", Schedule{Next: now, Paused: true}, false},
		{"without another instant", Schedule{}, false},
	} {
		if got := c.s.due(now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOverlapBefore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		overlap  Overlap
		state    State
		waits    string
		replaces bool
	}{
		{OverlapQueue, StateRunning, "waits for the run before, r1", false},
		{OverlapQueue, StateImporting, "waits for the run before, r1", false},
		{OverlapReplace, StateRunning, "", true},
		{OverlapReplace, StateListed, "waits to replace the run before, r1", false},
		{OverlapReplace, StateImporting, "waits to replace the run before, r1", false},
	} {
		if waits, replaces := c.overlap.before(Run{Name: "r1", State: c.state}); waits != c.waits || replaces != c.replaces {
			t.Errorf("%s, %s: %q, %v; want %q, %v", c.overlap, c.state, waits, replaces, c.waits, c.replaces)
		}
	}
}

func TestReadAgain(t *testing.T) {
	t.Parallel()
	cfg := Config{Retry: 30 * time.Second, Quiet: 15 * time.Second, Patience: time.Hour}
	for _, c := range []struct {
		name  string
		cause error
		fired time.Duration
		newer bool
		wait  time.Duration
		last  bool
	}{
		{"cannot be used", ErrNone, time.Minute, false, 30 * time.Second, false},
		{"is being written", errWriting, time.Minute, false, 5 * time.Second, false},
		{"for too long", ErrNone, time.Hour + 1, false, 0, true},
		{"is being written for too long", errWriting, time.Hour + 1, false, 0, true},
		{"the next run is there", ErrNone, time.Minute, true, 0, true},
	} {
		if wait, last := cfg.readAgain(c.cause, c.fired, c.newer); wait != c.wait || last != c.last {
			t.Errorf("%s: %s, %v; want %s, %v", c.name, wait, last, c.wait, c.last)
		}
	}
}
