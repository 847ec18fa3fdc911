package line

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// TestADELETEThatWaitsDoesNotStopPolling: the conversation that begins meanwhile is seen, to its end, and the DELETE is not sent.
func TestADELETEThatWaitsDoesNotStopPolling(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		limits := map[string]ratelimit.Limit{}
		for group := range ratelimit.Defaults() {
			limits[group] = ratelimit.Limit{N: 10_000, Window: time.Minute}
		}
		limits[string(ringout.Heavy)] = ratelimit.Limit{N: 1, Window: time.Hour}
		r.quota = ratelimit.New(ratelimit.Config{Redis: r.rdb, Limits: limits})
		l := alice
		l.Extension = r.extension()
		w := r.work("w1", l)
		if _, err := l.Extension.Wait(r.t.Context(), ringout.Heavy); err != nil { // the hour's only slot
			r.t.Fatal(err)
		}
		seat, settled := w.call("a", "s-1")
		time.Sleep(r.rules.RingLimit + 10*time.Second) // a DELETE waits by now
		r.calls.say("s-1", talking)
		r.until("the conversation is seen", func() bool { return r.book.attempt(seat.Ref).Seen.CalleeAnswered })
		r.calls.say("s-1", hungUp)
		r.closed("settled", settled)
		a := r.book.attempt(seat.Ref)
		if long := a.EndedAt.Sub(a.PlacedAt); a.Outcome != campaign.Answered || long > 3*r.rules.RingLimit {
			r.t.Errorf("settled %+v after %s, want answered at its end", a, long)
		}
		time.Sleep(2 * time.Hour)
		if n := len(r.calls.cancelled()); n != 0 {
			r.t.Errorf("%d DELETEs of a call that was answered before one could be sent", n)
		}
	})
}

// TestAnotherClockThanRedis: a worker whose own clock is off neither cancels calls at once nor waits longer with it.
func TestAnotherClockThanRedis(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"ahead": -70 * time.Second, "behind": 70 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *room) {
				now := func() time.Time { return time.Now().Add(off) } // Redis's
				r.cfg.Now, r.book.now = now, now
				w := r.work("w1")
				seat, settled := w.call("a", "s-1")
				placed := time.Now()
				r.until("DELETE", func() bool { return len(r.calls.cancelled()) > 0 })
				if rang := time.Since(placed); rang < r.rules.RingLimit || rang > r.rules.RingLimit+2*r.cfg.PollInterval {
					r.t.Errorf("cancelled after %s, want %s", rang, r.rules.RingLimit)
				}
				r.calls.say("s-1", campaign.Legs{Call: "CannotReach", Caller: "NoAnswer", Callee: "InProgress"})
				r.closed("settled", settled)
				if a := r.book.attempt(seat.Ref); !a.LineFault {
					r.t.Errorf("settled %+v", a)
				}
				lost := w.acquire("b")
				began := time.Now()
				lost.Confirm(r.book.claim(lost.Ref, ""), "the answer was lost")
				w.acquire("c").Vacate()
				if took := time.Since(began); took < r.cfg.SettleUnknown || took > r.cfg.SettleUnknown+r.cfg.PresenceEvery {
					r.t.Errorf("the line of a lost call came back after %s", took)
				}
			})
		})
	}
}

// TestALineThatFailsAgainAndAgainRestsLonger, and says so, until its agent answers.
func TestALineThatFailsAgainAndAgainRestsLonger(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		fail := func(id string, want time.Duration, times int) {
			r.t.Helper()
			seat, settled := w.call("a", id)
			r.calls.say(id, agentBusy)
			r.closed("settled", settled)
			r.until("it rests", func() bool { return r.state() == Cooling })
			l := r.lines()[0]
			if l.Fails != times || (l.Note != "") != (times > 1) {
				r.t.Errorf("after %d failures: %+v", times, l)
			}
			if times == 3 && l.Note != "its phone has failed 3 times in a row; rests until "+l.Until.Format("15:04 UTC") {
				r.t.Errorf("note %q", l.Note)
			}
			ended := r.book.attempt(seat.Ref).EndedAt
			w.acquire("next").Vacate()
			if got := time.Since(ended); got < want || got > want+time.Minute {
				r.t.Errorf("rested %s after %d failures, want %s", got, times, want)
			}
			r.until("free", func() bool { return r.state() == Free })
		}
		for i, id := range []string{"s-1", "s-2", "s-3", "s-4", "s-5", "s-6"} {
			fail(id, min(r.cfg.CoolDown<<i, time.Hour), i+1)
		}
		_, settled := w.call("a", "s-7")
		began := time.Now()
		r.calls.say("s-7", agentUp)
		r.until("her answer is noted", func() bool { return !r.lines()[0].Reached.Before(began.Truncate(time.Millisecond)) })
		if l := r.lines()[0]; l.Fails != 0 || l.Placed.After(l.Reached) || l.Placed.IsZero() {
			r.t.Errorf("after an answer: %+v", l)
		}
		r.calls.say("s-7", hungUp)
		r.closed("settled", settled)
		fail("s-8", r.cfg.CoolDown, 1)
	})
}

// TestWhoHungUp asks RingCentral's records where the statuses leave it open, without the line.
func TestWhoHungUp(t *testing.T) {
	for _, tt := range []struct {
		name, record string
		want         campaign.Outcome
	}{
		{"the records say that the contact declined", "Rejected", campaign.Rejected},
		{"the records say that the agent hung up", "Hang Up", ""},
		{"the records do not say", "", campaign.Rejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(r *room) {
				w := r.work("w1")
				seat, settled := w.call("a", "s-1")
				if tt.record != "" {
					r.calls.record = &ringout.Record{
						ID: "l1", StartedAt: r.book.attempt(seat.Ref).ClaimedAt, Action: "RingOut Web", From: alice.Number, To: toA, Result: tt.record,
						Legs: []ringout.Leg{{Type: "RingOutWebToCaller", Result: "Call connected"}, {Type: "RingOutWebToSubscriber", Result: tt.record}},
					}
				}
				r.calls.say("s-1", agentUp)
				r.until("seen", func() bool { return r.book.attempt(seat.Ref).Seen.CallerAnswered })
				r.calls.say("s-1", campaign.Legs{Call: "CannotReach", Caller: "Finished", Callee: "Rejected"})
				w.acquire("b").Vacate()
				r.closed("settled", settled)
				if a := r.book.attempt(seat.Ref); a.Outcome != tt.want || a.Charged != (tt.want != "") || a.LineFault {
					r.t.Errorf("settled %+v, want %q", a, tt.want)
				}
				r.until("followed", func() bool { return r.book.count("follow a") == 1 })
			})
		})
	}
}
