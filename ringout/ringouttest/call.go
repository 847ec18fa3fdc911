package ringouttest

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
)

// legs are the three statuses of a call.
type legs struct{ call, caller, callee string }

// step is a change of the statuses.
type step struct {
	at time.Time
	legs
}

// call is one RingOut that was placed. Its whole future is in it from the start; only a cancellation changes it.
type call struct {
	dial  Dial // all that will ever be true of it, also what has not happened yet
	steps []step

	number      string // the id where ids are numbers
	sessionID   string
	telephonyID string

	secondSessionID string // of the contact's session, with Config.SplitRecords
	result          string
	lostAt          time.Time // the status is gone from then on; zero: only after retention
	forgetAt        time.Time
	forgotten       bool
}

// newCall lays out the timeline of an ending, which is not refused.
func newCall(c Config, d Dial, e Ending, info EndingInfo) *call {
	after := func(offset time.Duration) time.Time { return d.At.Add(c.scaled(offset)) }
	out := &call{dial: d, result: info.Result}
	change := func(at time.Time, call, caller, callee string) {
		out.steps = append(out.steps, step{at, legs{call, caller, callee}})
	}

	change(d.At, inProgress, inProgress, inProgress)
	if info.AgentRings {
		out.dial.CallerRangAt = d.At
	}
	answer := after(e.Answer)
	if info.Caller != finished && info.Caller != success {
		// The agent's leg fails, and with it the call.
		change(answer, info.Call, info.Caller, info.Callee)
		out.dial.EndedAt, out.dial.LineFreeAt = answer, answer
		return out
	}

	out.dial.CallerAnsweredAt = answer
	change(answer, inProgress, success, inProgress)
	if info.ContactRings {
		out.dial.CalleeRangAt = answer
	}
	joined, end := after(e.Answer+e.Ring), after(e.Answer+e.Ring+e.Talk)
	out.dial.EndedAt, out.dial.LineFreeAt = end, end
	if info.Callee == finished {
		out.dial.AnsweredAt = joined
		change(joined, success, success, success)
	} else if end.After(joined) {
		change(joined, info.Call, success, info.Callee)
	}
	change(end, info.Call, info.Caller, info.Callee)
	if info.lost {
		out.lostAt = after(e.Answer + e.Ring/2)
	}
	return out
}

// name gives the call its ids. RingCentral's RingOut ids are base64 of "cs", digits, "@" and an address.
func (c *call) name(n int64, matching bool) {
	const first = 2_343_434_340 // above the int32 that some clients parse ids into
	c.number = strconv.FormatInt(first+n, 10)
	c.dial.ID = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "cs%d@10.62.%d.%d", 169_613_575_487_000+n, n>>8&255, n&255))
	const apart, other = 5_000, 2_000 // the ids of two calls, and of one call's two sessions
	c.sessionID = strconv.FormatInt(80_433_190_000+apart*n, 10)
	c.secondSessionID = strconv.FormatInt(80_433_190_000+apart*n+other, 10)
	c.telephonyID = fmt.Sprintf("s-a1d1%028x", n)
	if matching {
		c.telephonyID = c.dial.ID
	}
}

// at is what the three statuses are at an instant.
func (c *call) at(now time.Time) legs {
	l := c.steps[0].legs
	for _, s := range c.steps[1:] {
		if s.at.After(now) {
			break
		}
		l = s.legs
	}
	return l
}

// gone says that the status can no longer be asked for.
func (c *call) gone(now time.Time, retention time.Duration) bool {
	if !c.lostAt.IsZero() && !now.Before(c.lostAt) {
		return true
	}
	return !now.Before(c.dial.EndedAt.Add(retention))
}

// cancel ends the call where the agent has not answered yet, and says whether it did.
func (c *call) cancel(now time.Time) bool {
	answered := c.dial.CallerAnsweredAt
	if !now.Before(c.dial.EndedAt) || !answered.IsZero() && !now.Before(answered) {
		return false
	}
	c.steps = append(c.steps[:1], step{now, legs{cannotReach, noAnswer, inProgress}})
	d := &c.dial
	d.CancelledAt, d.EndedAt, d.LineFreeAt = now, now, now
	d.CallerAnsweredAt, d.CalleeRangAt, d.AnsweredAt = time.Time{}, time.Time{}, time.Time{}
	c.result, c.lostAt = "Stopped", time.Time{}
	return true
}

// telephony is what presence says of the call. "CallConnected" comes with the agent's answer, as RingCentral does it.
func (c *call) telephony(now time.Time) string {
	switch answered := c.dial.CallerAnsweredAt; {
	case !now.Before(c.dial.LineFreeAt):
		return "NoCall"
	case !answered.IsZero() && !now.Before(answered):
		return "CallConnected"
	}
	return "Ringing"
}

// seen is the dial with only what has happened by now.
func (c *call) seen(now time.Time) Dial {
	d := c.dial
	for _, t := range []*time.Time{&d.CallerRangAt, &d.CallerAnsweredAt, &d.CalleeRangAt, &d.AnsweredAt, &d.EndedAt, &d.LineFreeAt} {
		if t.After(now) {
			*t = time.Time{}
		}
	}
	for _, s := range c.steps {
		if !s.at.After(now) {
			d.Changes = append(d.Changes, Change{s.at, s.call, s.caller, s.callee})
		}
	}
	return d
}

// byForgetting is a heap of calls.
type byForgetting []*call

func (h byForgetting) Len() int           { return len(h) }
func (h byForgetting) Less(i, j int) bool { return h[i].forgetAt.Before(h[j].forgetAt) }
func (h byForgetting) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *byForgetting) Push(x any) { *h = append(*h, x.(*call)) }

// Pop is for container/heap.
func (h *byForgetting) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
