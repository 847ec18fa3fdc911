package line

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

// lose has a call whose answer is lost on alice's line.
func (w *worker) lose(contact string) (*Seat, <-chan struct{}) {
	w.r.t.Helper()
	seat := w.acquire(contact)
	return seat, seat.Confirm(w.r.book.claim(seat.Ref, ""), "the answer was lost")
}

// TestALostReplyDoesNotHoldItsLine: the line calls somebody else while the contact is still being found out about.
func TestALostReplyDoesNotHoldItsLine(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		seat, settled := w.lose("a")
		began := time.Now()
		next := w.acquire("b")
		if waited := time.Since(began); waited < r.cfg.SettleUnknown {
			r.t.Fatalf("free %s after send-by: a request may still be on its way", waited)
		} else if limit := r.cfg.SettleUnknown + r.cfg.PresenceEvery; waited > limit && r.long > time.Hour { // only a bubble's time is exact
			r.t.Fatalf("free after %s, want less than %s", waited, limit)
		}
		if r.book.count("undo a") != 0 {
			r.t.Fatal("the claim was undone before the call log can know of the call")
		}
		if l := r.lines()[0]; len(l.Confirming) != 1 || l.Confirming[0] != seat.Ref {
			r.t.Fatalf("the line's record has %+v", l.Confirming)
		}
		next.Vacate()
		r.closed("settled", settled)
		r.until("followed", func() bool { return r.book.count("follow a") == 1 && r.book.count("undo a") == 1 })
		r.until("the record has nothing to find out", func() bool { return len(r.lines()[0].Confirming) == 0 })
	})
}

// TestTheNextOwnerGoesOnFindingOut: what a worker that ends was finding out, the next one finds out.
func TestTheNextOwnerGoesOnFindingOut(t *testing.T) {
	onBoth(t, func(r *room) {
		r.cfg.LogLag = 20 * r.cfg.PresenceEvery
		first := r.work("w1")
		seat, _ := first.lose("a")
		first.acquire("b").Vacate()
		r.until("free", func() bool { return r.state() == Free })
		if held, err := Held(r.t.Context(), r.rdb); err != nil || len(held) != 1 || held[0] != seat.Ref {
			r.t.Fatalf("lines have %+v, %v, want the attempt that is found out about", held, err)
		}
		first.end()
		r.calls.record = &ringout.Record{
			ID: "l1", StartedAt: r.book.attempt(seat.Ref).ClaimedAt, Action: "RingOut Web", From: alice.Number, To: toA, Result: "Busy",
			Legs: []ringout.Leg{{Type: "RingOutWebToCaller", Result: "Call connected"}, {Type: "RingOutWebToSubscriber", Result: "Busy"}},
		}
		r.work("w2")
		r.until("settled", func() bool { return r.book.attempt(seat.Ref).Outcome == campaign.Busy })
		r.until("followed", func() bool { return r.book.count("follow a") == 1 })
		r.until("the record has nothing to find out", func() bool { return len(r.lines()[0].Confirming) == 0 })
	})
}

// TestABlockHasAnEnd: whatever RingCentral does not say, the line comes back and a person decides about the contact.
func TestABlockHasAnEnd(t *testing.T) {
	t.Parallel()
	unlisted := []ringout.ActiveCall{{ID: "1", TelephonyStatus: "CallConnected", From: "anonymous"}}
	for name, trouble := range map[string]func(c *fakeCalls){
		"presence may not be read":         func(c *fakeCalls) { c.show("forbidden") },
		"presence shows nobody knows what": func(c *fakeCalls) { c.show("CallConnected") },
		"a call without numbers":           func(c *fakeCalls) { c.live, c.presence = unlisted, "CallConnected" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *room) {
				w := r.work("w1")
				trouble(r.calls)
				seat, settled := w.lose("a")
				began := time.Now()
				w.acquire("b").Vacate()
				if took := time.Since(began); took < r.cfg.BlockLimit || took > 2*r.cfg.BlockLimit {
					r.t.Errorf("the line came back after %s, want about %s", took, r.cfg.BlockLimit)
				}
				r.closed("settled", settled)
				if a := r.book.attempt(seat.Ref); a.Outcome != campaign.Unconfirmed {
					r.t.Errorf("settled %+v, want unconfirmed", a)
				}
			})
		})
	}
}

// TestABlockIsNotAsLongAgainForEachWorker: its bound goes on over a change of workers.
func TestABlockIsNotAsLongAgainForEachWorker(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		r.calls.show("forbidden")
		w.lose("a")
		began := time.Now()
		for range 3 {
			time.Sleep(r.cfg.BlockLimit / 4)
			w.end()
			w = r.work("w" + time.Now().String())
		}
		w.acquire("b").Vacate()
		if took := time.Since(began); took > r.cfg.BlockLimit+time.Minute {
			r.t.Errorf("the line came back after %s, want %s", took, r.cfg.BlockLimit)
		}
	})
}

// TestTheLinesOwnCallKeepsItBlocked: a call that presence certainly shows is no doubt.
func TestTheLinesOwnCallKeepsItBlocked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		r.calls.presence = "CallConnected"
		r.calls.live = []ringout.ActiveCall{{ID: "1", TelephonyStatus: "CallConnected", From: alice.Number, To: "+13125550199"}}
		_, settled := w.lose("a")
		r.closed("settled, for the call is another one", settled)
		time.Sleep(3 * r.cfg.BlockLimit)
		r.wantState(Blocked)
		r.calls.mu.Lock()
		r.calls.live, r.calls.presence = nil, "NoCall"
		r.calls.mu.Unlock()
		w.acquire("b").Vacate()
	})
}

// TestAnotherLinesCallDoesNotHoldThisOne: lines may share an extension.
func TestAnotherLinesCallDoesNotHoldThisOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		w := r.work("w1")
		r.calls.presence = "CallConnected"
		r.calls.live = []ringout.ActiveCall{{ID: "1", TelephonyStatus: "CallConnected", From: bob.Number, To: "+13125550199"}}
		_, settled := w.lose("a")
		began := time.Now()
		w.acquire("b").Vacate()
		if took := time.Since(began); took > r.cfg.SettleUnknown+r.cfg.PresenceEvery {
			r.t.Errorf("the line came back after %s", took)
		}
		r.closed("settled", settled)
		if r.book.count("undo a") != 1 {
			r.t.Errorf("events %v", r.book.all())
		}
	})
}

// TestLookAt judges presence for a line and a contact.
func TestLookAt(t *testing.T) {
	t.Parallel()
	active := func(from, to string) ringout.ActiveCall {
		return ringout.ActiveCall{TelephonyStatus: "CallConnected", From: from, To: to}
	}
	const other, stranger = "+16505550102", "+13125550199"
	tests := []struct {
		name      string
		telephony string
		calls     []ringout.ActiveCall
		want      sighting
	}{
		{"no call", "NoCall", nil, sighting{}},
		{"the call", "CallConnected", []ringout.ActiveCall{active(agentsNumber, contactsNumber)}, sighting{busy: true, mine: true, certain: true}},
		{"another line's", "CallConnected", []ringout.ActiveCall{active(other, stranger)}, sighting{}},
		{"the line's with somebody else", "Ringing", []ringout.ActiveCall{active(stranger, agentsNumber)}, sighting{busy: true, certain: true}},
		{"hidden numbers", "Ringing", []ringout.ActiveCall{active("", "anonymous")}, sighting{busy: true, mine: true}},
		{"nothing is listed", "CallConnected", nil, sighting{busy: true, mine: true}},
		{"nothing is said", "", nil, sighting{busy: true, mine: true}},
		{"it is over", "NoCall", []ringout.ActiveCall{{TelephonyStatus: "NoCall", From: agentsNumber, To: contactsNumber}}, sighting{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := judgePresence(ringout.Presence{Telephony: tt.telephony, Calls: tt.calls}, agentsNumber, contactsNumber); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestUnblock(t *testing.T) {
	for name, without := range map[string]bool{"with a worker": false, "without a worker": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(r *room) {
				r.cfg.BlockLimit = 6 * time.Hour
				w := r.work("w1")
				find := func() Info {
					l, err := Find(r.t.Context(), r.rdb, alice.Name)
					if err != nil {
						r.t.Fatal(err)
					}
					return l
				}
				if err := Unblock(r.t.Context(), r.rdb, r.book, find()); !errors.Is(err, ErrNotBlocked) || !strings.Contains(err.Error(), "is free") {
					r.t.Errorf("of a free line: %v", err)
				}
				r.calls.show("CallConnected")
				seat, settled := w.lose("a")
				if err := Unblock(r.t.Context(), r.rdb, r.book, find()); !errors.Is(err, ErrNotBlocked) || !strings.Contains(err.Error(), "is occupied") {
					r.t.Errorf("of an occupied line: %v", err)
				}
				r.until("blocked", func() bool { return r.state() == Blocked })
				if l := find(); l.Blocked.IsZero() || l.Note == "" {
					r.t.Errorf("nobody says why: %+v", l)
				}
				if without {
					w.end()
				}
				if err := Unblock(r.t.Context(), r.rdb, r.book, find()); err != nil {
					r.t.Fatal(err)
				}
				if a := r.book.attempt(seat.Ref); a.Outcome != campaign.Unconfirmed {
					r.t.Errorf("the attempt is %+v, want unconfirmed", a)
				}
				r.wantState(Free)
				r.closed("the handler's channel", settled)
				if without {
					w = r.work("w2")
				}
				w.acquire("b").Vacate()
				if r.book.count("settled a") != 1 {
					r.t.Errorf("events %v", r.book.all())
				}
			})
		})
	}
}
