package campaign

import "time"

const (
	// MaxUncharged is after how many uncharged attempts a contact ends as LineUnavailable.
	MaxUncharged = 5

	fallbackDelay = 15 * time.Minute // of an uncharged attempt whose rule says never
)

// History is a contact's attempts before the one that is settled.
type History struct{ Charged, Uncharged int }

// Next is what follows a settled attempt: the contact is done, or another round.
type Next struct {
	Final   bool
	Outcome Outcome   // the contact's own, with Final
	At      time.Time // when the next round is due, without Final
}

// Next decides what follows an attempt that ended with v at the instant now. A verdict of a call that has
// not ended, and one that is unconfirmed, must not lead to another call: the answer is Unconfirmed, which
// the caller holds for a person.
func (r Rules) Next(v Verdict, h History, now time.Time) Next {
	if !v.Ended || v.Outcome == Unconfirmed {
		return Next{Final: true, Outcome: Unconfirmed}
	}
	// The number itself is at fault, whether it was called or refused without a call.
	if v.Outcome == Blocked || v.Outcome == InvalidNumber {
		return Next{Final: true, Outcome: v.Outcome}
	}
	if !v.Charged {
		if h.Uncharged+1 >= MaxUncharged {
			return Next{Final: true, Outcome: LineUnavailable}
		}
		return r.again(now.Add(r.unchargedDelay(v)))
	}
	delay := r.Retry.after(v.Outcome)
	if delay < 0 || h.Charged+1 >= r.Retry.MaxAttempts {
		return Next{Final: true, Outcome: v.Outcome}
	}
	return r.again(now.Add(time.Duration(delay)))
}

// again is a round that is due at an instant, unless the campaign has ended by then.
func (r Rules) again(due time.Time) Next {
	if r.ended(due) {
		return Next{Final: true, Outcome: Expired}
	}
	return Next{At: due}
}

// unchargedDelay is nothing after an agent's failure, since another line can take the contact at
// once. A phone that has rung is left alone for a while, and what will fail in the same way again
// is not tried again at once.
func (r Rules) unchargedDelay(v Verdict) time.Duration {
	switch {
	case v.Rang:
		return r.Retry.Busy.or(fallbackDelay)
	case v.LineFault:
		return 0
	}
	return r.Retry.Unreachable.or(fallbackDelay)
}

// after is the delay after an outcome; an outcome without a rule is final.
func (r Retry) after(o Outcome) Delay {
	switch o {
	case Busy:
		return r.Busy
	case NoAnswer:
		return r.NoAnswer
	case Rejected:
		return r.Rejected
	case Unreachable:
		return r.Unreachable
	}
	return Never
}
