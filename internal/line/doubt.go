package line

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

func unconfirmed(why string) campaign.Verdict {
	return campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: why}
}

// doubt is what is known of an attempt while it is being found out about. Times are Redis's.
type doubt struct {
	call
	why     string
	began   time.Time // when it was first wondered about
	from    time.Time // from when it is bounded how long it is wondered about
	quiet   time.Time // since when presence shows no call of the attempt
	looks   int       // in a row by which the line has no call
	talked  bool      // its agent was on a call
	trouble slowly
}

// investigate finds out about an attempt of which it is not known whether, or how, it took place. Once nothing can be on its
// way any more, the line is free as soon as presence has shown twice, some time apart, that it has no call; the contact waits until
// RingCentral's records can be believed.
func (o *owned) investigate(c call, why string) {
	o.pool.log.Info().Str("line", o.Name).Int("attempt", c.N).Str("why", why).
		Dur("after", o.pool.cfg.LogLag).Msg("asking RingCentral's records what became of a call")
	d := doubt{call: c, why: why, talked: c.Seen.CallerAnswered}
	for {
		pause, done := o.inquire(&d)
		if done || sleep(o.ctx, pause) != nil {
			return
		}
	}
}

// inquire asks the ledger and presence once. It says when to ask again, or that the attempt is in other hands or at its end.
func (o *owned) inquire(d *doubt) (pause time.Duration, done bool) {
	if o.revisit(d) {
		return 0, true
	}
	now := o.pool.cfg.Now()
	// Whoever claimed it may still be sending, or about to store the id.
	early := time.Duration(0)
	if d.RingOutID == "" {
		early = d.SendBy.Add(o.pool.cfg.SettleUnknown).Sub(now)
	}
	if early <= 0 && d.from.IsZero() {
		d.began, d.from = now, now
		if d.held {
			blocked, ok := o.block(&d.call, d.why)
			if !ok {
				return 0, true
			}
			if !blocked.IsZero() {
				d.began, d.from = blocked, blocked
			}
		}
	}
	l, err := o.sight(d.call)
	switch {
	case o.ctx.Err() != nil:
		return 0, true
	case err != nil && early > 0:
		return min(early, o.pool.cfg.PresenceEvery), false
	case errors.Is(err, ringout.ErrForbidden):
		o.conclude(d.call, unconfirmed(d.why+"; the app may not read presence"), false)
		return 0, true
	case err != nil:
		d.looks = 0
		if d.trouble.due() {
			o.pool.log.Warn().Err(err).Str("line", o.Name).Int("times", d.trouble.times).Msg("presence is not known; asking on")
		}
	case l.id != "":
		o.retake(&d.call)
		d.RingOutID = l.id
		o.track(d.call)
		return 0, true
	default:
		d.note(l, now, early > 0)
	}
	switch {
	case early > 0:
		return min(early, o.pool.cfg.PresenceEvery), false
	case err == nil && l.mine && !d.held:
		// Presence was wrong before.
		if o.retake(&d.call); d.held {
			if _, ok := o.block(&d.call, d.why); !ok {
				return 0, true
			}
		}
	case d.held && d.looks >= 2:
		rest := time.Duration(0)
		if d.talked {
			rest = d.rules.WrapUp
		}
		if !o.detach(&d.call, rest) {
			return 0, true
		}
	case err == nil && !d.quiet.IsZero() && now.Sub(d.quiet) >= o.pool.cfg.LogLag:
		o.search(d.call, d.why, campaign.Verdict{})
		return 0, true
	case now.Sub(d.from) >= o.pool.cfg.BlockLimit:
		o.conclude(d.call, unconfirmed(fmt.Sprintf("%s; for %s RingCentral did not say whether it goes on", d.why, o.pool.cfg.BlockLimit)), false)
		return 0, true
	}
	if d.held {
		return o.pool.cfg.gap(), false
	}
	return o.pool.cfg.PresenceEvery, false
}

// note adds one look at presence.
func (d *doubt) note(l sighting, now time.Time, early bool) {
	switch {
	case l.mine || l.busy && d.held:
		d.talked, d.looks = true, 0
		if l.certain && !d.from.IsZero() && now.Sub(d.began) < d.longest() {
			d.from = now // there is nothing to wonder about
		}
	case !early:
		d.looks++
	}
	switch {
	case l.mine:
		d.quiet = time.Time{}
	case d.quiet.IsZero() && !early:
		d.quiet = now
	}
}

// longest is how long a call may go on that presence certainly shows.
func (c call) longest() time.Duration {
	if c.rules.LongestCall > 0 {
		return c.rules.LongestCall
	}
	return campaign.Default("").LongestCall
}

// revisit asks the ledger, and says whether the attempt is in other hands or at its end.
func (o *owned) revisit(d *doubt) bool {
	rules, a, found, err := o.pool.book.Attempt(o.ctx, d.ref)
	switch {
	case o.ctx.Err() != nil:
		return true
	case err != nil: // RingCentral can be asked without it
		return false
	case !found: // undone after all: it was never sent
		close(d.settled)
		if d.held {
			o.vacate(d.ref.Token)
		} else {
			o.over(d.call)
		}
		return true
	case !a.EndedAt.IsZero():
		close(d.settled)
		d.Attempt, d.rules = a, rules
		switch {
		case !d.held:
			o.over(d.call)
		case a.Outcome == campaign.Unconfirmed: // nobody knows whether its call is over
			o.follow(d.ref)
			o.awaitNoCall(d.call, d.from)
		default:
			o.leave(d.call, campaign.Verdict{LineFault: a.LineFault})
			o.follow(d.ref)
		}
		return true
	case d.RingOutID != "": // what was seen since is newer than the ledger's
		return false
	case a.RingOutID != "":
		d.Attempt, d.rules = a, rules
		o.track(d.call)
		return true
	}
	d.Attempt, d.rules = a, rules
	return false
}

// block marks the line as one of which nobody knows whether its call is over, and says since when. If a person has freed it
// meanwhile, the call does not have it any more. Not ok if the line's context ended first.
func (o *owned) block(c *call, why string) (since time.Time, ok bool) {
	held := true
	ok = o.persist("block the line", func() (err error) {
		since, held, err = o.pool.store.block(o.ctx, o.Number, c.ref.Token, why)
		return err
	})
	if ok && !held {
		c.held = false
		o.idle()
	}
	return since, ok
}

// retake tries to occupy the line again for a call that goes on after all. If another call has it, they go on side by side.
func (o *owned) retake(c *call) {
	if c.held || o.pool.store.takeLine(o.ctx, o.pool.cfg.Worker, o.Number, c.ref) != nil {
		return
	}
	o.pool.withdraw(o)
	c.held = true
	o.pool.log.Warn().Str("line", o.Name).Msg("a call goes on that presence did not show before; it has its line again")
	if err := o.pool.store.confirmed(o.ctx, o.Number, c.ref.Token); err != nil && o.ctx.Err() == nil {
		o.pool.log.Warn().Err(err).Str("line", o.Name).Msg("not noted that a call has its line again")
	}
}

// search settles an attempt by RingCentral's records, which know by now of every call that has ended. Where they do not tell, otherwise
// stands, or, without that, the attempt is unconfirmed.
func (o *owned) search(c call, why string, otherwise campaign.Verdict) {
	f, ok := o.searchRecords(c.Attempt, why)
	switch {
	case !ok:
	case f.absent && !otherwise.Ended:
		o.undo(c)
	case f.absent || f.verdict.Outcome == campaign.Unconfirmed && otherwise.Ended:
		o.conclude(c, otherwise, !c.held)
	default:
		o.conclude(c, f.verdict, !c.held)
	}
}

// undo takes back the claim of an attempt that is proven not to have taken place; its token is void from then on.
func (o *owned) undo(c call) {
	var undone bool
	if !o.persist("undo the claim", func() (err error) {
		undone, err = o.pool.book.Undo(o.ctx, c.ref, "RingCentral's records show no call")
		return err
	}) {
		return
	}
	if !undone { // the one who claimed it was suspended and has stored the id just now, or somebody has settled it
		again, found, ok := o.lookUp(c.ref)
		again.settled, again.held = c.settled, c.held
		if ok && found && again.EndedAt.IsZero() {
			o.track(again)
		} else if ok {
			o.revisit(&doubt{call: again})
		}
		return
	}
	o.pool.log.Info().Str("line", o.Name).Str("campaign", c.ref.Campaign).Str("contact", c.ref.Contact).
		Msg("a call of which nothing was known never took place; the contact goes back")
	close(c.settled)
	if !c.held {
		o.over(c)
		return
	}
	o.follow(c.ref)
	o.awaitNoCall(c, time.Time{})
}

// awaitNoCall keeps a blocked line until its extension's presence has shown twice that it has no call, then frees it; at the
// latest when it has been blocked for too long. If the id of a call that was given up becomes known meanwhile, the call is tracked.
func (o *owned) awaitNoCall(c call, blocked time.Time) {
	if blocked.IsZero() {
		blocked = o.pool.cfg.Now()
	}
	d := doubt{call: c, began: blocked, from: blocked}
	for pause := o.pool.cfg.PresenceEvery; ; {
		if sleep(o.ctx, pause) != nil {
			return
		}
		pause = o.pool.cfg.PresenceEvery
		rules, a, found, err := o.pool.book.Attempt(o.ctx, c.ref)
		if err == nil && found && a.RingOutID != "" && a.EndedAt.IsZero() {
			o.track(call{Attempt: a, ref: c.ref, rules: rules, settled: make(chan struct{}), held: true})
			return
		}
		if held, err := o.pool.store.holds(o.ctx, o.Number, c.ref.Token); err == nil && !held {
			o.pool.log.Warn().Str("line", o.Name).Msg("a person has freed the line")
			o.idle()
			return
		}
		now := o.pool.cfg.Now()
		l, err := o.sight(c)
		switch {
		case o.ctx.Err() != nil:
			return
		case err != nil:
			d.looks = 0
			if d.trouble.due() {
				o.pool.log.Warn().Err(err).Str("line", o.Name).Int("times", d.trouble.times).Msg("presence is not known; the line stays blocked")
			}
		default:
			d.note(l, now, false)
		}
		switch {
		case d.looks >= 2:
			o.leave(c, campaign.Verdict{})
			return
		case d.looks == 1:
			pause = o.pool.cfg.gap()
		}
		if now.Sub(d.from) >= o.pool.cfg.BlockLimit {
			o.pool.log.Error().Str("line", o.Name).Dur("after", o.pool.cfg.BlockLimit).
				Msg("the line is free again although nobody knows whether its last call is over; look at the agent's phone")
			o.leave(c, campaign.Verdict{})
			return
		}
	}
}

// sighting is what presence says of a line and of an attempt on it.
type sighting struct {
	busy    bool   // the line may have a call
	mine    bool   // the attempt's call may go on
	certain bool   // presence certainly shows a call of the line or with the attempt's contact
	id      string // the attempt's call goes on, and can be tracked under this RingOut id
}

// sight asks the extension's presence about a call and its line.
func (o *owned) sight(c call) (sighting, error) {
	p, err := o.presence()
	if err != nil {
		return sighting{}, err
	}
	l := judgePresence(p, o.Number, c.Number)
	if active, going := callOf(p, c.Attempt); going && c.Number != "" {
		l.id = o.idOf(active, c.Attempt)
	}
	return l, nil
}

// judgePresence judges presence for one line and for the contact that an attempt on it called, "" for none. A call of another line of the
// extension is no call of this one. What presence does not say may be any.
func judgePresence(p ringout.Presence, line, contact string) sighting {
	var l sighting
	listed := false
	for _, c := range p.Calls {
		if c.TelephonyStatus == noCall {
			continue
		}
		listed = true
		may := func(number string) bool { return !otherNumber(c.From, number) || !otherNumber(c.To, number) }
		is := func(number string) bool {
			return ringout.SameNumber(c.From, number) || ringout.SameNumber(c.To, number)
		}
		l.mine = l.mine || contact != "" && may(contact)
		l.busy = l.busy || may(line) || l.mine
		l.certain = l.certain || is(line) || contact != "" && is(contact)
	}
	if !listed && !strings.EqualFold(p.Telephony, noCall) {
		l.busy, l.mine = true, contact != ""
	}
	return l
}
