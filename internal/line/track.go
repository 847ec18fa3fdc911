package line

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/ringout"
)

// call is an attempt in the hands of the worker that has its line.
type call struct {
	campaign.Attempt
	ref     campaign.Ref
	rules   campaign.Rules
	settled chan<- struct{} // closed when it is settled
	held    bool            // it has the line; otherwise the line's record names it as one that is being found out about
}

// track polls a call until both legs have ended, settles it and frees the line.
func (o *owned) track(c call) {
	o.Extension.track(1)
	o.pool.called(c.ref.Campaign, 1)
	verdict, seen, ok := o.watch(c)
	o.pool.called(c.ref.Campaign, -1)
	o.Extension.track(-1)
	if !ok {
		return
	}
	c.Seen = seen
	switch {
	case verdict.Outcome == campaign.Unconfirmed && !verdict.overlong:
		// The end was missed; RingCentral's records may have it.
		o.investigate(c, verdict.Detail)
		return
	case verdict.unclear:
		// Both legs have ended, so the line need not wait for the records.
		if o.detach(&c, c.rules.WrapUp) && sleep(o.ctx, o.pool.cfg.LogLag) == nil {
			o.search(c, verdict.Detail, verdict.Verdict)
		}
		return
	case verdict.Charged:
		o.Extension.reached()
	case verdict.AccountFault && (verdict.LineFault || o.Extension.brokeFor(c.ref.Campaign+":"+c.ref.Contact)):
		o.Extension.Suspend(o.pool.cfg.CoolDown, "RingCentral refuses calls: "+verdict.Detail)
		o.pool.log.Error().Str("line", o.Name).Str("detail", verdict.Detail).Msg("the account cannot call; the extension's lines wait")
	}
	o.conclude(c, verdict.Verdict, !verdict.overlong)
}

// watch polls until the call is over; not ok if the line's context ended first. step decides; watch only asks.
func (o *owned) watch(c call) (judgement, campaign.Seen, bool) {
	// A worker that died between Redis and RingCentral may hold an id that the ledger has not: store it first.
	if c.PlacedAt.IsZero() && !o.persist("store the placed call", func() error {
		a, err := o.pool.book.Placed(o.ctx, c.ref, c.RingOutID)
		if err == nil {
			c.PlacedAt = a.PlacedAt
		}
		return err
	}) {
		return judgement{}, c.Seen, false
	}
	var (
		log  = o.pool.log.With().Str("line", o.Name).Str("campaign", c.ref.Campaign).Str("contact", c.ref.Contact).Logger()
		w    = watcher{owned: o, call: c, log: log}
		t    = tracking{rules: c.rules, every: o.pool.cfg.PollInterval, placed: c.PlacedAt, looked: o.pool.cfg.Now(), seen: c.Seen}
		seen = observation{observed: nothingYet}
	)
	defer func() { w.deletion.withdraw() }()
	for {
		before := t.seen
		seen.unwanted = o.pool.isCancelled(c.ref.Campaign)
		next, act := step(t, seen, o.pool.cfg.Now())
		t = next
		w.record(before, t)
		switch act.doing {
		case ended:
			if t.agreed && !t.seen.CallerAnswered {
				log.Info().Msg("call cancelled before the agent answered")
			}
			return act.verdict, t.seen, true
		case cancel:
			w.deletion = o.delete(c, seen.unwanted, log)
			seen = observation{observed: nothingYet}
		case askPresence:
			seen = observation{observed: notSilent}
			if l, err := o.sight(c); err == nil && !l.mine && (!l.busy || !c.held) {
				seen.observed = silent
			}
		case poll:
			seen = w.poll(act.after)
		}
		if w.freed {
			log.Warn().Msg("a person has freed the line; its call is tracked no more")
			o.idle()
		}
		if w.freed || o.ctx.Err() != nil {
			return judgement{}, t.seen, false
		}
	}
}

// watcher asks and records what watch needs of a call.
type watcher struct {
	*owned
	call     call
	log      zerolog.Logger
	deletion *deletion // the DELETE that is on its way; nil: none
	shown    Phase     // as the line's record says
	doubted  time.Time // since when polls have not been answered
	blocked  bool      // the record says that nobody knows how the call is
	freed    bool      // a person has freed the line since
	trouble  slowly
}

// poll waits, then asks for the call's statuses, unless a DELETE's answer comes first.
func (w *watcher) poll(after time.Duration) observation {
	var done <-chan struct{}
	if w.deletion != nil {
		done = w.deletion.done
	}
	pause := time.NewTimer(w.Extension.pollEvery(after))
	defer pause.Stop()
	select {
	case <-w.ctx.Done():
		return observation{observed: unanswered}
	case <-done:
		o := observation{observed: notCancelled}
		if w.deletion.agreed {
			o.observed = cancelled
		}
		w.deletion = nil
		return o
	case <-pause.C:
	}
	if _, err := w.Extension.Wait(w.ctx, ringout.Light); err != nil {
		return w.unanswered(err, "no slot for a status poll; trying again")
	}
	status, err := w.Extension.Calls.Status(w.ctx, w.call.RingOutID)
	switch {
	case errors.Is(err, ringout.ErrNotFound):
		return observation{observed: forgotten}
	case err != nil:
		return w.unanswered(err, "status poll failed; the call is tracked on")
	}
	w.trouble, w.doubted = slowly{}, time.Time{}
	if w.blocked {
		w.mark("")
	}
	return observation{observed: statuses, legs: campaign.Legs{Call: string(status.Call), Caller: string(status.Caller), Callee: string(status.Callee)}}
}

// unanswered says so, slowly, and lets a person free the line if it goes on for long.
func (w *watcher) unanswered(err error, what string) observation {
	if w.ctx.Err() == nil && w.trouble.due() {
		w.log.Warn().Err(err).Int("times", w.trouble.times).Msg(what)
	}
	if w.doubted.IsZero() {
		w.doubted = time.Now()
	}
	if w.call.held && time.Since(w.doubted) >= w.pool.cfg.BlockLimit {
		w.mark("RingCentral does not say how its call is")
	}
	return observation{observed: unanswered}
}

// mark blocks the line, so that a person may free it, or takes that back without a reason.
func (w *watcher) mark(why string) {
	since, held, err := w.pool.store.block(w.ctx, w.Number, w.call.ref.Token, why)
	if err != nil {
		return // it is tried again
	}
	if why != "" && !w.blocked && held {
		w.log.Error().Str("why", why).Msg("the line is blocked; `campaign lines unblock` frees it")
	}
	w.blocked, w.freed = !since.IsZero(), !held
}

// record stores what is new about a call.
func (w *watcher) record(before campaign.Seen, t tracking) {
	if t.seen != before {
		if err := w.pool.book.Seen(w.ctx, w.call.ref, t.seen); err != nil && w.ctx.Err() == nil {
			w.log.Warn().Err(err).Msg("progress not recorded; the outcome will be")
		}
		crash.Point("seen")
	}
	if phase := phaseOf(t.seen); phase != w.shown {
		if err := w.pool.store.show(w.ctx, w.Number, w.call.ref.Token, phase, w.call.PlacedAt); err == nil {
			w.shown = phase
		} else if w.ctx.Err() == nil {
			w.log.Debug().Err(err).Msg("phase not shown")
		}
	}
	if !before.CallerAnswered && t.seen.CallerAnswered {
		if t.asked {
			w.log.Info().Msg("the agent has answered a call that was to be cancelled: it goes on")
		}
		w.deletion.withdraw()
	}
}

// deletion is a DELETE of a call that its agent is not to answer any more. Polling goes on beside it.
type deletion struct {
	withdrawn context.CancelFunc // sends it no more, if it was not sent yet
	done      chan struct{}      // closed when it was answered, or not sent
	agreed    bool               // RingCentral has agreed to it; to be read after done
}

func (d *deletion) withdraw() {
	if d != nil {
		d.withdrawn()
	}
}

// delete asks RingCentral to stop ringing an agent, who does not answer or is not to.
func (o *owned) delete(c call, unwanted bool, log zerolog.Logger) *deletion {
	ctx, cancel := context.WithCancel(o.ctx)
	d := &deletion{withdrawn: cancel, done: make(chan struct{})}
	o.pool.spawn(func() {
		defer close(d.done)
		defer cancel()
		slot, err := o.Extension.Wait(ctx, ringout.Heavy)
		if err != nil {
			return
		}
		if ctx.Err() != nil || slot.Lapsed() {
			_ = o.Extension.Quota.GiveBack(o.ctx, slot) // one that is not given back is lost, no more
			return
		}
		if err := o.Extension.Calls.Cancel(o.ctx, c.RingOutID); err != nil {
			if o.ctx.Err() == nil {
				log.Warn().Err(err).Msg("RingCentral did not agree to cancel a call that the agent has not answered")
			}
			return
		}
		d.agreed = true
		why := "the agent does not answer"
		if unwanted {
			why = "the campaign is cancelled"
		}
		log.Info().Msg(why + ": RingCentral was asked to cancel the call")
	})
	return d
}
