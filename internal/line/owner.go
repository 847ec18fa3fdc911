package line

import (
	"context"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/crash"
)

// takeOver goes on from where the line's last owner stopped.
func (o *owned) takeOver(rec record) {
	ref := rec.ref
	if rec.state == Blocked && ref.Campaign == "" { // by Pool.Block: the call is no attempt's
		o.awaitNoCall(call{ref: ref, held: true}, rec.blocked)
		return
	}
	c, found, ok := o.lookUp(ref)
	if !ok {
		return
	}
	if !found {
		// The owner may only be suspended and about to claim: the token goes out of use first.
		var claimed bool
		if !o.persist("void the line's token", func() (err error) {
			claimed, err = o.pool.book.Void(o.ctx, ref)
			return err
		}) {
			return
		}
		if claimed {
			o.takeOver(rec)
			return
		}
		crash.Point("voided")
		o.vacate(ref.Token)
		return
	}
	c.held = true
	log := o.pool.log.Info().Str("line", o.Name).Str("campaign", ref.Campaign).Str("contact", ref.Contact).Int("attempt", c.N)
	switch {
	case rec.state == Blocked && !c.EndedAt.IsZero():
		log.Msg("blocked line taken over")
		o.follow(ref)
		o.awaitNoCall(c, rec.blocked)
	case !c.EndedAt.IsZero():
		log.Msg("ended call taken over")
		o.leave(c, campaign.Verdict{LineFault: c.LineFault})
		o.follow(ref)
	case c.RingOutID != "":
		log.Msg("live call taken over")
		o.track(c)
	default:
		log.Msg("call without an id taken over")
		o.investigate(c, "the worker stopped before RingCentral's answer was stored")
	}
}

// resume goes on finding out about an attempt whose line is free of it.
func (o *owned) resume(ref campaign.Ref) {
	c, found, ok := o.lookUp(ref)
	switch {
	case !ok:
	case !found || !c.EndedAt.IsZero():
		o.over(c)
	case c.RingOutID != "":
		o.track(c)
	default:
		o.investigate(c, "the worker stopped before the call was found out about")
	}
}

// lookUp finds what the ledger has of an attempt; not ok if the line's context ended first.
func (o *owned) lookUp(ref campaign.Ref) (c call, found, ok bool) {
	c = call{ref: ref, settled: make(chan struct{})}
	ok = o.persist("look up the line's attempt", func() (err error) {
		c.rules, c.Attempt, found, err = o.pool.book.Attempt(o.ctx, ref)
		return err
	})
	return c, found, ok
}

// conclude settles an attempt and frees its line: at once if its call is over, else when that is known.
func (o *owned) conclude(c call, v campaign.Verdict, over bool) {
	var blocked time.Time
	// Blocked before it is settled: an ended attempt on an occupied line would be taken for one whose call is over.
	if c.held && !over {
		var ok bool
		if blocked, ok = o.block(&c, v.Detail); !ok {
			return
		}
	}
	if !o.settle(c, v) {
		return
	}
	if v.Outcome == campaign.Unconfirmed {
		o.pool.log.Warn().Str("line", o.Name).Str("campaign", c.ref.Campaign).Str("contact", c.ref.Contact).
			Str("why", v.Detail).Msg("unconfirmed: a phone may have rung; decide with `campaign unconfirmed`")
	}
	switch {
	case !c.held:
		o.over(c)
	case over:
		o.leave(c, v)
		o.follow(c.ref)
	default:
		o.follow(c.ref)
		o.awaitNoCall(c, blocked)
	}
}

// settle records the verdict; false if the line's context ended first.
func (o *owned) settle(c call, v campaign.Verdict) bool {
	var a campaign.Attempt
	if !o.persist("settle the attempt", func() (err error) {
		a, err = o.pool.book.Settle(o.ctx, c.ref, v, c.Seen)
		return err
	}) {
		return false
	}
	crash.Point("settled")
	close(c.settled)
	o.settled(a)
	o.pool.log.Info().Str("line", o.Name).Str("campaign", c.ref.Campaign).Str("contact", c.ref.Contact).Int("attempt", a.N).
		Str("outcome", string(a.Outcome)).Str("detail", a.Detail).Dur("talked", a.Duration()).Msg("attempt settled")
	return true
}

// over brings on the contact of a settled attempt whose line was freed before.
func (o *owned) over(c call) {
	o.follow(c.ref)
	o.persist("note that the call was found out about", func() error {
		return o.pool.store.confirmed(o.ctx, o.Number, c.ref.Token)
	})
}

// leave frees the line after a call, into wrap-up or cool-down.
func (o *owned) leave(c call, v campaign.Verdict) {
	e := end{rest: WrapUp, d: c.rules.WrapUp, reached: c.Seen.CallerAnswered}
	if v.LineFault {
		e = end{rest: Cooling, d: o.pool.cfg.CoolDown, most: o.pool.cfg.MaxCoolDown, failed: !v.AccountFault}
	}
	o.release(c.ref.Token, e)
}

// vacate frees a line that had no call.
func (o *owned) vacate(token string) {
	o.release(token, end{})
}

// detach frees the line of an attempt that is still to be found out about; its record names the attempt from then on. It
// says false if the line's context ended first.
func (o *owned) detach(c *call, rest time.Duration) bool {
	if !c.held {
		return true
	}
	if !o.release(c.ref.Token, end{rest: WrapUp, d: rest, reached: c.Seen.CallerAnswered, confirming: true}) {
		return false
	}
	crash.Point("detached")
	c.held = false
	return true
}

// release ends an occupancy; false if the line's context ended first.
func (o *owned) release(token string, e end) bool {
	if e.d <= 0 {
		e.rest = Free
	}
	// A line that is handed over unoccupied spares the next owner the search for its attempt, so this may outlast the
	// line's context by one try.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), 2*time.Second)
	rest, err := o.pool.store.freeLine(ctx, o.Number, token, e)
	cancel()
	if err != nil && !o.persist("free the line", func() (err error) {
		rest, err = o.pool.store.freeLine(o.ctx, o.Number, token, e)
		return err
	}) {
		return false
	}
	crash.Point("freed")
	switch {
	case rest.state == Occupied || rest.state == Blocked:
		// Another token has it: the record knows better than this process, the next leasing begins it anew.
		o.pool.drop(o)
	case rest.d <= 0:
		o.idle()
	default:
		if e.failed && rest.fails > 1 {
			o.pool.log.Warn().Str("line", o.Name).Msg(failing(rest.fails, o.pool.cfg.Now().Add(rest.d)))
		}
		// Not in line: the caller goes on with the contact's next round meanwhile.
		o.pool.spawn(func() { o.idleAfter(rest.d) })
	}
	return true
}

func (o *owned) follow(ref campaign.Ref) {
	o.persist("enqueue the next round", func() error { return o.pool.book.Follow(o.ctx, ref) })
	crash.Point("followed")
}

// persist repeats an idempotent step until it succeeds; false if the line's context ended first.
func (o *owned) persist(what string, step func() error) bool {
	var trouble slowly
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := step()
		if err == nil {
			return true
		}
		if o.ctx.Err() != nil {
			return false
		}
		if trouble.due() {
			o.pool.log.Error().Err(err).Str("line", o.Name).Int("times", trouble.times).Msg(what + " (trying again)")
		}
		if sleep(o.ctx, pause) != nil {
			return false
		}
	}
}

// slowly says when to log an error that repeats: at first, then once a minute with how often it came.
type slowly struct {
	times int
	next  time.Time
}

func (s *slowly) due() bool {
	s.times++
	now := time.Now()
	if now.Before(s.next) {
		return false
	}
	s.next = now.Add(time.Minute)
	return true
}
