package campaign

import "time"

// Faster returns the rules with all their durations divided by n, for a simulated world that runs n times as fast.
// Calling hours and the campaign's end are instants of the clock on the wall and stay.
func (r Rules) Faster(n int) Rules {
	for _, d := range []*Delay{&r.Retry.Busy, &r.Retry.NoAnswer, &r.Retry.Rejected, &r.Retry.Unreachable} {
		if *d != Never {
			*d /= Delay(n)
		}
	}
	for _, d := range []*time.Duration{&r.WrapUp, &r.RingLimit, &r.LongestCall} {
		*d /= time.Duration(n)
	}
	return r
}
