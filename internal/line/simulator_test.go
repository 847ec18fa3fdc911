package line

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// endings is what becomes of one call to each of the simulator's numbers: the attempt's outcome, and the line's fault.
var endings = map[string]struct {
	outcome campaign.Outcome
	fault   bool
}{
	"01": {campaign.Busy, false}, "02": {campaign.Busy, false}, "03": {campaign.NoAnswer, false}, "04": {campaign.Rejected, false},
	"05": {campaign.Unreachable, false}, "06": {"", true}, "07": {"", true}, "08": {"", true}, "09": {"", false},
	"10": {campaign.Blocked, false}, "12": {campaign.Blocked, false}, "13": {"", false}, "14": {campaign.InvalidNumber, false},
	"17": {campaign.Answered, false}, "18": {"", false}, "19": {campaign.Answered, false}, "20": {"", true},
	"30": {campaign.Answered, false}, "31": {campaign.Answered, false}, "32": {campaign.Answered, false},
}

// extensionOf is an extension whose client talks to the simulator, wired as a worker does it.
func (r *room) extensionOf(sim *ringouttest.Simulator, limiter *ratelimit.Limiter, key string) *Extension {
	r.t.Helper()
	var ext *Extension
	quota := func(g ringout.Group) ratelimit.Key { return ratelimit.Key{Owner: key, Group: string(g)} }
	client, err := ringout.New(ringout.Config{
		Server: "https://platform.ringcentral.com", ClientID: "id", ClientSecret: "secret", JWT: "jwt-" + key, Transport: sim.Transport(),
		Admit: func(ctx context.Context, g ringout.Group) error {
			_, err := limiter.Wait(ctx, quota(g))
			return err
		},
		Observe: func(ctx context.Context, q ringout.Quota) {
			ext.Observe(q)
			if err := limiter.Observe(ctx, quota(q.Group), ratelimit.Observation{
				Limit: q.Limit, Remaining: q.Remaining, Window: q.Window, Limited: q.Limited, RetryAfter: q.RetryAfter, Sent: q.Sent,
			}); err != nil && ctx.Err() == nil {
				r.t.Errorf("observe: %v", err)
			}
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ext = NewExtension(key, client, limiter, ratelimit.Defaults()["light"])
	return ext
}

// dial does for one contact what a task's handler does, and returns false if the contact is to be called again.
func (w *worker) dial(ctx context.Context, contact, number string) bool {
	seat, err := w.Acquire(ctx, Request{Team: "sales", Campaign: "renewals", Contact: contact, Priority: 1})
	if err != nil {
		return false
	}
	l := seat.Line()
	if err := l.Extension.Calls.Login(ctx); err != nil {
		seat.Vacate()
		return false
	}
	slot, err := l.Extension.Wait(ctx, ringout.Heavy)
	if err != nil || slot.Lapsed() {
		seat.Vacate()
		return false
	}
	a := w.r.book.claimFor(seat.Ref, "", l, number)
	placed, err := l.Extension.Calls.Place(context.WithoutCancel(ctx), ringout.Call{From: ringout.Endpoint{PhoneNumber: l.Number}, To: number})
	var failed *ringout.Error
	switch {
	case errors.As(err, &failed) && failed.Kind == ringout.Unknown:
		<-seat.Confirm(a, "the answer was lost")
		return w.r.book.attempt(seat.Ref).N > 0
	case err != nil:
		w.r.t.Errorf("place: %v", err)
		return true
	}
	if a, err = w.r.book.Placed(ctx, seat.Ref, placed.ID); err != nil {
		w.r.t.Errorf("store: %v", err)
	}
	<-seat.Track(w.r.rules, a)
	return true
}

// TestTwoWorkersOnTheSimulator calls contacts of every ending with two workers, of which one stops midway, through the real
// client and the real quotas.
func TestTwoWorkersOnTheSimulator(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		sim := ringouttest.New(ringouttest.Config{})
		// One call whose answer is lost, and one that is lost itself.
		sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, Skip: 7, Effect: ringouttest.Drop, Late: true})
		sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, Skip: 12, Effect: ringouttest.Drop})

		start := func(name string) *worker {
			limiter := ratelimit.New(ratelimit.Config{Redis: r.rdb})
			one, two := r.extensionOf(sim, limiter, "ext1"), r.extensionOf(sim, limiter, "ext2")
			return r.work(name,
				Line{Name: "alice", Number: "+16505550001", Team: "sales", Extension: one},
				Line{Name: "bob", Number: "+16505550002", Team: "sales", Extension: one},
				Line{Name: "eve", Number: "+16505550003", Team: "sales", Extension: two},
			)
		}
		type contact struct{ id, number string }
		due := make(chan contact, 100)
		var open sync.WaitGroup
		want := map[string]string{} // number → digits
		for digits := range endings {
			number := "+141555501" + digits
			want[number] = digits
			due <- contact{"c" + digits, number}
			open.Add(1)
		}
		serve := func(ctx context.Context, w *worker) {
			for range 4 {
				go func() {
					for {
						select {
						case <-ctx.Done():
							return
						case c := <-due:
							if w.dial(ctx, c.id, c.number) {
								open.Done()
							} else {
								due <- c
							}
						}
					}
				}()
			}
		}
		first := start("w1")
		second := start("w2")
		ctx1, stop1 := context.WithCancel(r.t.Context())
		ctx2, stop2 := context.WithCancel(r.t.Context())
		defer stop2()
		serve(ctx1, first)
		serve(ctx2, second)
		// The first one stops while it has calls.
		time.Sleep(90 * time.Second)
		r.until("a live call", func() bool {
			return slices.ContainsFunc(r.lines(), func(l Info) bool { return l.State == Occupied })
		})
		taken := 0 // calls that another worker goes on with: it may have missed how they ended
		for _, l := range r.lines() {
			if l.State == Occupied {
				taken++
			}
		}
		stop1()
		first.end()
		open.Wait()
		r.until("all calls are settled", func() bool {
			r.book.mu.Lock()
			defer r.book.mu.Unlock()
			for _, a := range r.book.attempts {
				if a.EndedAt.IsZero() {
					return false
				}
			}
			return true
		})

		truth := sim.Truth()
		if len(truth.Overlaps)+len(truth.OverQuota)+len(truth.InPenalty)+len(truth.Refusals) > 0 {
			r.t.Errorf("overlaps %+v, over quota %+v, in a penalty %+v, refused %+v; want none", truth.Overlaps, truth.OverQuota, truth.InPenalty, truth.Refusals)
		}
		dials := map[string]int{}
		for _, d := range truth.Dials {
			dials[d.To]++
		}
		r.book.mu.Lock()
		defer r.book.mu.Unlock()
		attempts := map[string]*campaign.Attempt{}
		for _, a := range r.book.attempts {
			if attempts[a.Number] != nil {
				r.t.Errorf("%s has two attempts", a.Number)
			}
			attempts[a.Number] = a
		}
		lost := 0
		for number, digits := range want {
			a := attempts[number]
			if a == nil || dials[number] != 1 {
				r.t.Errorf("%s was dialled %d times and has the attempt %+v, want once", number, dials[number], a)
				continue
			}
			if strings.Contains(a.Detail, "by the call log") || a.Outcome == campaign.Unconfirmed {
				lost++ // its answer was lost
				continue
			}
			if digits == "04" && a.Outcome == "" {
				continue // no poll fell between the contact's refusal and the agent's hanging up: it looks like the agent's
			}
			if e := endings[digits]; a.Outcome != e.outcome || a.LineFault != e.fault {
				r.t.Errorf("%s ended as %q (line's fault: %v, %s), want %q, %v", number, a.Outcome, a.LineFault, a.Detail, e.outcome, e.fault)
			}
		}
		if lost > 1+taken {
			r.t.Errorf("%d attempts are known by the call log, want the one whose answer was lost and %d that were taken over at most", lost, taken)
		}
		undone := 0
		for _, e := range r.book.events {
			if strings.HasPrefix(e, "undo ") {
				undone++
			}
		}
		if undone != 1 {
			r.t.Errorf("%d claims were undone, want the one whose POST was lost", undone)
		}
		r.t.Logf("%d dials, %d by the call log, %d undone", len(truth.Dials), lost, undone)
	})
}
