package line

import (
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
	id      string           // it is going on, and can be tracked under this RingOut id
	quiet   bool             // its call is certainly over
}

func unconfirmed(why string) campaign.Verdict {
	return campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: why}
}

// confirm finds out about an attempt of which it is unknown whether it was placed, settles it or undoes its claim, and
// frees the line.
func (o *owned) confirm(ref campaign.Ref, a campaign.Attempt, why string, settled chan<- struct{}) {
	// Whoever claimed it may still be sending, or about to store the id.
	if sleep(o.ctx, max(time.Until(a.SendBy), 0)+o.pool.cfg.SettleUnknown) != nil {
		return
	}
	rules, now, found, ok := o.lookUp(ref)
	if !ok {
		return
	}
	switch {
	case !found: // undone after all: it was never sent
		o.vacate(ref.Token)
		close(settled)
		return
	case !now.EndedAt.IsZero():
		o.leave(ref, rules, now)
		close(settled)
		o.follow(ref)
		return
	case now.RingOutID != "":
		o.track(rules, ref, now, settled)
		return
	}
	o.block(ref)
	f, ok := o.investigate(now, why)
	if !ok {
		return
	}
	switch {
	case f.id != "":
		now.RingOutID = f.id
		o.track(rules, ref, now, settled)
	case f.absent:
		o.undo(ref, settled)
	default:
		o.conclude(ref, rules, f, now.Seen, settled)
	}
}

// undo takes back the claim of an attempt that is proven not to have taken place; its token is void from then on.
func (o *owned) undo(ref campaign.Ref, settled chan<- struct{}) {
	var undone bool
	if !o.persist("undo the claim", func() (err error) {
		undone, err = o.pool.book.Undo(o.ctx, ref, "RingCentral's records show no call")
		return err
	}) {
		return
	}
	if !undone { // the one who claimed it was suspended and has stored the id just now
		if rules, a, found, ok := o.lookUp(ref); ok && found {
			o.track(rules, ref, a, settled)
		}
		return
	}
	o.pool.log.Info().Str("line", o.Name).Str("campaign", ref.Campaign).Str("contact", ref.Contact).
		Msg("a call of which nothing was known never took place; the contact goes back")
	o.vacate(ref.Token)
	close(settled)
	o.follow(ref)
}

// conclude settles an attempt by what was found, and frees the line once its call is certainly over.
func (o *owned) conclude(ref campaign.Ref, rules campaign.Rules, f finding, seen campaign.Seen, settled chan<- struct{}) {
	if !o.settle(ref, f.verdict, seen, settled) {
		return
	}
	if f.verdict.Outcome == campaign.Unconfirmed {
		o.pool.log.Warn().Str("line", o.Name).Str("campaign", ref.Campaign).Str("contact", ref.Contact).
			Str("why", f.verdict.Detail).Msg("unconfirmed: a phone may have rung; decide with `campaign unconfirmed`")
	}
	if f.quiet {
		o.leave(ref, rules, campaign.Attempt{LineFault: f.verdict.LineFault})
	} else {
		o.awaitNoCall(ref, rules)
	}
	o.follow(ref)
}

// investigate asks RingCentral: presence until no such call is going on, then, once the call log can know of it, its
// records. Not ok: the line's context ended first.
func (o *owned) investigate(a campaign.Attempt, why string) (finding, bool) {
	o.pool.log.Info().Str("line", o.Name).Int("attempt", a.N).Str("why", why).
		Dur("after", o.pool.cfg.LogLag).Msg("asking RingCentral's records what became of a call")
	var (
		quiet    time.Time // since when presence shows no such call
		failures int
	)
	for {
		p, err := o.presence()
		switch {
		case o.ctx.Err() != nil:
			return finding{}, false
		case errors.Is(err, ringout.ErrForbidden):
			return finding{verdict: unconfirmed(why + "; the app may not read presence")}, true
		case err != nil:
			if failures++; failures > maxInquiries {
				return finding{verdict: unconfirmed(why + "; RingCentral's presence does not answer")}, true
			}
		default:
			call, going := callOf(p, a)
			if going {
				if id := o.idOf(call, a); id != "" {
					return finding{id: id}, true
				}
				quiet = time.Time{} // it has no id to track it by: wait for its end
			} else if quiet.IsZero() {
				quiet = time.Now()
			}
		}
		if !quiet.IsZero() && time.Since(quiet) >= o.pool.cfg.LogLag {
			break
		}
		if sleep(o.ctx, o.pool.cfg.PresenceEvery) != nil {
			return finding{}, false
		}
	}
	return o.searchRecords(a, why)
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
			return finding{verdict: unconfirmed(why + "; the app may not read the call log"), quiet: true}, true
		case err != nil:
			if failures++; failures > maxInquiries {
				return finding{verdict: unconfirmed(why + "; RingCentral's call log does not answer"), quiet: true}, true
			}
			if sleep(o.ctx, o.pool.cfg.PresenceEvery) != nil {
				return finding{}, false
			}
			continue
		case !complete:
			return finding{verdict: unconfirmed(why + "; the call log is too long to be searched"), quiet: true}, true
		}
		records = found
		break
	}
	candidates := sessions(records)
	switch {
	case len(candidates) == 0 && a.RingOutID == "":
		return finding{absent: true, quiet: true}, true
	case len(candidates) == 0:
		return finding{verdict: unconfirmed(why + "; the call log has no such call"), quiet: true}, true
	case len(candidates) > 1:
		return finding{verdict: unconfirmed(fmt.Sprintf("%s; the call log has %d calls that it may be", why, len(candidates))), quiet: true}, true
	}
	r := candidates[0]
	if !certain(r, a) {
		return finding{verdict: unconfirmed(why + "; the call log has a call that it may be, at " +
			r.StartedAt.UTC().Format("15:04:05 UTC")), quiet: true}, true
	}
	v := campaign.Recorded(resultsOf(r, a))
	if v.Outcome == campaign.Unconfirmed {
		v.Detail = why + "; " + v.Detail
	}
	return finding{verdict: v, quiet: true}, true
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
	from, to, err := o.window(a, active.At)
	if err != nil {
		return nil, false, err
	}
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
func (o *owned) window(a campaign.Attempt, server time.Time) (from, to time.Time, err error) {
	local := time.Now()
	redis, err := o.pool.store.rdb.Time(o.ctx).Result()
	if err != nil {
		return from, to, fmt.Errorf("read Redis's clock: %w", err)
	}
	if server.IsZero() {
		server = local
	}
	off := server.Sub(redis)
	// To be generous with the slack can only ask a person once more.
	slack := o.pool.cfg.RecordSlack
	return a.ClaimedAt.Add(off - slack), a.SendBy.Add(off + o.pool.cfg.SettleUnknown + slack), nil
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
