package line

import (
	"fmt"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// tracking is what is known of a call that is being tracked. Times are Redis's.
type tracking struct {
	rules  campaign.Rules
	every  time.Duration // between two polls while it rings
	placed time.Time     // when RingCentral accepted it
	seen   campaign.Seen

	looked    time.Time // when its statuses were seen last
	failures  int       // polls in a row without an answer
	lingering int       // statuses in a row by which the contact's leg has failed and the agent's has not ended

	giveUp   campaign.Verdict // what it is once DELETE has ended it
	asked    bool             // a DELETE is on its way, or was agreed to
	agreed   bool             // RingCentral has agreed to it
	refusals int              // DELETEs that it has not agreed to
	askAgain time.Time
}

// observed is what was observed of a call.
type observed int

const (
	nothingYet   observed = iota
	statuses              // RingCentral told its statuses
	forgotten             // RingCentral does not know it any more
	unanswered            // RingCentral did not answer the poll
	cancelled             // RingCentral has agreed to cancel it
	notCancelled          // it has not
	silent                // presence shows no call of the line's
	notSilent             // it shows one, or is not known
)

// observation is one thing that was observed of a call.
type observation struct {
	observed
	legs     campaign.Legs // of statuses
	unwanted bool          // its campaign was cancelled
}

// doing is what is to be done next about a call.
type doing int

const (
	poll        doing = iota // ask for its statuses, after a while
	cancel                   // ask RingCentral to cancel it; polling goes on meanwhile
	askPresence              // ask presence whether it goes on
	ended                    // it has ended, or nothing more can be found out by polling
)

// action is what a step leads to.
type action struct {
	doing
	after   time.Duration // of poll
	verdict judgement     // of ended
}

// judgement is a verdict, and what must be known beside it.
type judgement struct {
	campaign.Verdict
	overlong bool // the call may still be going on
	unclear  bool // RingCentral's records may tell more than the statuses
}

const (
	// graceAfterFailure is how many polls a call whose contact's leg has failed may show the agent's leg as connected, before
	// presence is asked: RingCentral may keep that status for as long as it remembers the call.
	graceAfterFailure = 3
	// freshness is how many polls old the last statuses of a call may be for DELETE to have been its end.
	freshness = 5
)

// step takes tracking one observation further, at an instant of Redis's clock. It changes nothing else and asks nobody.
func step(t tracking, o observation, now time.Time) (tracking, action) {
	switch o.observed {
	case statuses:
		t.failures, t.looked = 0, now
		t.seen = t.seen.With(o.legs)
		if v := campaign.Classify(t.seen); v.Ended {
			if t.agreed && !t.seen.CallerAnswered {
				v = t.giveUp
			}
			return t, action{doing: ended, verdict: judgement{Verdict: v, unclear: v.Charged && campaign.Unclear(t.seen)}}
		}
		if m := campaign.Missed(t.seen); m.Outcome != campaign.Unconfirmed && !t.seen.CalleeAnswered {
			if t.lingering++; t.lingering >= graceAfterFailure {
				return t, action{doing: askPresence}
			}
		}
	case silent:
		return t, action{doing: ended, verdict: judgement{Verdict: campaign.Missed(t.seen)}}
	case forgotten:
		if t.asked && !t.agreed {
			break // the DELETE may have been its end: its answer is on its way
		}
		v := campaign.Missed(t.seen)
		if v.Outcome == campaign.Unconfirmed && t.agreed && !t.seen.CallerAnswered && now.Sub(t.looked) < freshness*t.every {
			v = t.giveUp
		}
		return t, action{doing: ended, verdict: judgement{Verdict: v, unclear: v.Charged && campaign.Unclear(t.seen)}}
	case unanswered:
		t.failures++
	case cancelled:
		t.agreed = true
	case notCancelled:
		t.asked, t.askAgain = false, now.Add(t.every<<min(t.refusals, maxDoublings))
		t.refusals++
	}
	// Whoever comes late, or does not get through, looks before giving up.
	looked := o.observed == statuses || o.observed == notSilent || t.failures > maxDoublings
	if looked && now.Sub(t.placed) >= t.rules.LongestCall {
		v := campaign.Missed(t.seen)
		v.Detail = fmt.Sprintf("still going on after %s; tracking given up", t.rules.LongestCall)
		return t, action{doing: ended, verdict: judgement{Verdict: v, overlong: true}}
	}
	// RingCentral lets a call go on whose DELETE comes after the agent has answered.
	unwanted := o.unwanted || now.Sub(t.placed) >= t.rules.RingLimit
	if o.observed == statuses && !t.seen.CallerAnswered && unwanted && !t.asked && !now.Before(t.askAgain) {
		t.asked, t.giveUp = true, agentDidNotAnswer(t.rules)
		if o.unwanted {
			t.giveUp = campaign.Verdict{Ended: true, Detail: "the campaign was cancelled while the agent's phone rang"}
		}
		return t, action{doing: cancel}
	}
	return t, action{doing: poll, after: t.pause()}
}

func agentDidNotAnswer(rules campaign.Rules) campaign.Verdict {
	return campaign.Verdict{
		Ended: true, LineFault: true,
		Detail: fmt.Sprintf("the agent did not answer within %s", rules.RingLimit),
	}
}

// maxDoublings bounds how much longer pauses become while RingCentral does not do as it is asked.
const maxDoublings = 4

// pause is the time to the next poll: longer while people talk and while RingCentral does not answer.
func (t tracking) pause() time.Duration {
	d := t.every
	if t.seen.CalleeAnswered {
		d *= 2
	}
	return d << min(t.failures, maxDoublings)
}
