package line

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

func TestACallFromAcquireToTheNextOne(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		if held := w.Held(); len(held) != 1 || held[0].Name != "alice" || w.HeldBy("sales") != 1 || w.HeldBy("other") != 0 || w.Size("sales") != 1 {
			r.t.Fatalf("held %+v", held)
		}
		seat, settled := w.call("a", "s-1")
		r.wantState(Occupied)
		r.calls.say("s-1", talking)
		r.until("progress is recorded", func() bool { return r.book.attempt(seat.Ref).Seen.CalleeAnswered })
		r.wantState(Occupied)
		r.calls.say("s-1", hungUp)
		r.closed("settled", settled)
		a := r.book.attempt(seat.Ref)
		if a.Outcome != campaign.Answered || !a.Charged {
			r.t.Fatalf("settled %+v, want answered", a)
		}
		r.until("wrap-up", func() bool { return r.state() == WrapUp })
		r.until("followed", func() bool { return r.book.count("follow a") == 1 })

		next := w.acquire("b")
		if pause := time.Since(a.EndedAt); pause < r.rules.WrapUp {
			r.t.Fatalf("the line was given out %s after its call, want a wrap-up of %s", pause, r.rules.WrapUp)
		}
		if next.Ref.Token == seat.Ref.Token || next.Ref.Contact != "b" || next.Line().Number != alice.Number {
			r.t.Fatalf("seat %+v", next.Ref)
		}
		r.wantState(Occupied)
		next.Vacate()
		r.until("free", func() bool { return r.state() == Free })
		next = w.acquire("c")
		rested := time.Now()
		next.Rest(r.cfg.CoolDown)
		r.until("cooling", func() bool { return r.state() == Cooling })
		w.acquire("d").Vacate()
		if pause := time.Since(rested); pause < r.cfg.CoolDown {
			r.t.Fatalf("given out %s after its rest began, want %s", pause, r.cfg.CoolDown)
		}
		if r.book.count("settled a") != 1 {
			r.t.Fatalf("events %v", r.book.all())
		}
	})
}

func TestALineWhoseLegFailedCoolsDown(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		seat, settled := w.call("a", "s-1")
		r.calls.say("s-1", agentBusy)
		r.closed("settled", settled)
		a := r.book.attempt(seat.Ref)
		if a.Charged || !a.LineFault || a.Outcome != "" {
			r.t.Fatalf("settled %+v, want the line's fault", a)
		}
		r.until("cooling", func() bool { return r.state() == Cooling })
		w.acquire("b").Vacate()
		if pause := time.Since(a.EndedAt); pause < r.cfg.CoolDown {
			r.t.Fatalf("given out after %s, want %s", pause, r.cfg.CoolDown)
		}
	})
}

func TestTakeOver(t *testing.T) {
	ended := func(r *room, outcome campaign.Outcome) {
		r.book.claim(refA, "s-1")
		if _, err := r.book.Settle(r.t.Context(), refA, campaign.Verdict{Ended: true, Outcome: outcome}, campaign.Seen{}); err != nil {
			r.t.Fatal(err)
		}
	}
	free := func(r *room, w *worker) {
		r.t.Helper()
		w.acquire("next").Vacate()
	}
	tests := []struct {
		name string
		left State
		do   func(r *room, takeOver func() *worker)
	}{
		{"a live call", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "s-1")
			r.calls.say("s-1", talking)
			w := takeOver()
			r.until("tracked", func() bool { return r.calls.polled("s-1") >= 3 })
			r.wantState(Occupied)
			r.calls.say("s-1", hungUp)
			r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Answered })
			free(r, w)
			r.until("followed", func() bool { return r.book.count("follow a") == 1 })
		}},
		{"an ended call", Occupied, func(r *room, takeOver func() *worker) {
			ended(r, campaign.Busy)
			w := takeOver()
			free(r, w)
			r.until("followed", func() bool { return r.book.count("follow a") == 1 })
			if r.calls.polled("s-1") != 0 || r.book.count("settled a") != 1 {
				r.t.Fatalf("events %v", r.book.all())
			}
		}},
		{"an occupancy that was never claimed", Occupied, func(r *room, takeOver func() *worker) {
			w := takeOver()
			free(r, w)
			if got := r.book.all(); !slices.Equal(got, []string{"void a"}) {
				r.t.Fatalf("events %v, want the token void and nothing else", got)
			}
		}},
		{"an occupancy that is claimed at the last moment", Occupied, func(r *room, takeOver func() *worker) {
			r.book.onVoid = func() { r.book.claim(refA, "s-1") }
			r.calls.say("s-1", talking)
			w := takeOver()
			r.until("tracked", func() bool { return r.calls.polled("s-1") >= 2 })
			r.calls.say("s-1", hungUp)
			free(r, w)
			if r.book.count("void a") != 0 || r.book.count("settled a") != 1 {
				r.t.Fatalf("events %v", r.book.all())
			}
		}},
		{"a call without an id that RingCentral does not have either", Occupied, func(r *room, takeOver func() *worker) {
			a := r.book.claim(refA, "")
			r.calls.show("Ringing") // somebody's call: it may be this one
			w := takeOver()
			r.until("presence", func() bool { return r.calls.looked() >= 4 })
			r.wantState(Blocked)
			if !r.book.attempt(refA).EndedAt.IsZero() {
				r.t.Fatal("settled while it may be going on")
			}
			r.calls.show("NoCall")
			free(r, w)
			if waited := time.Since(a.SendBy); waited < r.cfg.SettleUnknown {
				r.t.Fatalf("the line is free %s after send-by, want %s for requests on their way", waited, r.cfg.SettleUnknown)
			}
			r.until("followed", func() bool { return r.book.count("follow a") == 1 })
			if waited := time.Since(a.SendBy); waited < r.cfg.SettleUnknown+r.cfg.LogLag {
				r.t.Fatalf("undone %s after send-by, want %s for requests on their way and %s for the log", waited, r.cfg.SettleUnknown, r.cfg.LogLag)
			}
			if got := r.book.all(); got[0] != "undo a" || r.book.count("settled a") != 0 {
				r.t.Fatalf("events %v, want the claim undone", got)
			}
		}},
		{"a call without an id of which the call log may not be asked", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.noLog = true
			w := takeOver()
			free(r, w)
			r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Unconfirmed })
		}},
		{"a call without an id of which nothing may be asked", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.show("forbidden")
			w := takeOver()
			r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Unconfirmed })
			r.until("presence", func() bool { return r.calls.looked() >= 4 })
			r.wantState(Blocked)
			r.calls.show("NoCall")
			free(r, w)
			if n := r.calls.looked(); n != 2 {
				r.t.Fatalf("freed after %d looks that said NoCall, want 2", n)
			}
		}},
		{"a call without an id that the call log has", Occupied, func(r *room, takeOver func() *worker) {
			a := r.book.claim(refA, "")
			r.calls.record = &ringout.Record{
				ID: "l1", StartedAt: a.ClaimedAt, Action: "RingOut Web", From: alice.Number, To: toA, Result: "Busy",
				Legs: []ringout.Leg{{Type: "RingOutClientToCaller", Result: "Call connected"}, {Type: "RingOutClientToSubscriber", Result: "Busy"}},
			}
			w := takeOver()
			free(r, w)
			r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Busy && r.book.attempt(refA).Charged })
		}},
		{"a call without an id that is going on under an id", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.session = "s-7"
			r.calls.show("CallConnected")
			r.calls.say("s-7", talking)
			w := takeOver()
			r.until("its id is stored", func() bool { return r.book.attempt(refA).RingOutID == "s-7" })
			r.until("tracked", func() bool { return r.calls.polled("s-7") >= 3 })
			r.calls.say("s-7", hungUp)
			free(r, w)
			if a := r.book.attempt(refA); a.Outcome != campaign.Answered {
				r.t.Fatalf("settled %+v, want answered", a)
			}
		}},
		{"a call whose id is stored just before its claim would be undone", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.show("Ringing")
			w := takeOver()
			r.until("presence", func() bool { return r.calls.looked() >= 2 })
			r.calls.say("s-1", talking)
			if _, err := r.book.Placed(r.t.Context(), refA, "s-1"); err != nil {
				r.t.Fatal(err)
			}
			r.calls.show("NoCall")
			r.until("tracked", func() bool { return r.calls.polled("s-1") >= 2 })
			r.calls.say("s-1", hungUp)
			free(r, w)
			if a := r.book.attempt(refA); a.Outcome != campaign.Answered || r.book.count("undo a") != 0 {
				r.t.Fatalf("settled %+v, want answered", a)
			}
		}},
		{"a call whose id is stored late", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.say("s-1", talking)
			if _, err := r.book.Placed(r.t.Context(), refA, "s-1"); err != nil {
				r.t.Fatal(err)
			}
			w := takeOver()
			r.until("tracked", func() bool { return r.calls.polled("s-1") >= 2 })
			r.calls.say("s-1", hungUp)
			free(r, w)
			if a := r.book.attempt(refA); a.Outcome != campaign.Answered {
				r.t.Fatalf("settled %+v, want answered", a)
			}
		}},
		{"a call whose id is stored after it was given up", Occupied, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.show("forbidden")
			w := takeOver()
			r.until("given up", func() bool { return r.book.attempt(refA).Outcome == campaign.Unconfirmed })
			r.calls.say("s-1", talking)
			if _, err := r.book.Placed(r.t.Context(), refA, "s-1"); err != nil {
				r.t.Fatal(err)
			}
			r.until("tracked", func() bool { return r.calls.polled("s-1") >= 2 })
			r.calls.say("s-1", hungUp)
			free(r, w)
			if a := r.book.attempt(refA); a.Outcome != campaign.Answered {
				r.t.Fatalf("settled %+v, want answered", a)
			}
		}},
		{"a blocked line", Blocked, func(r *room, takeOver func() *worker) {
			ended(r, campaign.Unconfirmed)
			r.calls.show("CallConnected")
			w := takeOver()
			r.until("presence", func() bool { return r.calls.looked() >= 3 })
			r.wantState(Blocked)
			r.calls.show("NoCall")
			free(r, w)
		}},
		{"a line that was blocked while its attempt was looked into", Blocked, func(r *room, takeOver func() *worker) {
			r.book.claim(refA, "")
			r.calls.noLog = true
			w := takeOver()
			free(r, w)
			r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Unconfirmed })
		}},
		{"a line that was blocked just before its overlong call was settled", Blocked, func(r *room, takeOver func() *worker) {
			r.rules.LongestCall = r.brief
			r.book.claim(refA, "s-1")
			r.calls.say("s-1", talking)
			r.calls.show("CallConnected")
			w := takeOver()
			r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Answered })
			r.until("presence", func() bool { return r.calls.looked() >= 3 })
			r.wantState(Blocked)
			r.calls.show("NoCall")
			free(r, w)
		}},
		{"wrap-up", Free, func(r *room, takeOver func() *worker) {
			first := r.work("w0")
			_, settled := first.call("a", "s-1")
			r.calls.say("s-1", hungUp)
			r.closed("settled", settled)
			r.until("wrap-up", func() bool { return r.state() == WrapUp })
			began := r.lines()[0].Since
			first.end()
			free(r, takeOver())
			if pause := time.Since(began); pause < r.rules.WrapUp-time.Millisecond {
				r.t.Fatalf("given out %s after the wrap-up began, want %s", pause, r.rules.WrapUp)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(r *room) {
				if tt.left != Free {
					r.leave(tt.left, refA)
				}
				tt.do(r, func() *worker { return r.work("w1") })
			})
		})
	}
}

func TestHandOver(t *testing.T) {
	onBoth(t, func(r *room) {
		first := r.work("w1")
		standby := r.work("w2")
		if len(standby.Held()) != 0 {
			r.t.Fatalf("two workers have the line: %+v", standby.Held())
		}
		seat, tracked := first.call("a", "s-1")
		r.calls.say("s-1", talking)
		r.until("tracked", func() bool { return r.book.attempt(seat.Ref).Seen.CalleeAnswered })
		first.end()
		r.closed("the handler's channel", tracked)
		if !r.book.attempt(seat.Ref).EndedAt.IsZero() {
			r.t.Fatal("the worker that stopped has settled the call")
		}
		began := time.Now()
		r.until("taken over", func() bool { return len(standby.Held()) == 1 })
		if took := time.Since(began); took > r.cfg.Lease/2 {
			r.t.Fatalf("taken over after %s: the lease was not given back", took)
		}
		polls := r.calls.polled("s-1")
		r.until("tracked on", func() bool { return r.calls.polled("s-1") > polls })
		r.wantState(Occupied)
		r.calls.say("s-1", hungUp)
		r.until("settled", func() bool { return r.book.attempt(seat.Ref).Outcome == campaign.Answered })
		standby.acquire("b").Vacate()
		if r.book.count("settled a") != 1 {
			r.t.Fatalf("events %v", r.book.all())
		}
	})
}

// rob gives the line to another worker, as after a long suspension.
func (r *room) rob(until time.Time, fields ...any) {
	r.t.Helper()
	if err := r.rdb.HSet(r.t.Context(), keyLine(alice.Number), append(fields, "owner", "w9", "lease", until.UnixMilli())...).Err(); err != nil {
		r.t.Fatal(err)
	}
}

func TestALostLeaseEndsTracking(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		_, tracked := w.call("a", "s-1")
		r.until("tracked", func() bool { return r.calls.polled("s-1") >= 1 })
		r.rob(time.Now().Add(24 * time.Hour))
		r.closed("the handler's channel", tracked)
		if len(w.Held()) != 0 || len(r.book.all()) != 0 {
			r.t.Fatalf("held %+v, events %v; want neither", w.Held(), r.book.all())
		}
		r.wantState(Occupied)
		polls := r.calls.polled("s-1")
		time.Sleep(5 * r.cfg.PollInterval)
		if got := r.calls.polled("s-1"); got > polls+1 {
			r.t.Fatalf("%d polls after the line was lost", got-polls)
		}
	})
}

func TestALineThatAnotherWorkerHadMeanwhileBeginsAnew(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		// The other has placed a call and is gone; this worker believes that its line is idle.
		r.book.claim(refA, "s-1")
		r.calls.say("s-1", talking)
		r.rob(time.Now().Add(-time.Second), "state", "occupied", "token", refA.Token, "campaign", refA.Campaign, "contact", refA.Contact)
		r.until("tracked", func() bool { return r.calls.polled("s-1") >= 2 })
		r.calls.say("s-1", hungUp)
		r.until("settled", func() bool { return r.book.attempt(refA).Outcome == campaign.Answered })
		w.acquire("b").Vacate()
	})
}

func TestALineThatIsTakenInItsRecordIsNotGivenOut(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		// An occupancy whose reply was lost and that arrived after the line was freed.
		r.leave(Occupied, refA)
		if err := r.rdb.HSet(r.t.Context(), keyLine(alice.Number), "owner", "w1", "lease", time.Now().Add(r.cfg.Lease).UnixMilli()).Err(); err != nil {
			r.t.Fatal(err)
		}
		seat := w.acquire("b")
		if got := r.book.all(); !slices.Equal(got, []string{"void a"}) {
			r.t.Fatalf("events %v, want the stray token void", got)
		}
		seat.Vacate()
	})
}

func TestTheRingLimit(t *testing.T) {
	tests := []struct {
		name  string
		after func(c *fakeCalls, id string) // what a DELETE does
		fault bool
		want  campaign.Outcome
	}{
		{"the agent's leg ends", func(c *fakeCalls, id string) {
			c.say(id, campaign.Legs{Call: "CannotReach", Caller: "NoAnswer", Callee: "InProgress"})
		}, true, ""},
		{"the call is forgotten", (*fakeCalls).forget, true, ""},
		{"it came too late", func(c *fakeCalls, id string) { c.say(id, hungUp) }, false, campaign.Answered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(r *room) {
				w := r.work("w1")
				seat, settled := w.call("a", "s-1")
				r.until("DELETE", func() bool { return len(r.calls.cancelled()) == 1 })
				if rang := time.Since(r.book.attempt(seat.Ref).PlacedAt); rang < r.rules.RingLimit {
					r.t.Fatalf("cancelled after %s, want %s", rang, r.rules.RingLimit)
				}
				polls := r.calls.polled("s-1")
				r.until("tracked on", func() bool { return r.calls.polled("s-1") >= polls+3 })
				if n := len(r.calls.cancelled()); n != 1 || !r.book.attempt(seat.Ref).EndedAt.IsZero() {
					r.t.Fatalf("%d DELETEs, attempt %+v; want one, and tracking until the legs end", n, r.book.attempt(seat.Ref))
				}
				tt.after(r.calls, "s-1")
				r.closed("settled", settled)
				if a := r.book.attempt(seat.Ref); a.LineFault != tt.fault || a.Outcome != tt.want || a.Charged == tt.fault {
					r.t.Fatalf("settled %+v", a)
				}
				if n := len(r.calls.cancelled()); n != 1 {
					r.t.Fatalf("%d DELETEs, want 1", n)
				}
			})
		})
	}
}

func TestAnAgentWhoAnswersAsTheCallIsCancelled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		r.calls.onCancel = func(id string) { r.calls.say(id, agentUp) } // the DELETE comes too late and changes nothing
		seat, settled := w.call("a", "s-1")
		r.until("seen", func() bool { return r.book.attempt(seat.Ref).Seen.CallerAnswered })
		r.calls.forget("s-1")
		r.closed("settled", settled)
		if a := r.book.attempt(seat.Ref); a.Outcome != campaign.Unconfirmed || a.LineFault {
			r.t.Fatalf("settled %+v, want unconfirmed: the contact's phone may have rung", a)
		}
	})
}

func TestTheRingLimitDoesNotEndAnAnsweredCall(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		_, settled := w.call("a", "s-1")
		r.calls.say("s-1", agentUp)
		time.Sleep(10 * r.rules.RingLimit)
		if n := len(r.calls.cancelled()); n != 0 {
			r.t.Fatalf("%d DELETEs of a call that the agent has answered", n)
		}
		r.calls.say("s-1", engaged)
		r.closed("settled", settled)
	})
}

func TestTheLongestCall(t *testing.T) {
	onBoth(t, func(r *room) {
		r.rules.LongestCall = r.brief
		w := r.work("w1")
		r.calls.show("CallConnected")
		seat, settled := w.call("a", "s-1")
		r.calls.say("s-1", talking)
		r.closed("settled", settled)
		a := r.book.attempt(seat.Ref)
		if long := a.EndedAt.Sub(a.PlacedAt); a.Outcome != campaign.Answered || long < r.rules.LongestCall {
			r.t.Fatalf("settled %+v after %s, want answered after %s", a, long, r.rules.LongestCall)
		}
		r.until("presence", func() bool { return r.calls.looked() >= 3 })
		r.wantState(Blocked)
		if n := len(r.calls.cancelled()); n != 0 {
			r.t.Fatalf("%d DELETEs of a conversation", n)
		}
		r.calls.show("NoCall")
		w.acquire("b").Vacate()
		if n := r.calls.looked(); n != 2 {
			r.t.Fatalf("freed after %d looks, want 2", n)
		}
	})
}

func TestACallThatRingCentralForgets(t *testing.T) {
	for _, tt := range []struct {
		name string
		last campaign.Legs
		want campaign.Outcome
	}{
		{"before the answer", agentUp, campaign.Unconfirmed},
		{"after the answer", talking, campaign.Answered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(r *room) {
				w := r.work("w1")
				seat, settled := w.call("a", "s-1")
				r.calls.say("s-1", tt.last)
				r.until("seen", func() bool { return r.book.attempt(seat.Ref).Seen.CallerAnswered })
				r.calls.forget("s-1")
				r.closed("settled", settled)
				if a := r.book.attempt(seat.Ref); a.Outcome != tt.want {
					r.t.Fatalf("settled %+v, want %s", a, tt.want)
				}
				w.acquire("b").Vacate()
			})
		})
	}
}

func TestACallThatIsForgottenAndGoesOn(t *testing.T) {
	onBoth(t, func(r *room) {
		r.rules.RingLimit = 10 * time.Hour
		w := r.work("w1")
		r.calls.session = "s-7" // what presence shows is known under the session's id
		r.calls.show("CallConnected")
		r.calls.say("s-7", talking)
		seat, settled := w.call("a", "s-1")
		r.calls.forget("s-1")
		r.until("tracked", func() bool { return r.calls.polled("s-7") >= 3 })
		if a := r.book.attempt(seat.Ref); !a.EndedAt.IsZero() {
			r.t.Fatalf("settled %+v while it goes on", a)
		}
		r.calls.say("s-7", hungUp)
		r.closed("settled", settled)
		if a := r.book.attempt(seat.Ref); a.Outcome != campaign.Answered {
			r.t.Fatalf("settled %+v, want answered", a)
		}
	})
}

func TestAStickyStatusEndsWithPresence(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		r.calls.show("CallConnected")
		seat, settled := w.call("a", "s-1")
		r.calls.say("s-1", busySticky)
		r.until("presence", func() bool { return r.calls.looked() >= 3 })
		if a := r.book.attempt(seat.Ref); !a.EndedAt.IsZero() {
			r.t.Fatalf("settled %+v while the agent is on the line", a)
		}
		r.calls.show("NoCall")
		r.closed("settled", settled)
		if a := r.book.attempt(seat.Ref); a.Outcome != campaign.Busy || !a.Charged {
			r.t.Fatalf("settled %+v, want busy", a)
		}
	})
}

func TestAStickyStatusHasAGrace(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		_, settled := w.call("a", "s-1")
		r.calls.say("s-1", busySticky)
		r.closed("settled", settled)
		if n := r.calls.polled("s-1"); n != graceAfterFailure {
			r.t.Fatalf("settled after %d polls, want %d: presence may be late", n, graceAfterFailure)
		}
	})
}

func TestConfirm(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		r.calls.noLog = true
		seat := w.acquire("a")
		settled := seat.Confirm(r.book.claim(seat.Ref, ""), "the answer was lost")
		r.closed("settled", settled)
		if a := r.book.attempt(seat.Ref); a.Outcome != campaign.Unconfirmed || !strings.HasPrefix(a.Detail, "the answer was lost") || a.Charged {
			r.t.Fatalf("settled %+v, want unconfirmed", a)
		}
		w.acquire("b").Vacate()
	})
	t.Run("released meanwhile", func(t *testing.T) {
		inBubble(t, func(r *room) {
			w := r.work("w1")
			seat := w.acquire("a")
			r.closed("the handler's channel", seat.Confirm(campaign.Attempt{}, "not needed"))
			w.acquire("b").Vacate()
			if got := r.book.all(); len(got) != 0 {
				r.t.Fatalf("events %v", got)
			}
		})
	})
}

func TestASuspendedExtensionsLinesWait(t *testing.T) {
	onBoth(t, func(r *room) {
		l := alice
		l.Extension = r.extension()
		w := r.work("w1", l)
		const d = 200 * time.Millisecond
		began := time.Now()
		l.Extension.Suspend(d, "no funds")
		w.acquire("a").Vacate()
		if waited := time.Since(began); waited < d {
			r.t.Fatalf("given out after %s, want %s", waited, d)
		}
		l.Extension.Suspend(time.Hour, "no funds")
		l.Extension.Worked()
		w.acquire("b").Vacate()
		if waited := time.Since(began); waited > time.Hour {
			r.t.Fatalf("given out after %s although a call was placed", waited)
		}
	})
}

func TestAnAccountFaultSuspendsTheExtension(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		l := alice
		l.Extension = r.extension()
		w := r.work("w1", l)
		_, settled := w.call("a", "s-1")
		r.calls.say("s-1", campaign.Legs{Call: "CannotReach", Caller: "NotEnoughFunds", Callee: "InProgress"})
		r.closed("settled", settled)
		r.until("suspended", func() bool { d, why := l.Extension.suspension(); return d > 0 && why != "" })
		r.until("said", func() bool { return r.lines()[0].Note != "" })
		w.acquire("b").Vacate()
	})
}

// TestADearNumberIsNoAccountFault: that there are no funds for one contact says nothing of the others; for three it does.
func TestADearNumberIsNoAccountFault(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		l := alice
		l.Extension = r.extension()
		w := r.work("w1", l)
		for i, contact := range []string{"a", "a", "b", "c"} {
			if d, why := l.Extension.suspension(); d > 0 {
				r.t.Fatalf("before call %d the extension waits: %s", i+1, why)
			}
			id := fmt.Sprintf("s-%d", i)
			_, settled := w.call(contact, id)
			r.calls.say(id, campaign.Legs{Call: "CannotReach", Caller: "Finished", Callee: "NotEnoughFunds"})
			r.closed("settled", settled)
		}
		if d, _ := l.Extension.suspension(); d <= 0 {
			r.t.Error("the extension does not wait although three contacts could not be called")
		}
	})
}

func TestAcquireThatIsCancelled(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		if _, err := w.Acquire(r.t.Context(), Request{Team: "other"}); !errors.Is(err, ErrNoTeam) {
			r.t.Fatalf("acquire: %v, want ErrNoTeam", err)
		}
		seat := w.acquire("a")
		ctx, cancel := context.WithCancel(r.t.Context())
		failed := make(chan error)
		go func() {
			_, err := w.Acquire(ctx, Request{Team: "sales", Campaign: "renewals", Contact: "b"})
			failed <- err
		}()
		r.until("in line", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.teams["sales"].waiting["renewals"]) == 1
		})
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			r.t.Fatalf("acquire: %v, want context.Canceled", err)
		}
		seat.Vacate()
		w.acquire("c").Vacate()

		// Cancelled at the very moment at which it gets the line: it is there at once.
		for range 50 {
			r.until("idle", func() bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				return len(w.teams["sales"].idle) == 1
			})
			ctx, cancel := context.WithCancel(r.t.Context())
			cancel()
			if seat, err := w.Acquire(ctx, Request{Team: "sales", Campaign: "renewals", Contact: "d"}); err == nil {
				seat.Vacate()
			}
		}
		w.acquire("e").Vacate()
	})
}

func TestPatience(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		request := Request{Team: "sales", Campaign: "renewals", Contact: "b", Patience: 10 * r.tick}
		seat, err := w.Acquire(r.t.Context(), request)
		if err != nil {
			r.t.Fatalf("with a free line: %v", err)
		}
		if _, err := w.Acquire(r.t.Context(), request); !errors.Is(err, ErrNoLine) {
			r.t.Fatalf("without a free line: %v, want ErrNoLine", err)
		}
		seat.Vacate()
		w.acquire("c").Vacate() // whoever lost patience has left the queue
	})
}

// TestFree follows a team's lines as whoever fetches work for them sees them.
func TestFree(t *testing.T) {
	onBoth(t, func(r *room) {
		a, b := alice, bob
		a.Extension, b.Extension = r.extension(), r.extension()
		w := r.work("w1", a, b)
		free := func(want int) {
			r.t.Helper()
			r.until(fmt.Sprintf("%d free lines", want), func() bool { return w.Free("sales") == want })
		}
		free(2)
		if n := w.Free("support"); n != 0 {
			r.t.Errorf("%d free lines of a team that has none", n)
		}
		seat := w.acquire("a")
		free(1)
		freed := w.Freed()
		select {
		case <-freed:
			r.t.Fatal("a line is said to be free, and none came free")
		default:
		}
		seat.Vacate()
		r.closed("freed by the end of a call", freed)
		free(2)

		freed = w.Freed()
		a.Extension.Suspend(10*r.tick, "no funds")
		if n := w.Free("sales"); n != 1 {
			r.t.Errorf("%d free lines while one extension is suspended, want 1", n)
		}
		r.closed("freed by the end of the suspension", freed)
		free(2)

		for _, l := range []Line{a, b} {
			if err := Pause(r.t.Context(), r.rdb, l.Number); err != nil {
				r.t.Fatal(err)
			}
		}
		free(0)
		freed = w.Freed()
		if err := Resume(r.t.Context(), r.rdb, b.Number); err != nil {
			r.t.Fatal(err)
		}
		r.closed("freed by the end of a break", freed)
		free(1)
	})
}

func TestMaxLines(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		r.cfg.MaxLines = 1
		bob := Line{Name: "bob", Number: "+16505550002", Team: "sales"}
		first, second := r.work("w1", alice, bob), r.work("w2", alice, bob)
		if a, b := first.Held(), second.Held(); len(a) != 1 || len(b) != 1 || a[0].Number == b[0].Number {
			r.t.Fatalf("held %+v and %+v, want one each", a, b)
		}
	})
}

func TestTwoWorkersNeverUseTheSameLine(t *testing.T) {
	t.Parallel()
	onRedis(t, func(r *room) {
		lines := []Line{alice, {Name: "bob", Number: "+16505550002", Team: "sales"}, {Name: "eve", Number: "+16505550003", Team: "sales"}}
		ctx, cancel := context.WithTimeout(r.t.Context(), 4*time.Second)
		defer cancel()
		var (
			mu    sync.Mutex
			used  = map[string]string{} // line → who has it
			calls int
			wg    sync.WaitGroup
		)
		use := func(name, number string) {
			mu.Lock()
			defer mu.Unlock()
			if other, ok := used[number]; ok {
				r.t.Errorf("%s was given to %s while %s has it", number, name, other)
			}
			used[number] = name
			calls++
		}
		leave := func(number string) {
			mu.Lock()
			defer mu.Unlock()
			delete(used, number)
		}
		handle := func(w *worker, name string) {
			for ctx.Err() == nil {
				seat, err := w.Acquire(ctx, Request{Team: "sales", Campaign: "renewals", Contact: name})
				if err != nil {
					continue
				}
				// A worker that has lost the line meanwhile gets no claim: the next one has made the token void.
				if r.book.tryClaim(seat.Ref) {
					use(name, seat.Line().Number)
					time.Sleep(r.tick)
					leave(seat.Line().Number)
					if _, err := r.book.Undo(ctx, seat.Ref, ""); err != nil {
						r.t.Error(err)
					}
				}
				seat.Vacate()
			}
		}
		for _, name := range []string{"w1", "w2"} {
			w := r.work(name, lines...)
			for range 3 {
				wg.Go(func() { handle(w, name) })
			}
		}
		time.Sleep(2 * r.cfg.Lease / 3)
		mu.Lock()
		before := calls
		mu.Unlock()
		// The lines change hands while they are used: as if the first worker had been suspended for long.
		for _, l := range lines {
			if err := r.rdb.HSet(ctx, keyLine(l.Number), "owner", "w2", "lease", time.Now().Add(r.cfg.Lease).UnixMilli()).Err(); err != nil {
				r.t.Fatal(err)
			}
		}
		wg.Wait()
		if before == 0 {
			r.t.Fatal("no line was given out")
		}
		r.t.Logf("%d calls, %d of them before the lines changed hands", calls, before)
	})
}
