package crashtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// evidence is what RingCentral lets a worker know.
type evidence int

const (
	complete evidence = iota
	withheld          // attempts may be left for a person to decide
)

// slack is by how much instants may differ that were rounded to milliseconds.
const slack = 5 * time.Millisecond

// judge ends all workers and compares what the ledger says with what happened: nobody called twice or too soon, nobody lost,
// every outcome true, one call per line, no request beyond a quota, and counts that added up all along.
func (w *world) judge(e evidence) {
	w.t.Helper()
	w.endAll()
	truth := w.sim.Truth()
	w.judgeRequests(truth)
	w.judgeLines(truth)
	w.judgeCounts()
	w.judgeLogs()

	known := map[string]bool{}
	if err := w.led.Each(w.t.Context(), w.rules.Name, func(r ledger.Record) error {
		number := r.Contact.Number()
		known[number] = true
		for _, problem := range w.judgeContact(r, truth, e) {
			w.t.Errorf("%s: %s\n%s", r.Contact.ID, problem, account(r, truth))
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	for _, d := range truth.Dials {
		if !known[d.To] {
			w.t.Errorf("%s was called and is nobody's number", d.To)
		}
	}
}

func (w *world) judgeRequests(truth ringouttest.Truth) {
	w.t.Helper()
	if len(truth.OverQuota)+len(truth.InPenalty) > 0 {
		w.t.Errorf("requests over quota: %v; in a penalty: %v", truth.OverQuota, truth.InPenalty)
	}
}

// judgeLines checks that no phone got a call during another one or during the agent's rest.
func (w *world) judgeLines(truth ringouttest.Truth) {
	w.t.Helper()
	for _, o := range truth.Overlaps {
		w.t.Errorf("two calls at once on %s: %s of %s and %s of %s", o.From, o.First.To, o.First.At, o.Second.To, o.Second.At)
	}
	for i := range w.lines {
		dials := truth.DialsFrom(agent(i))
		for n, d := range dials[min(1, len(dials)):] {
			if rest := d.At.Sub(dials[n].LineFreeAt); rest < w.rules.WrapUp-slack {
				w.t.Errorf("%s had %s of rest, not %s, before the call to %s", d.From, rest, w.rules.WrapUp, d.To)
			}
		}
	}
}

func (w *world) judgeCounts() {
	w.t.Helper()
	s := w.counts
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) > 0 {
		w.t.Errorf("%d of %d times the counts did not add up, first %s", len(s.wrong), s.looks, s.wrong[0])
	}
	if s.looks == 0 {
		w.t.Error("the counts were never looked at")
	}
	c, err := w.led.Campaign(w.t.Context(), w.rules.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.Counts.Open() {
		w.t.Errorf("not over: %+v", c.Counts)
	}
}

func (w *world) judgeLogs() {
	w.t.Helper()
	for i, p := range w.workers {
		if what := w.leak(p.stderr.String()); what != "" {
			w.t.Errorf("worker %d logged %s", i+1, what)
		}
		if p.said("panic:") || p.said("DATA RACE") {
			w.t.Errorf("worker %d panicked", i+1)
		}
	}
}

// judgeContact lists what is wrong with one contact.
func (w *world) judgeContact(r ledger.Record, truth ringouttest.Truth, e evidence) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	dials := truth.DialsTo(r.Contact.Number())
	refused := refusal(truth, r.Contact.Number())

	// Each dial has its attempt, and each attempt its dial unless no phone rang.
	var of []*ringouttest.Dial // by attempt
	left := dials
	for _, a := range r.Attempts {
		if len(left) > 0 && belongs(a, left[0]) {
			of, left = append(of, &left[0]), left[1:]
			continue
		}
		of = append(of, nil)
		switch {
		case a.Outcome == campaign.Unconfirmed:
		case a.RingOutID == "" && refused != "" && a.Outcome == refused:
		default:
			wrong("attempt %d is on record, but no phone rang", a.N)
		}
	}
	for _, d := range left {
		wrong("called at %s without a record", d.At.Format(clock))
	}

	for i, a := range r.Attempts {
		if a.Outcome == campaign.Unconfirmed && e == complete {
			wrong("attempt %d is unconfirmed although RingCentral told all", a.N)
		}
		d := of[i]
		if d == nil || a.Outcome == campaign.Unconfirmed {
			continue
		}
		if want := endOf(*d); a.Outcome != want.outcome || a.Charged != want.charged {
			wrong("attempt %d is on record as %q (charged: %t), but it was %q (%t)", a.N, a.Outcome, a.Charged, want.outcome, want.charged)
		}
		if d.EndedAt.IsZero() || a.EndedAt.Before(d.EndedAt.Add(-slack)) {
			wrong("attempt %d was settled before the call's end", a.N)
		}
	}
	return append(problems, w.judgeCourse(r, dials, refused, e)...)
}

// judgeCourse follows a contact's calls by the campaign's rules: how long after one the next may come, and what the
// contact's outcome is in the end.
func (w *world) judgeCourse(r ledger.Record, dials []ringouttest.Dial, refused campaign.Outcome, e evidence) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	var (
		charged, uncharged int
		outcome            campaign.Outcome
		earliest           time.Time
	)
	for _, d := range dials {
		if outcome != "" {
			wrong("called again at %s after %s", d.At.Format(clock), outcome)
		}
		if d.At.Before(earliest.Add(-slack)) {
			wrong("called at %s, before %s", d.At.Format(clock), earliest.Format(clock))
		}
		end := endOf(d)
		if end.charged {
			charged++
		} else {
			uncharged++
		}
		earliest = d.EndedAt.Add(time.Duration(end.pause(w.rules)))
		switch {
		case end.final:
			outcome = end.outcome
		case end.charged && charged == w.rules.Retry.MaxAttempts:
			outcome = end.outcome
		case uncharged > campaign.MinFailures:
			outcome = campaign.LineUnavailable
		}
	}
	if outcome == "" {
		outcome = refused
	}
	switch {
	case r.State == campaign.UnconfirmedHeld && e == withheld:
		if last := r.Attempts[len(r.Attempts)-1]; last.Outcome != campaign.Unconfirmed {
			wrong("it is held as unconfirmed, but its last attempt was %q", last.Outcome)
		}
	case r.State != campaign.Done:
		wrong("it is %s in the end", r.State)
	case r.Outcome == campaign.Cancelled && outcome == "" && failedOnly(r): // it was kept until the campaign was cancelled
	case r.Outcome != outcome:
		wrong("its outcome is on record as %q, but it was %q", r.Outcome, outcome)
	}
	return problems
}

// refusal is what a number is at fault for that RingCentral did not call, if there is such a refusal.
func refusal(truth ringouttest.Truth, number string) campaign.Outcome {
	for _, f := range truth.Refusals {
		if f.To == number {
			return map[string]campaign.Outcome{"TEL-109": campaign.InvalidNumber, "TEL-101": campaign.Blocked}[f.Code]
		}
	}
	return ""
}

// belongs says whether a dial is the attempt's.
func belongs(a campaign.Attempt, d ringouttest.Dial) bool {
	if d.From != a.LineNumber || d.To != a.Number {
		return false
	}
	if a.RingOutID != "" {
		return a.RingOutID == d.ID
	}
	return !d.At.Before(a.ClaimedAt.Add(-slack)) && (a.EndedAt.IsZero() || d.At.Before(a.EndedAt))
}

// end is how a call really ended and what follows from it.
type end struct {
	outcome campaign.Outcome
	charged bool
	final   bool // whatever the number of attempts
	pause   func(campaign.Rules) campaign.Delay
}

func endOf(d ringouttest.Dial) end {
	at := func(pause func(campaign.Rules) campaign.Delay, e end) end {
		e.pause = pause
		return e
	}
	never := func(campaign.Rules) campaign.Delay { return 0 }
	busy := func(r campaign.Rules) campaign.Delay { return r.Retry.Busy }
	unreachable := func(r campaign.Rules) campaign.Delay { return r.Retry.Unreachable }
	if !d.CancelledAt.IsZero() {
		return at(never, end{})
	}
	switch d.Ending {
	case ringouttest.Answered, ringouttest.Short, ringouttest.Voicemail, ringouttest.SessionLost:
		return at(never, end{outcome: campaign.Answered, charged: true, final: true})
	case ringouttest.Busy, ringouttest.BusySticky:
		return at(busy, end{outcome: campaign.Busy, charged: true})
	case ringouttest.NoAnswer:
		return at(func(r campaign.Rules) campaign.Delay { return r.Retry.NoAnswer }, end{outcome: campaign.NoAnswer, charged: true})
	case ringouttest.Rejected:
		return at(never, end{outcome: campaign.Rejected, charged: true, final: true})
	case ringouttest.Unreachable:
		return at(unreachable, end{outcome: campaign.Unreachable, charged: true})
	case ringouttest.Blocked, ringouttest.InternationalDisabled:
		return at(never, end{outcome: campaign.Blocked, charged: true, final: true})
	case ringouttest.NoSuchUser:
		return at(never, end{outcome: campaign.InvalidNumber, charged: true, final: true})
	case ringouttest.AgentHangup: // the contact's phone rang
		return at(busy, end{})
	case ringouttest.AgentNoAnswer, ringouttest.AgentBusy, ringouttest.AgentRejected, ringouttest.AgentOffline:
		return at(never, end{})
	case ringouttest.MachineError:
		return at(unreachable, end{})
	}
	panic("crashtest: no contact should end as " + string(d.Ending))
}

const clock = "15:04:05.000"

// account tells for a failure what happened to a contact by the ledger and in truth.
func account(r ledger.Record, truth ringouttest.Truth) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  ledger: %s, outcome %q, round %d, due %s\n", r.State, r.Outcome, r.Round, r.Due.Format(clock))
	for _, a := range r.Attempts {
		fmt.Fprintf(&b, "    attempt %d on %s: claimed %s, placed %s, ended %s, id %q, outcome %q, %s\n", a.N, a.Line, a.ClaimedAt.Format(clock),
			a.PlacedAt.Format(clock), a.EndedAt.Format(clock), a.RingOutID, a.Outcome, a.Detail)
	}
	for _, d := range truth.DialsTo(r.Contact.Number()) {
		fmt.Fprintf(&b, "  truth: %s to %s from %s, id %q, %s, cancelled %t\n", d.At.UTC().Format(clock), d.EndedAt.UTC().Format(clock), d.From, d.ID,
			d.Ending, !d.CancelledAt.IsZero())
	}
	return b.String()
}
