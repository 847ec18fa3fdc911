package campaign

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Never is the Delay of an outcome after which a contact is not called again.
const Never Delay = -1

// Delay is the time from the end of an attempt to the next round, or [Never].
type Delay time.Duration

// String is the delay as a campaign file writes it: "15m", "2d" or "never".
func (d Delay) String() string {
	if d < 0 {
		return "never"
	}
	return FormatDuration(time.Duration(d))
}

// MarshalText writes the delay as String does.
func (d Delay) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Delay) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*d = Never
		return nil
	}
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Delay(v)
	return nil
}

// or is the delay, or the other one where it is never.
func (d Delay) or(other time.Duration) time.Duration {
	if d < 0 {
		return other
	}
	return time.Duration(d)
}

const (
	day     = 24 * time.Hour
	maxDays = 36500 // far from overflowing a time.Duration
)

var errNotDuration = errors.New("not a duration such as 20s, 15m, 4h or 2d")

// ParseDuration reads a duration that is not negative, as [time.ParseDuration] does, with whole days
// before the rest: "2d", "1d12h", "90s", "0".
func ParseDuration(s string) (time.Duration, error) {
	if strings.ContainsAny(s, "+-") {
		return 0, errNotDuration
	}
	var days time.Duration
	rest := s
	if n, after, found := strings.Cut(s, "d"); found {
		whole, err := strconv.Atoi(n)
		if err != nil || whole > maxDays {
			return 0, errNotDuration
		}
		days, rest = time.Duration(whole)*day, after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > maxDays*day {
		return 0, errNotDuration
	}
	return days + d, nil
}

// FormatDuration writes a duration as briefly as [ParseDuration] reads it: "15m" instead of "15m0s", "2d" instead
// of "48h0m0s".
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
