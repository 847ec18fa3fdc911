package line

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/ringout"
)

// takeOver goes on from where the line's last owner stopped.
func (o *owned) takeOver(rec record) {
	ref := rec.ref
	if rec.state == Blocked && ref.Campaign == "" { // by Pool.Block: the call is no attempt's
		o.awaitNoCall(ref, campaign.Rules{})
		return
	}
	rules, a, found, ok := o.lookUp(ref)
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
	log := o.pool.log.Info().Str("line", o.Name).Str("campaign", ref.Campaign).Str("contact", ref.Contact).Int("attempt", a.N)
	settled := make(chan struct{})
	switch {
	case rec.state == Blocked && !a.EndedAt.IsZero():
		log.Msg("blocked line taken over")
		o.awaitNoCall(ref, rules)
		o.follow(ref)
	case !a.EndedAt.IsZero():
		log.Msg("ended call taken over")
		o.leave(ref, rules, a)
		o.follow(ref)
	case a.RingOutID != "":
		log.Msg("live call taken over")
		o.track(rules, ref, a, settled)
	default:
		log.Msg("call without an id taken over")
		o.confirm(ref, a, "the worker stopped before RingCentral's answer was stored", settled)
	}
}

// lookUp finds what the ledger has of an attempt; not ok if the line's context ended first.
func (o *owned) lookUp(ref campaign.Ref) (rules campaign.Rules, a campaign.Attempt, found, ok bool) {
	ok = o.persist("look up the line's attempt", func() (err error) {
		rules, a, found, err = o.pool.book.Attempt(o.ctx, ref)
		return err
	})
	return rules, a, found, ok
}

// track polls a call until both legs have ended, settles the attempt and frees the line.
func (o *owned) track(rules campaign.Rules, ref campaign.Ref, a campaign.Attempt, settled chan<- struct{}) {
	o.Extension.track(1)
	verdict, seen, ok := o.watch(rules, ref, a)
	o.Extension.track(-1)
	if !ok {
		return
	}
	if verdict.Outcome == campaign.Unconfirmed && !verdict.overlong {
		// The end was missed; RingCentral's records may have it.
		f, ok := o.investigate(a, verdict.Detail)
		switch {
		case !ok:
		case f.id != "": // it has not ended
			a.RingOutID, a.Seen = f.id, seen
			o.track(rules, ref, a, settled)
		default:
			o.conclude(ref, rules, f, seen, settled)
		}
		return
	}
	if verdict.unclear {
		f, ok := o.investigate(a, verdict.Detail)
		if !ok {
			return
		}
		if f.id == "" && !f.absent && f.verdict.Outcome != campaign.Unconfirmed {
			o.conclude(ref, rules, f, seen, settled)
			return
		}
	}
	// Blocked before it is settled: an ended attempt on an occupied line would be taken for one whose call is over.
	if verdict.overlong {
		o.block(ref)
	}
	if !o.settle(ref, verdict.Verdict, seen, settled) {
		return
	}
	a.LineFault = verdict.LineFault
	if verdict.AccountFault {
		o.Extension.Suspend(o.pool.cfg.CoolDown, "RingCentral refuses calls: "+verdict.Detail)
		o.pool.log.Error().Str("line", o.Name).Str("detail", verdict.Detail).Msg("the account cannot call; the extension's lines wait")
	}
	if verdict.overlong {
		o.awaitNoCall(ref, rules)
	} else {
		o.leave(ref, rules, a)
	}
	o.follow(ref)
}

// judgement is a verdict, and what must be known beside it.
type judgement struct {
	campaign.Verdict
	overlong bool // the call may still be going on
	unclear  bool // what would have told was missed: nobody looked for too long
}

// graceAfterFailure is how many polls a call whose contact's leg has failed may show the agent's leg as connected,
// before presence is asked: RingCentral may keep that status for as long as it remembers the call.
const graceAfterFailure = 3

// watch polls until the call is over; not ok if the line's context ended first.
func (o *owned) watch(rules campaign.Rules, ref campaign.Ref, a campaign.Attempt) (judgement, campaign.Seen, bool) {
	var (
		log       = o.pool.log.With().Str("line", o.Name).Str("campaign", ref.Campaign).Str("contact", ref.Contact).Logger()
		seen      = a.Seen
		began     = time.Now().Add(-sinceOnRedis(a))
		looked    = began
		cancelled time.Time
		giveUp    = agentDidNotAnswer(rules) // what a call is that DELETE has ended
		failures  int
		lingering int
	)
	// A worker that died between Redis and RingCentral may hold an id that the ledger has not: store it first.
	if a.PlacedAt.IsZero() && !o.persist("store the placed call", func() error {
		_, err := o.pool.book.Placed(o.ctx, ref, a.RingOutID)
		return err
	}) {
		return judgement{}, seen, false
	}
	phase := Phase("")
	for {
		if now := phaseOf(seen); now != phase {
			phase = now
			if err := o.pool.store.show(o.ctx, o.Number, phase); err != nil {
				log.Debug().Err(err).Msg("phase not shown")
			}
		}
		if sleep(o.ctx, o.pollAfter(seen, failures)) != nil {
			return judgement{}, seen, false
		}
		if _, err := o.Extension.Wait(o.ctx, ringout.Light); err != nil {
			if o.ctx.Err() != nil {
				return judgement{}, seen, false
			}
			failures++
			log.Error().Err(err).Msg("no slot for a status poll; trying again")
			continue
		}
		status, err := o.Extension.Calls.Status(o.ctx, a.RingOutID)
		switch {
		case o.ctx.Err() != nil:
			return judgement{}, seen, false
		case errors.Is(err, ringout.ErrNotFound):
			v := campaign.Missed(seen)
			if v.Outcome == campaign.Unconfirmed && !cancelled.IsZero() && !seen.CallerAnswered && time.Since(looked) < 5*o.pool.cfg.PollInterval {
				v = giveUp
			}
			return judgement{Verdict: v}, seen, true
		case err != nil:
			failures++
			log.Warn().Err(err).Msg("status poll failed; the call is tracked on")
			continue
		}
		failures = 0
		now := seen.With(campaign.Legs{Call: string(status.Call), Caller: string(status.Caller), Callee: string(status.Callee)})
		if now != seen {
			seen = now
			if err := o.pool.book.Seen(o.ctx, ref, seen); err != nil {
				log.Warn().Err(err).Msg("progress not recorded; the outcome will be")
			}
			crash.Point("seen")
		}
		v := campaign.Classify(seen)
		if v.Ended {
			if !cancelled.IsZero() && !seen.CallerAnswered {
				v = giveUp
			}
			unclear := campaign.Unclear(seen) && time.Since(looked) > 2*o.pool.cfg.PollInterval
			return judgement{Verdict: v, unclear: unclear}, seen, true
		}
		looked = time.Now()
		if m := campaign.Missed(seen); m.Outcome != campaign.Unconfirmed && !seen.CalleeAnswered {
			if lingering++; lingering >= graceAfterFailure && o.noCall(o.ctx) {
				return judgement{Verdict: m}, seen, true
			}
		}
		// RingCentral lets a call go on whose DELETE comes after the agent has answered.
		if !seen.CallerAnswered && cancelled.IsZero() {
			unwanted := o.pool.isCancelled(ref.Campaign)
			if unwanted || time.Since(began) >= rules.RingLimit {
				if o.cancelCall(a, unwanted) {
					cancelled = time.Now()
				}
				if unwanted {
					giveUp = campaign.Verdict{Ended: true, Detail: "the campaign was cancelled while the agent's phone rang"}
				}
			}
		}
		if time.Since(began) >= rules.LongestCall {
			v := campaign.Missed(seen)
			v.Detail = fmt.Sprintf("still going on after %s; tracking given up", rules.LongestCall)
			return judgement{Verdict: v, overlong: true}, seen, true
		}
	}
}

func agentDidNotAnswer(rules campaign.Rules) campaign.Verdict {
	return campaign.Verdict{
		Ended: true, LineFault: true,
		Detail: fmt.Sprintf("the agent did not answer within %s", rules.RingLimit),
	}
}

// sinceOnRedis is how long ago the call was placed when this worker took it over, by both sides' clocks; a clock that is
// off makes a ring limit early or late by as much, never a call.
func sinceOnRedis(a campaign.Attempt) time.Duration {
	if a.PlacedAt.IsZero() {
		return 0
	}
	return max(time.Since(a.PlacedAt), 0)
}

// pollAfter is the pause before the next poll: longer while people talk and while RingCentral does not answer.
func (o *owned) pollAfter(seen campaign.Seen, failures int) time.Duration {
	d := o.pool.cfg.PollInterval
	if seen.CalleeAnswered {
		d *= 2
	}
	for range min(failures, 4) {
		d *= 2
	}
	return o.Extension.pollEvery(d)
}

// cancelCall asks RingCentral to stop ringing an agent, who does not answer or is not to; true if it agreed.
func (o *owned) cancelCall(a campaign.Attempt, unwanted bool) bool {
	log := o.pool.log.With().Str("line", o.Name).Logger()
	if _, err := o.Extension.Wait(o.ctx, ringout.Heavy); err != nil {
		return false
	}
	if err := o.Extension.Calls.Cancel(o.ctx, a.RingOutID); err != nil {
		log.Warn().Err(err).Msg("a call that the agent has not answered was not cancelled")
		return false
	}
	why := "the agent does not answer"
	if unwanted {
		why = "the campaign is cancelled"
	}
	log.Info().Msg(why + ": call cancelled")
	return true
}

// settle records the verdict; false if the line's context ended first.
func (o *owned) settle(ref campaign.Ref, v campaign.Verdict, seen campaign.Seen, settled chan<- struct{}) bool {
	var a campaign.Attempt
	if !o.persist("settle the attempt", func() (err error) {
		a, err = o.pool.book.Settle(o.ctx, ref, v, seen)
		return err
	}) {
		return false
	}
	crash.Point("settled")
	close(settled)
	o.settled(a)
	o.pool.log.Info().Str("line", o.Name).Str("campaign", ref.Campaign).Str("contact", ref.Contact).Int("attempt", a.N).
		Str("outcome", string(a.Outcome)).Str("detail", a.Detail).Dur("talked", a.Duration()).Msg("attempt settled")
	return true
}

// leave frees the line after a call, into wrap-up or cool-down.
func (o *owned) leave(ref campaign.Ref, rules campaign.Rules, a campaign.Attempt) {
	if a.LineFault {
		o.release(ref, Cooling, o.pool.cfg.CoolDown)
		return
	}
	o.release(ref, WrapUp, rules.WrapUp)
}

// vacate frees a line that had no call.
func (o *owned) vacate(token string) {
	o.release(campaign.Ref{Token: token}, Free, 0)
}

func (o *owned) release(ref campaign.Ref, rest State, d time.Duration) {
	if d <= 0 {
		rest = Free
	}
	// A line that is handed over unoccupied spares the next owner the search for its attempt, so this may outlast the
	// line's context by one try.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), 2*time.Second)
	err := o.pool.store.freeLine(ctx, o.Number, ref.Token, rest, d)
	cancel()
	if err != nil && !o.persist("free the line", func() error {
		return o.pool.store.freeLine(o.ctx, o.Number, ref.Token, rest, d)
	}) {
		return
	}
	crash.Point("freed")
	if d <= 0 {
		o.idle()
		return
	}
	// Not in line: the caller goes on with the contact's next round meanwhile.
	o.pool.spawn(func() { o.idleAfter(d) })
}

func (o *owned) follow(ref campaign.Ref) {
	o.persist("enqueue the next round", func() error { return o.pool.book.Follow(o.ctx, ref) })
	crash.Point("followed")
}

func (o *owned) block(ref campaign.Ref) {
	if err := o.pool.store.block(o.ctx, o.Number, ref.Token); err != nil {
		o.pool.log.Warn().Err(err).Str("line", o.Name).Msg("line not marked as blocked")
	}
}

// awaitNoCall keeps a line until its extension's presence has said NoCall twice, then frees it. If the id of a call that
// was given up becomes known meanwhile, the call is tracked.
func (o *owned) awaitNoCall(ref campaign.Ref, rules campaign.Rules) {
	for quiet := 0; quiet < 2; {
		if sleep(o.ctx, o.pool.cfg.PresenceEvery) != nil {
			return
		}
		now, a, found, err := o.pool.book.Attempt(o.ctx, ref)
		if err == nil && found && a.RingOutID != "" && a.EndedAt.IsZero() {
			o.track(now, ref, a, make(chan struct{}))
			return
		}
		if o.noCall(o.ctx) {
			quiet++
		} else {
			quiet = 0
		}
	}
	o.leave(ref, rules, campaign.Attempt{})
}

// noCall asks presence whether the extension is without a call.
func (o *owned) noCall(ctx context.Context) bool {
	if _, err := o.Extension.Wait(ctx, ringout.Light); err != nil {
		return false
	}
	p, err := o.Extension.Calls.Presence(ctx)
	if err != nil {
		if ctx.Err() == nil {
			o.pool.log.Warn().Err(err).Str("line", o.Name).Msg("presence is not known; the line stays blocked")
		}
		return false
	}
	return p.Telephony == "NoCall"
}

// persist repeats an idempotent step until it succeeds; false if the line's context ended first.
func (o *owned) persist(what string, step func() error) bool {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := step()
		if err == nil {
			return true
		}
		if o.ctx.Err() != nil {
			return false
		}
		o.pool.log.Error().Err(err).Str("line", o.Name).Msg(what + " (trying again)")
		if sleep(o.ctx, pause) != nil {
			return false
		}
	}
}
