package campaign

import (
	"testing"
	"time"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"+16505550100": "…0100", "0100": "…0100", "+1 650 555-0100": "…0100", "555-01-00": "…01-00", "123": "…", "": "…", "no digits": "…",
	} {
		if got := Mask(number); got != want {
			t.Errorf("%q: got %q, want %q", number, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	if got := (Contact{}).Number(); got != "" {
		t.Errorf("no numbers: %q", got)
	}
	if got := (Contact{Numbers: []string{"+1", "+2"}}).Number(); got != "+1" {
		t.Errorf("two numbers: %q", got)
	}
}

func TestAttemptDuration(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		a    Attempt
		want time.Duration
	}{
		"never answered":        {Attempt{EndedAt: at}, 0},
		"still talking":         {Attempt{AnsweredAt: at}, 0},
		"talked":                {Attempt{AnsweredAt: at, EndedAt: at.Add(time.Minute)}, time.Minute},
		"ended before it began": {Attempt{AnsweredAt: at, EndedAt: at.Add(-time.Second)}, 0},
		"ended at once":         {Attempt{AnsweredAt: at, EndedAt: at}, 0},
	} {
		if got := tt.a.Duration(); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
