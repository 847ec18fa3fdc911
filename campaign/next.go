package campaign

import "time"

const (
	// MinFailures is how many failures of agents' phones a contact must have had, on MinLines lines or more, before it may
	// end as LineUnavailable.
	MinFailures = 5
	// MinLines is on how many lines they must have been.
	MinLines = 2
	// MinRefusals is how often RingCentral must have refused to call a contact before the contact ends for it.
	MinRefusals = 3

	fallbackDelay = 15 * time.Minute // of an uncharged attempt whose rule says never
)

// The waits after the first, the second … uncharged attempt in a row; the last one is for all that follow. After an agent's
// failure another line can take the contact at once; what RingCentral refuses it will refuse again.
var (
	failureWaits = []time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	refusalWaits = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}
)

// History is a contact's attempts before the one that is settled; see HistoryOf.
type History struct {
	Charged   int
	Uncharged int       // since the last charged one, for which waits grow
	Failures  []Failure // all that were the agents' phones'
	Refusals  []Refusal // all that RingCentral refused
	Scale     int       // how many times faster than real time RingCentral runs, a simulator's: growing waits are shorter by it; 0 is 1
}

// Failure is an attempt that never came to the contact for the agent's sake.
type Failure struct {
	Line string
	// Vindicated: the line has reached somebody else since, so that its phone works.
	Vindicated bool
}

// Refusal is an attempt that RingCentral refused to place.
type Refusal struct {
	// Vindicated: the line has placed another call since, so that neither it nor its extension or account was at fault.
	Vindicated bool
}

// HistoryOf sums up a contact's attempts that have ended. It asks of each uncharged one whether its line was vindicated
// since: after an agent's failure by having reached somebody else, after a refusal by having placed another call.
func HistoryOf(attempts []Attempt, vindicated func(Attempt) bool) History {
	var h History
	for _, a := range attempts {
		switch {
		case a.EndedAt.IsZero():
			continue
		case a.Charged:
			h.Charged++
			h.Uncharged = 0
			continue
		case a.Refused:
			h.Refusals = append(h.Refusals, Refusal{Vindicated: vindicated(a)})
		default:
			h.Failures = append(h.Failures, Failure{Line: a.LineNumber, Vindicated: vindicated(a)})
		}
		h.Uncharged++
	}
	return h
}

// Next is what follows a settled attempt: the contact is done, or another round.
type Next struct {
	Final   bool
	Outcome Outcome   // the contact's own, with Final
	At      time.Time // when the next round is due, without Final
}

// Next decides what follows an attempt that ended with v at the instant now. A verdict of a call that has
// not ended, and one that is unconfirmed, must not lead to another call: the answer is Unconfirmed, which
// the caller holds for a person.
//
// An uncharged attempt keeps the contact, however often it happens, for a time that grows. A contact ends for it only where
// it is proven that not the lines were at fault, but the contact: see MinFailures and MinRefusals.
func (r Rules) Next(v Verdict, h History, now time.Time) Next {
	if !v.Ended || v.Outcome == Unconfirmed {
		return Next{Final: true, Outcome: Unconfirmed}
	}
	// The number itself is at fault, whether it was called or refused without a call.
	if v.Outcome == Blocked || v.Outcome == InvalidNumber {
		return Next{Final: true, Outcome: v.Outcome}
	}
	if !v.Charged {
		switch {
		case v.Refused != "" && h.refusedForGood(v.Named):
			return Next{Final: true, Outcome: v.Refused}
		case v.Refused == "" && h.failedForGood():
			return Next{Final: true, Outcome: LineUnavailable}
		}
		return r.again(now.Add(r.unchargedDelay(v, h)))
	}
	delay := r.Retry.after(v.Outcome)
	if delay < 0 || h.Charged+1 >= r.Retry.MaxAttempts {
		return Next{Final: true, Outcome: v.Outcome}
	}
	return r.again(now.Add(time.Duration(delay)))
}

// refusedForGood says whether one more refusal ends the contact. All but this one must have been followed by another call of
// the same line: what is refused together with everything else is not the contact's fault. Where RingCentral names the
// contact's number, once is enough.
func (h History) refusedForGood(named bool) bool {
	before := 0
	for _, r := range h.Refusals {
		if r.Vindicated {
			before++
		}
	}
	return before+1 >= MinRefusals || named && before > 0
}

// failedForGood says whether lines that certainly work have failed for this contact often enough.
func (h History) failedForGood() bool {
	n, lines := 0, make(map[string]bool)
	for _, f := range h.Failures {
		if f.Vindicated {
			n++
			lines[f.Line] = true
		}
	}
	return n >= MinFailures && len(lines) >= MinLines
}

// again is a round that is due at an instant, unless the campaign has ended by then.
func (r Rules) again(due time.Time) Next {
	if r.ended(due) {
		return Next{Final: true, Outcome: Expired}
	}
	return Next{At: due}
}

// unchargedDelay is how long to wait after an uncharged attempt. A phone that has rung is
// left alone for a while, and what will fail in the same way again is not tried again at once.
func (r Rules) unchargedDelay(v Verdict, h History) time.Duration {
	switch {
	case v.Refused != "" && !v.AccountFault:
		return h.grown(refusalWaits)
	case v.Rang:
		return max(r.Retry.Busy.or(fallbackDelay), h.grown(failureWaits))
	case v.LineFault:
		return h.grown(failureWaits)
	}
	return max(r.Retry.Unreachable.or(fallbackDelay), h.grown(failureWaits))
}

func (h History) grown(waits []time.Duration) time.Duration {
	return waits[min(h.Uncharged, len(waits)-1)] / time.Duration(max(h.Scale, 1))
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
