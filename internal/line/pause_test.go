package line

import (
	"errors"
	"strings"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
)

var bob = Line{Name: "bob", Number: "+16505550002", Team: alice.Team}

// TestABreak gives alice a break: her call goes on, she gets none meanwhile, and gets calls again after it.
func TestABreak(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1")
		_, settled := w.call("a", "s-1")
		phase := func() Phase {
			l, err := Find(r.t.Context(), r.rdb, alice.Name)
			if err != nil {
				r.t.Fatal(err)
			}
			return l.Phase
		}
		r.until("it rings", func() bool { return phase() == RingsAgent })
		if err := Pause(r.t.Context(), r.rdb, alice.Number); err != nil {
			r.t.Fatal(err)
		}
		r.calls.say("s-1", agentUp)
		r.until("the contact's phone rings", func() bool { return phase() == RingsContact })
		r.calls.say("s-1", hungUp)
		r.closed("settled", settled) // by the call's end, not by the break
		ctx := r.t.Context()
		got := make(chan *Seat, 1)
		go func() {
			if seat, err := w.Acquire(ctx, Request{Team: alice.Team, Campaign: "renewals", Contact: "b"}); err == nil {
				got <- seat
			}
		}()
		info := func() Info {
			l, err := Find(ctx, r.rdb, alice.Name)
			if err != nil {
				r.t.Fatal(err)
			}
			return l
		}
		r.until("the break is known", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.owned[alice.Number] != nil && w.owned[alice.Number].paused
		})
		r.until("her wrap-up is over", func() bool { return info().State == Free })
		if l := info(); l.Paused.IsZero() || len(got) > 0 {
			r.t.Fatalf("she gets a call in her break: %+v", l)
		}
		if err := Resume(ctx, r.rdb, alice.Number); err != nil {
			r.t.Fatal(err)
		}
		r.until("she gets a call", func() bool { return len(got) == 1 })
		(<-got).Vacate()
	})
}

// TestABreakThatTheWorkerDoesNotKnow has the record refuse what the worker would give out.
func TestABreakThatTheWorkerDoesNotKnow(t *testing.T) {
	onBoth(t, func(r *room) {
		w := r.work("w1", alice, bob)
		r.until("leased", func() bool { return len(w.Held()) == 2 })
		if err := Pause(r.t.Context(), r.rdb, alice.Number); err != nil {
			r.t.Fatal(err)
		}
		for _, contact := range []string{"a", "b"} { // alice would be next, or the one after
			seat, err := w.Acquire(r.t.Context(), Request{Team: alice.Team, Campaign: "renewals", Contact: contact})
			if err != nil {
				r.t.Fatal(err)
			}
			if seat.Line().Name != bob.Name {
				r.t.Errorf("%s gets a call in a break", seat.Line().Name)
			}
			seat.Vacate()
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	onRedis(t, func(r *room) {
		ctx := r.t.Context()
		if _, err := Find(ctx, r.rdb, "alice"); !errors.Is(err, ErrUnknownLine) {
			r.t.Errorf("without lines: %v", err)
		}
		r.rdb.SAdd(ctx, keyLines, "+1", "+2", "+3")
		r.rdb.HSet(ctx, keyLine("+1"), "name", "alice", "team", "sales")
		r.rdb.HSet(ctx, keyLine("+2"), "name", "alice", "team", "support")
		r.rdb.HSet(ctx, keyLine("+3"), "name", "bob", "team", "support")
		for name, number := range map[string]string{"bob": "+3", "sales/alice": "+1", "+2": "+2"} {
			if l, err := Find(ctx, r.rdb, name); err != nil || l.Number != number {
				r.t.Errorf("%s is %+v, %v", name, l, err)
			}
		}
		for name, says := range map[string]string{"alice": "give one of sales/alice, support/alice", "carol": "there are sales/alice, support/alice, support/bob"} {
			if _, err := Find(ctx, r.rdb, name); err == nil || !strings.Contains(err.Error(), says) {
				r.t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestACancelledCampaign gives up a call that rings the agent only, and leaves a conversation alone.
func TestACancelledCampaign(t *testing.T) {
	onBoth(t, func(r *room) {
		r.rules.RingLimit = r.long
		w := r.work("w1", alice, bob)
		ringing, settled := w.call("a", "s-1")
		talking, over := w.call("b", "s-2")
		r.calls.say("s-2", agentUp)
		r.until("the agent is seen", func() bool { return r.book.attempt(talking.Ref).Seen.CallerAnswered })
		r.calls.onCancel = func(id string) {
			r.calls.say(id, campaign.Legs{Call: "CannotReach", Caller: "NoAnswer", Callee: "InProgress"})
		}
		w.CancelRinging(map[string]bool{ringing.Ref.Campaign: true})
		r.closed("settled", settled)
		if a := r.book.attempt(ringing.Ref); a.Charged || a.LineFault || !strings.Contains(a.Detail, "cancelled") {
			r.t.Errorf("settled %+v", a)
		}
		r.calls.say("s-2", hungUp)
		r.closed("the conversation is over", over)
		if a := r.book.attempt(talking.Ref); a.Outcome != campaign.Answered {
			r.t.Errorf("the conversation is %+v", a)
		}
		if got := r.calls.cancelled(); len(got) != 1 || got[0] != "s-1" {
			r.t.Errorf("DELETEs of %v", got)
		}
	})
}
