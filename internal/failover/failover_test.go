package failover_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

// TestRestartWithoutLoss kills Redis during a conversation: it is tracked to its end, nobody is held, and dialling goes on
// once the records were compared.
func TestRestartWithoutLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(2*time.Second))
	w.enqueue(anna)
	w.work(alice)
	w.answered(anna)
	before := w.approval()
	w.enqueue(berta)
	w.redis.Kill()
	w.redis.Restart()
	if a := w.approval(); !a.Changed() || a.Approved != before.RunID {
		t.Fatalf("approval after the restart: %+v, want that of before, %s", a, before.RunID)
	}
	w.until("the reason in blocked_by", func() bool { return w.blockedBy(ledger.RedisChanged) })
	restarted := time.Now()
	w.until("another approval", func() bool { a := w.approval(); return a.RunID != "" && !a.Changed() })
	t.Logf("approved %v after the restart", time.Since(restarted))
	if n := w.dials(berta); n != 0 {
		t.Errorf("%d dials before the approval", n)
	}
	w.until("both contacts' outcomes", func() bool { return w.status().Done == 2 })
	w.wantContact(anna, campaign.Done, campaign.Answered, 1)
	w.wantContact(berta, campaign.Done, campaign.Answered, 1)
	if w.blockedBy(ledger.RedisChanged) {
		t.Error("blocked_by still has the reason")
	}
	if w.dials(anna) != 1 || w.dials(berta) != 1 {
		t.Errorf("%d and %d dials, want one each", w.dials(anna), w.dials(berta))
	}
	w.honest()
}

// TestLostClaim sets Redis back to before a claim whose call goes on.
func TestLostClaim(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		cfg    func(*ringouttest.Config)
		others []string // lines of a second worker
		dies   bool     // the worker does, too
		over   bool     // the call is over when Redis comes back
	}{
		{name: "the worker lives"},
		{name: "the worker dies too", dies: true},
		{name: "the call is over", over: true},
		{name: "the call is over and the worker dies too", over: true, dies: true},
		{name: "two workers", others: []string{bob}},
		{name: "masked numbers", cfg: func(c *ringouttest.Config) { c.MaskLogNumbers = true }, over: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := talking(3 * time.Second)
			if tt.over {
				cfg = talking(300 * time.Millisecond)
			}
			if tt.cfg != nil {
				tt.cfg(&cfg)
			}
			w := newWorld(t, cfg)
			stop := w.work(alice)
			if len(tt.others) > 0 {
				w.work(tt.others...)
			}
			w.until("the first approval", func() bool { return w.approval().Approved != "" })
			pauses := tasks.NewPauses(w.rdb)
			if err := pauses.Pause(t.Context(), camp); err != nil {
				t.Fatal(err)
			}
			w.enqueue(anna)
			saved := w.save()
			if err := pauses.Resume(t.Context(), camp); err != nil {
				t.Fatal(err)
			}
			w.answered(anna)
			if tt.over {
				w.until("the outcome", func() bool { return w.contact(anna).State == campaign.Done })
			}
			if tt.dies {
				stop()
			}
			w.load(saved)
			if r := w.contact(anna); r.State != campaign.Waiting || len(r.Attempts) != 0 {
				t.Fatalf("Redis still knows of the claim: %+v", r)
			}
			w.enqueue("+13125550142") // is called once dialling goes on
			if err := pauses.Resume(t.Context(), camp); err != nil {
				t.Fatal(err)
			}
			restarted := time.Now()
			if tt.dies {
				w.work(alice)
			}
			w.until("the contact is held", func() bool { return w.contact(anna).State == campaign.UnconfirmedHeld })
			t.Logf("held %v after the restart", time.Since(restarted))
			if !tt.over && len(tt.others) == 0 {
				w.until("the line is blocked", func() bool { return w.line(alice).State == line.Blocked })
			}
			w.until("dialling goes on", func() bool { return w.dials("+13125550142") > 0 })
			t.Logf("dialled %v after the restart", time.Since(restarted))
			w.until("the other contact's outcome", func() bool { return w.contact("+13125550142").State == campaign.Done })
			w.wantContact(anna, campaign.UnconfirmedHeld, campaign.Unconfirmed, 1)
			w.wantContact("+13125550142", campaign.Done, campaign.Answered, 1)
			if a := w.contact(anna).Attempts; len(a) == 1 {
				dial := w.sim.Truth().DialsTo(anna)[0]
				if a[0].Charged || a[0].Outcome != campaign.Unconfirmed || a[0].LineNumber != dial.From ||
					a[0].Number != anna || a[0].ClaimedAt.Sub(dial.At).Abs() > 3*time.Second ||
					!strings.Contains(a[0].Detail, "that Redis has lost") {
					t.Errorf("adopted attempt %+v of dial at %v", a[0], dial.At)
				}
			}
			if n := w.dials(anna); n != 1 {
				t.Errorf("%d dials to the contact whose claim was lost", n)
			}
			w.honest()
		})
	}
}

// TestLostSecondClaim loses the claim of a contact's second round only: the first one's call must not stand for it.
func TestLostSecondClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ringouttest.Config{Ending: func(_ string, attempt int) ringouttest.Ending {
		if attempt == 1 {
			return ringouttest.Ending{Name: ringouttest.AgentBusy}
		}
		return ringouttest.Ending{Name: ringouttest.Answered, Talk: 3 * time.Second * scale}
	}})
	w.enqueue(anna)
	w.work(alice)
	w.until("the second round is due", func() bool { r := w.contact(anna); return r.State == campaign.Waiting && r.Round == 2 })
	saved := w.save()
	w.until("the second dial", func() bool { return w.dials(anna) == 2 })
	w.answered(anna)
	w.load(saved)
	if r := w.contact(anna); r.State != campaign.Waiting || len(r.Attempts) != 1 {
		t.Fatalf("Redis has other data than those of before: %+v", r)
	}
	w.until("the contact is held", func() bool { return w.contact(anna).State == campaign.UnconfirmedHeld })
	w.until("another approval", func() bool { return !w.approval().Changed() })
	w.wantContact(anna, campaign.UnconfirmedHeld, campaign.Unconfirmed, 2)
	if n := w.dials(anna); n != 2 {
		t.Errorf("%d dials, want 2", n)
	}
	w.honest()
}

// TestNoPermission: where the records may not be read, the worker says so and goes on.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	cfg := talking(200 * time.Millisecond)
	cfg.Deny = []string{"ReadPresence", "ReadCallLog"}
	w := newWorld(t, cfg)
	w.work(alice)
	w.until("the first approval", func() bool { return w.approval().Approved != "" })
	w.redis.Kill()
	w.redis.Restart()
	w.enqueue(anna)
	w.until("the outcome", func() bool { return w.contact(anna).State == campaign.Done })
	for _, text := range []string{"the app may not read presence", "the app may not read the call log", "may be called again"} {
		if !w.said(text) {
			t.Errorf("the log lacks %q", text)
		}
	}
	if strings.Contains(w.log.String(), anna) || strings.Contains(w.log.String(), alice) {
		t.Error("the log has a full number")
	}
}

// TestEmptyRedis: a Redis that comes back without any data is not the first one that the worker has seen.
func TestEmptyRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(2*time.Second))
	empty := t.TempDir()
	w.work(alice)
	w.until("the first approval", func() bool { return w.approval().Approved != "" })
	first := w.approval().RunID
	time.Sleep(600 * time.Millisecond) // two beats, so that the worker knows
	w.load(empty)
	w.until("the worker's memory in Redis", func() bool { return w.approval().Approved == first })
	w.until("another approval", func() bool { a := w.approval(); return a.RunID != "" && !a.Changed() })
}
