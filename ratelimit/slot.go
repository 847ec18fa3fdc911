package ratelimit

import "time"

// Slot is the right to send one request, now: from At until Until. The zero Slot
// has lapsed.
type Slot struct {
	At    time.Time // its instant by the local clock, never before Redis's; it is past when Wait returns
	Until time.Time // the end of its tolerance by the local clock, never after Redis's
	Limit Limit     // the quota in force when it was granted, learned or default

	key   Key
	token string
}

// Lapsed reports whether it is too late to use the slot. The request must then
// not be sent; wait for another slot.
func (s Slot) Lapsed() bool { return s.lapsed(time.Now()) }

func (s Slot) lapsed(now time.Time) bool {
	// The monotonic clock cannot be set, but stands still while a machine sleeps;
	// the wall clock does not. The slot has lapsed if either says so.
	return !now.Before(s.Until) || !now.Round(0).Before(s.Until.Round(0))
}

// local translates a grant to the local clock, on the safe side at both ends.
func (g grant) local(key Key, token string) Slot {
	off := micros(g.slot - g.now)
	return Slot{
		At:    g.got.Add(off),
		Until: g.sent.Add(off + g.limit.tolerance()),
		Limit: g.limit,
		key:   key,
		token: token,
	}
}
