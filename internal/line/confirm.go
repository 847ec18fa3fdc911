package line

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

// finding is what RingCentral's own records say of an attempt of which it is not known whether, or how, it took place.
type finding struct {
	verdict campaign.Verdict // how it ended; Unconfirmed where the records do not say
	absent  bool             // it never took place: no phone rang
}

// maxInquiries is how often RingCentral may fail to answer before a person is asked instead.
const maxInquiries = 20

func (o *owned) presence() (ringout.Presence, error) {
	if _, err := o.Extension.Wait(o.ctx, ringout.Light); err != nil {
		return ringout.Presence{}, err
	}
	return o.Extension.Calls.Presence(o.ctx)
}

// callOf finds the attempt's call among those that are going on. A call of which presence does not say enough may be it.
func callOf(p ringout.Presence, a campaign.Attempt) (ringout.ActiveCall, bool) {
	for _, c := range p.Calls {
		if c.TelephonyStatus != "NoCall" && (!otherNumber(c.From, a.Number) || !otherNumber(c.To, a.Number)) {
			return c, true
		}
	}
	return ringout.ActiveCall{}, false
}

// otherNumber says whether a number of RingCentral's records is certainly not the given one. What is masked or unreadable
// is not certain.
func otherNumber(recorded, e164 string) bool {
	const telling = 7 // digits
	if strings.ContainsAny(recorded, "Xx") {
		shown := strings.TrimRight(recorded, "Xx")
		return strings.HasPrefix(shown, "+") && !strings.HasPrefix(e164, shown)
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, recorded)
	return len(digits) >= telling && len(e164) > telling && digits[len(digits)-telling:] != e164[len(e164)-telling:]
}

// idOf finds the RingOut id of the attempt's call that is going on. No document says that it is the telephony session's id,
// but where RingCentral answers to it as a RingOut, it is.
func (o *owned) idOf(c ringout.ActiveCall, a campaign.Attempt) string {
	between := func(one, other string) bool {
		return ringout.SameNumber(one, a.LineNumber) && ringout.SameNumber(other, a.Number)
	}
	if c.TelephonySessionID == "" || (!between(c.From, c.To) && !between(c.To, c.From)) {
		return ""
	}
	if _, err := o.Extension.Wait(o.ctx, ringout.Light); err != nil {
		return ""
	}
	r, err := o.Extension.Calls.Status(o.ctx, c.TelephonySessionID)
	if err != nil || r.ID != c.TelephonySessionID {
		return ""
	}
	return r.ID
}

// searchRecords looks for the attempt in active-calls and in the call log.
func (o *owned) searchRecords(a campaign.Attempt, why string) (finding, bool) {
	var records []ringout.Record
	for failures := 0; ; {
		found, complete, err := o.records(a)
		switch {
		case o.ctx.Err() != nil:
			return finding{}, false
		case errors.Is(err, ringout.ErrForbidden):
			return finding{verdict: unconfirmed(why + "; the app may not read the call log")}, true
		case err != nil:
			if failures++; failures > maxInquiries {
				return finding{verdict: unconfirmed(why + "; RingCentral's call log does not answer")}, true
			}
			if sleep(o.ctx, o.pool.cfg.PresenceEvery) != nil {
				return finding{}, false
			}
			continue
		case !complete:
			return finding{verdict: unconfirmed(why + "; the call log is too long to be searched")}, true
		}
		records = found
		break
	}
	candidates := oneOfTwo(sessions(records), a)
	switch {
	case len(candidates) == 0 && a.RingOutID == "":
		return finding{absent: true}, true
	case len(candidates) == 0:
		return finding{verdict: unconfirmed(why + "; the call log has no such call")}, true
	case len(candidates) > 1:
		return finding{verdict: unconfirmed(fmt.Sprintf("%s; the call log has %d calls that it may be", why, len(candidates)))}, true
	}
	r := candidates[0]
	if !r.split && !certain(r.Record, a) {
		return finding{verdict: unconfirmed(why + "; the call log has a call that it may be, at " +
			r.StartedAt.UTC().Format("15:04:05 UTC"))}, true
	}
	v := campaign.Recorded(r.results(a))
	if v.Outcome == campaign.Unconfirmed {
		v.Detail = why + "; " + v.Detail
	}
	return finding{verdict: v}, true
}

// records reads what may be the attempt's call from active-calls and the call log.
func (o *owned) records(a campaign.Attempt) (found []ringout.Record, complete bool, err error) {
	if _, err := o.Extension.Wait(o.ctx, ringout.Heavy); err != nil {
		return nil, false, err
	}
	active, err := o.Extension.Calls.ActiveCalls(o.ctx)
	if err != nil {
		return nil, false, err
	}
	from, to := o.window(a, active.At)
	if _, err := o.Extension.Wait(o.ctx, ringout.Heavy); err != nil {
		return nil, false, err
	}
	// By time alone: a log that masks numbers cannot be asked for one.
	log, err := o.Extension.Calls.CallLog(o.ctx, ringout.LogQuery{From: from, To: to})
	if err != nil {
		return nil, false, err
	}
	for _, r := range append(active.Calls, log.Calls...) {
		inWindow := r.StartedAt.IsZero() || (!r.StartedAt.Before(from) && !r.StartedAt.After(to))
		if inWindow && maybe(r, a) {
			found = append(found, r)
		}
	}
	return found, active.Complete && log.Complete, nil
}

// window is when the attempt's call can have begun, on RingCentral's clock: the claim is on Redis's.
func (o *owned) window(a campaign.Attempt, server time.Time) (from, to time.Time) {
	off := time.Duration(0)
	if !server.IsZero() {
		off = server.Sub(o.pool.cfg.Now())
	}
	// To be generous with the slack can only ask a person once more.
	slack := o.pool.cfg.RecordSlack
	return a.ClaimedAt.Add(off - slack), a.SendBy.Add(off + o.pool.cfg.SettleUnknown + slack)
}

// numbersOf lists all numbers that a record has, its legs' too.
func numbersOf(r ringout.Record) []string {
	numbers := []string{r.From, r.To}
	for _, l := range r.Legs {
		numbers = append(numbers, l.From, l.To)
	}
	return numbers
}

func hasNumber(r ringout.Record, number string) bool {
	for _, n := range numbersOf(r) {
		if ringout.SameNumber(n, number) {
			return true
		}
	}
	return false
}

// maybe says whether a record may be the attempt's call: it has the contact's number, or is a RingOut that is not certainly
// to another one. Absence is concluded only where there is none such.
func maybe(r ringout.Record, a campaign.Attempt) bool {
	return hasNumber(r, a.Number) || (r.RingOut() && !otherNumber(r.To, a.Number))
}

// certain says whether a record is the attempt's call: a RingOut to the contact from the line.
func certain(r ringout.Record, a campaign.Attempt) bool {
	return r.RingOut() && hasNumber(r, a.Number) && hasNumber(r, a.LineNumber)
}

// sessions leaves one record of each call: active-calls and the call log may both have it, and a RingOut to an own
// extension appears as two sessions with the same numbers at the same time.
func sessions(records []ringout.Record) []ringout.Record {
	var distinct []ringout.Record
	for _, r := range records {
		known := false
		for i, d := range distinct {
			same := d.SessionID != "" && d.SessionID == r.SessionID ||
				d.TelephonySessionID != "" && d.TelephonySessionID == r.TelephonySessionID ||
				d.From == r.From && d.To == r.To && r.StartedAt.Sub(d.StartedAt).Abs() < 2*time.Second
			if same {
				known = true
				distinct[i] = r // the later source, the log, knows the result
				break
			}
		}
		if !known {
			distinct = append(distinct, r)
		}
	}
	return distinct
}

// session is a call by RingCentral's records.
type session struct {
	ringout.Record
	split bool // the agent's leg stands in the records as a session of its own
	agent string
}

// apartMost is how far apart the two sessions of one RingOut may begin: as long as an agent's phone may ring.
const apartMost = 2 * time.Minute

// oneOfTwo joins what are two sessions of one RingOut: one to the agent, and one, some seconds later, to the contact. The one that
// names the contact gives the result; those to agents are no further calls to the contact, whosever half they are.
func oneOfTwo(records []ringout.Record, a campaign.Attempt) []session {
	var named, halves []ringout.Record
	for _, r := range records {
		if toAgent(r, a) {
			halves = append(halves, r)
		} else {
			named = append(named, r)
		}
	}
	if len(named) != 1 || !hasNumber(named[0], a.Number) {
		named, halves = records, nil
	}
	list := make([]session, 0, len(named))
	for _, r := range named {
		list = append(list, session{Record: r})
	}
	for _, half := range halves {
		apart := list[0].StartedAt.Sub(half.StartedAt)
		from := !otherNumber(list[0].From, a.LineNumber) || ringout.SameNumber(list[0].From, half.From)
		if from && list[0].RingOut() && !strings.EqualFold(list[0].Direction, "Inbound") && apart >= -time.Second && apart <= apartMost {
			list[0].split, list[0].agent = true, half.Result
		}
	}
	return list
}

// toAgent says whether a record is the agent's half of a RingOut that stands in the records as two sessions.
func toAgent(r ringout.Record, a campaign.Attempt) bool {
	return r.RingOut() && strings.EqualFold(r.Direction, "Inbound") && !hasNumber(r, a.Number) &&
		(r.To == "" || ringout.SameNumber(r.To, a.LineNumber))
}

// results are the results of the agent's leg and of the contact's.
func (s session) results(a campaign.Attempt) (agent, contact string) {
	agent, contact = resultsOf(s.Record, a)
	if s.split {
		agent = cmp.Or(agent, s.agent)
		contact = cmp.Or(contact, s.Result)
	}
	return agent, contact
}

// resultsOf finds the results of the agent's leg and of the contact's.
func resultsOf(r ringout.Record, a campaign.Attempt) (agent, contact string) {
	for _, l := range r.Legs {
		kind := strings.ToLower(l.Type)
		switch {
		case strings.Contains(kind, "tocaller"):
			agent = l.Result
		case strings.Contains(kind, "tosubscriber"), ringout.SameNumber(l.To, a.Number):
			contact = l.Result
		}
	}
	if len(r.Legs) == 0 && strings.EqualFold(r.Result, "Call connected") {
		contact = r.Result
	}
	return agent, contact
}
