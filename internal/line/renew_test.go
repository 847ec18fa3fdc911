package line

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// seize blocks alice's line as a call that is no attempt's does.
func (w *worker) seize(want bool) {
	w.r.t.Helper()
	if got, err := w.Block(w.r.t.Context(), alice.Number); err != nil || got != want {
		w.r.t.Fatalf("block: %v, %v, want %v", got, err, want)
	}
	w.renew()
}

func (w *worker) renew() {
	w.r.t.Helper()
	if err := w.Renew(w.r.t.Context(), alice.Number); err != nil {
		w.r.t.Fatalf("renew: %v", err)
	}
}

// TestSeizedLineWaitsForNoCall: a blocked line without an attempt is given to nobody until presence says NoCall, over a
// change of workers too.
func TestSeizedLineWaitsForNoCall(t *testing.T) {
	onBoth(t, func(r *room) {
		r.calls.show("CallConnected")
		w := r.work("w1")
		w.seize(true)
		w.seize(false)
		r.wantState(Blocked)
		r.until("looks at presence", func() bool { return r.calls.looked() >= 2 })
		w.end()
		r.calls.show("CallConnected")
		next := r.work("w2")
		r.until("looks of the next worker", func() bool { return r.calls.looked() >= 3 })
		r.wantState(Blocked)
		taken := make(chan *Seat, 1)
		go func() { taken <- next.acquire("a") }()
		select {
		case <-taken:
			r.t.Fatal("a blocked line was given out")
		case <-time.After(5 * r.tick):
		}
		r.calls.show("NoCall")
		select {
		case seat := <-taken:
			seat.Vacate()
		case <-time.After(r.long):
			r.t.Fatal("the line never came free")
		}
	})
}

// TestSeizeLeavesCallsAlone: an occupied line is protected already.
func TestSeizeLeavesCallsAlone(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		_, settled := w.call("a", "id1")
		w.seize(false)
		r.wantState(Occupied)
		r.closed("the tracking of before", settled)
		r.calls.say("id1", campaign.Legs{Call: "Success", Caller: "Finished", Callee: "Finished"})
		r.until("its settlement by the line begun anew", func() bool { return r.book.count("settled a") == 1 })
	})
}

// TestRenewForgetsWhatRedisLost: a call of which only the worker knows must not keep the line from working.
func TestRenewForgetsWhatRedisLost(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		_, settled := w.call("a", "id1")
		if err := r.rdb.HSet(r.t.Context(), keyLine(alice.Number), "state", "").Err(); err != nil {
			r.t.Fatal(err)
		}
		w.renew()
		r.closed("the tracking of the lost call", settled)
		w.acquire("b").Vacate()
	})
}

func TestRenewOfALineThatIsNotHeld(t *testing.T) {
	onBoth(t, func(r *room) {
		first := r.work("w1")
		second := r.work("w2")
		if _, err := second.Block(r.t.Context(), alice.Number); err == nil {
			r.t.Error("another worker's line was blocked")
		}
		if err := second.Renew(r.t.Context(), alice.Number); err != nil {
			r.t.Error(err)
		}
		if len(second.Held()) != 0 || len(first.Held()) != 1 {
			r.t.Errorf("held %d and %d, want 0 and 1", len(second.Held()), len(first.Held()))
		}
	})
}

func TestHoldNeverShortens(t *testing.T) {
	t.Parallel()
	e := &Extension{}
	e.Suspend(time.Hour, "long")
	e.Hold(time.Second, "short")
	if d, why := e.suspension(); d < 59*time.Minute || why != "long" {
		t.Errorf("suspended for %v because of %s", d, why)
	}
	e.Hold(2*time.Hour, "longer")
	if _, why := e.suspension(); why != "longer" {
		t.Errorf("suspended because of %s", why)
	}
}
