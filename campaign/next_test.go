package campaign

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNext(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	in := func(d time.Duration) Next { return Next{At: now.Add(d)} }
	done := func(o Outcome) Next { return Next{Final: true, Outcome: o} }
	charged := func(o Outcome) Verdict { return Verdict{Ended: true, Outcome: o, Charged: true, Rang: true} }
	fault := Verdict{Ended: true, LineFault: true}
	left := Verdict{Ended: true, Rang: true}
	funds := Verdict{Ended: true, AccountFault: true}
	tests := []struct {
		name   string
		change func(*Rules)
		v      Verdict
		h      History
		want   Next
	}{
		{"answered", nil, charged(Answered), History{}, done(Answered)},
		{"blocked", nil, charged(Blocked), History{}, done(Blocked)},
		{"invalid", nil, charged(InvalidNumber), History{}, done(InvalidNumber)},
		{"busy", nil, charged(Busy), History{}, in(15 * time.Minute)},
		{"no answer", nil, charged(NoAnswer), History{}, in(4 * time.Hour)},
		{"unreachable", nil, charged(Unreachable), History{}, in(30 * time.Minute)},
		{"rejected, never", nil, charged(Rejected), History{}, done(Rejected)},
		{"rejected, by rule", func(r *Rules) { r.Retry.Rejected = Delay(time.Hour) }, charged(Rejected), History{}, in(time.Hour)},
		{"second of three", nil, charged(Busy), History{Charged: 1}, in(15 * time.Minute)},
		{"third of three", nil, charged(Busy), History{Charged: 2}, done(Busy)},
		{"uncharged ones are not counted", nil, charged(Busy), History{Charged: 1, Uncharged: 4}, in(15 * time.Minute)},
		{"more than allowed, the rules were changed", func(r *Rules) { r.Retry.MaxAttempts = 1 }, charged(NoAnswer), History{Charged: 4}, done(NoAnswer)},
		{"agent failed", nil, fault, History{}, in(0)},
		{"agent failed after charged attempts", nil, fault, History{Charged: 2}, in(0)},
		{"agent failed the fourth time", nil, fault, History{Uncharged: 3}, in(0)},
		{"agent failed the fifth time", nil, fault, History{Uncharged: 4}, done(LineUnavailable)},
		{"agent hung up", nil, left, History{}, in(15 * time.Minute)},
		{"agent hung up, busy is never", func(r *Rules) { r.Retry.Busy = Never }, left, History{}, in(15 * time.Minute)},
		{"agent hung up the fifth time", nil, left, History{Uncharged: 4}, done(LineUnavailable)},
		{"no funds", nil, funds, History{}, in(30 * time.Minute)},
		{"no funds, unreachable is never", func(r *Rules) { r.Retry.Unreachable = Never }, funds, History{}, in(15 * time.Minute)},
		{"due at the end", func(r *Rules) { r.Ends = now.Add(15 * time.Minute) }, charged(Busy), History{}, done(Expired)},
		{"due before the end", func(r *Rules) { r.Ends = now.Add(15*time.Minute + 1) }, charged(Busy), History{}, in(15 * time.Minute)},
		{"agent failed at the end", func(r *Rules) { r.Ends = now }, fault, History{}, done(Expired)},
		{"last attempt past the end keeps its outcome", func(r *Rules) { r.Ends = now }, charged(Busy), History{Charged: 2}, done(Busy)},
		{"unconfirmed", nil, charged(Unconfirmed), History{}, done(Unconfirmed)},
		{"not ended", nil, Verdict{}, History{}, done(Unconfirmed)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Default("x")
			if tt.change != nil {
				tt.change(&r)
			}
			if got := r.Next(tt.v, tt.h, now); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Whatever happens in each attempt, a contact is called at most max_attempts times charged and five times
// uncharged, never past the campaign's end, and reaches an end.
func TestNextTerminates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delay := rapid.OneOf(rapid.Just(Never), rapid.Map(rapid.Int64Range(int64(minDelay), int64(maxDelay)), func(n int64) Delay { return Delay(n) }))
		r := Default("x")
		r.Retry = Retry{
			MaxAttempts: rapid.IntRange(1, maxAttempts).Draw(t, "max"),
			Busy:        delay.Draw(t, "busy"), NoAnswer: delay.Draw(t, "no answer"),
			Rejected: delay.Draw(t, "rejected"), Unreachable: delay.Draw(t, "unreachable"),
		}
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		if rapid.Bool().Draw(t, "ends") {
			r.Ends = now.Add(time.Duration(rapid.Int64Range(1, int64(400*day)).Draw(t, "in")))
		}
		status := rapid.SampledFrom(statuses())
		var h History
		for rounds := 1; ; rounds++ {
			if rounds > r.Retry.MaxAttempts+MaxUncharged {
				t.Fatalf("%d rounds with max_attempts %d", rounds, r.Retry.MaxAttempts)
			}
			seen := Seen{}.With(Legs{status.Draw(t, "call"), status.Draw(t, "caller"), status.Draw(t, "callee")})
			v := Missed(seen)
			n := r.Next(v, h, now)
			if v.Charged {
				h.Charged++
			} else {
				h.Uncharged++
			}
			if h.Charged > r.Retry.MaxAttempts || h.Uncharged > MaxUncharged {
				t.Fatalf("too many attempts: %+v", h)
			}
			if n.Final {
				if n.Outcome == "" || !n.At.IsZero() {
					t.Fatalf("final: %+v", n)
				}
				return
			}
			if n.Outcome != "" || n.At.Before(now) || r.ended(n.At) {
				t.Fatalf("next: %+v at %v, ends %v", n, now, r.Ends)
			}
			now = n.At
		}
	})
}
