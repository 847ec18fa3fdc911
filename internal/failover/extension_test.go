package failover_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

const (
	carla    = "+12122000230" // a contact of the support team
	dora     = "+12122000330" // one that is due only after Redis was restarted
	supports = "support"      // a campaign and its team

	carol = "+16505550003" // a line of the support team
)

// failing is a Redis that was restarted while anna's conversation with alice went on and berta waited, and an extension of
// bob's that does not tell of its calls since then. The support team has a campaign and a line of its own.
func failing(t *testing.T, hold time.Duration, fault ringouttest.Fault) *world {
	t.Helper()
	cfg := talking(time.Second)
	for i, n := range []string{alice, bob, carol} {
		cfg.Extensions = append(cfg.Extensions, ringouttest.Extension{ID: string(rune('1' + i)), JWT: "jwt-" + n})
	}
	w := newWorld(t, cfg)
	w.hold = hold
	w.workFor(func(number string) string {
		if number == carol {
			return supports
		}
		return "default"
	}, alice, bob, carol)
	w.until("the first approval", func() bool { return w.approval().Approved != "" })
	w.enqueue(anna)
	w.answered(anna)
	fault.Extension, fault.Times = "2", -1
	w.sim.Inject(fault)
	w.redis.Kill()
	w.redis.Restart()
	support := campaign.Default(supports)
	support.Team, support.CallingHours = supports, campaign.Hours{Always: true}
	if err := w.led.Create(t.Context(), support.Faster(scale), false); err != nil {
		t.Fatal(err)
	}
	w.enqueueIn(support, carla)
	w.enqueue(berta)
	return w
}

func faults() map[string]ringouttest.Fault {
	return map[string]ringouttest.Fault{
		"presence is 404":     {Operation: ringouttest.OpPresence, Effect: ringouttest.AnswerStatus, Status: 404},
		"active calls is 500": {Operation: ringouttest.OpActiveCalls, Effect: ringouttest.AnswerStatus, Status: 500},
		"the log is 500":      {Operation: ringouttest.OpCallLog, Effect: ringouttest.AnswerStatus, Status: 500},
	}
}

// TestOneExtensionFails: it is held alone, and with it those whom it may have called, but not for ever.
func TestOneExtensionFails(t *testing.T) {
	t.Parallel()
	for name, fault := range faults() {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := failing(t, 20*time.Minute, fault)
			w.until("the restart is noticed", func() bool { return !w.approval().Noticed.IsZero() })
			a := w.approval()
			// Another team's campaign does not wait at all.
			w.until("the other team's contact is called", func() bool { return w.dials(carla) == 1 })
			w.until("the contact that is due later is so", func() bool { return w.approval().Now.After(a.Before) })
			w.enqueue(dora)
			w.until("the contact that is due later is called", func() bool { return w.dials(dora) == 1 })
			if now := w.approval().Now; now.After(a.Until) {
				t.Errorf("they were called at %s, after %s", now, a.Until)
			}
			w.until("the line says why it waits", func() bool {
				note := w.line(bob).Note
				return strings.Contains(note, "line2") && strings.Contains(note, "campaign lines approve line2")
			})
			if !slices.ContainsFunc(w.status().BlockedBy, func(s string) bool {
				return strings.Contains(s, "since line2 may have called them") && strings.Contains(s, "at most")
			}) {
				t.Errorf("blocked_by does not say who waits: %q", w.status().BlockedBy)
			}
			w.until("the waiting contact is called", func() bool { return w.dials(berta) == 1 })
			if at := w.approval().Now; at.Before(a.Until) {
				t.Errorf("it was called at %s, before %s", at, a.Until)
			}
			if !w.said("let go") || !w.said(`"lines":["line2"]`) {
				t.Error("the log does not name the line whose contacts were let go")
			}
			// The line itself stays held until a person decides.
			w.until("all are done", func() bool { return w.status().Done == 3 && w.statusOf(supports).Done == 1 })
			if n := len(w.sim.Truth().DialsFrom(bob)); n != 0 {
				t.Errorf("the line that does not tell of its calls has placed %d", n)
			}
			if err := w.led.AgreeLines(t.Context(), w.approval().RunID, bob); err != nil {
				t.Fatal(err)
			}
			w.until("all of Redis is approved", func() bool { return !w.approval().Changed() })
			w.until("the line's note is gone", func() bool { return w.line(bob).Note == "" })
			for _, n := range []string{anna, berta, carla, dora} {
				if w.dials(n) != 1 {
					t.Errorf("%d dials to %s", w.dials(n), n)
				}
			}
			w.honest()
		})
	}
}

// TestExtensionRecovers: contacts and line wait no longer than RingCentral does.
func TestExtensionRecovers(t *testing.T) {
	t.Parallel()
	w := failing(t, 24*time.Hour, faults()["presence is 404"])
	w.until("the other team's contact is called", func() bool { return w.dials(carla) == 1 })
	w.until("the line's note", func() bool { return w.line(bob).Note != "" })
	if n := w.dials(berta); n != 0 {
		t.Fatalf("%d dials to a contact that the line may have called", n)
	}
	w.sim.ClearFaults()
	w.until("all are done", func() bool { return w.status().Done == 2 && w.statusOf(supports).Done == 1 })
	w.until("all of Redis is approved", func() bool { return !w.approval().Changed() })
	w.honest()
}

// TestCallOfAFailingExtension loses the claim of a call on the extension that then does not tell of it: its contact is not
// called again while there is hope, and found out about once there is an answer.
func TestCallOfAFailingExtension(t *testing.T) {
	t.Parallel()
	cfg := talking(2 * time.Second)
	cfg.Extensions = []ringouttest.Extension{{ID: "1", JWT: "jwt-" + alice}, {ID: "2", JWT: "jwt-" + bob}}
	w := newWorld(t, cfg)
	w.hold = 24 * time.Hour
	stop := w.work(bob)
	w.until("the first approval", func() bool { return w.approval().Approved != "" })
	saved := w.save()
	w.enqueue(anna)
	w.answered(anna)
	stop()
	w.load(saved)
	// Redis is back from before the import, which is repeated as people do.
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPresence, Extension: "2", Times: -1, Effect: ringouttest.AnswerStatus, Status: 404})
	w.enqueue(anna)
	w.enqueue(berta)
	w.work(alice, bob)
	w.until("the line's note", func() bool { return strings.Contains(w.line(bob).Note, "approve") })
	w.until("the other line was compared", func() bool { return w.approval().LineAgreed(alice) })
	w.sim.ClearFaults()
	w.until("the contact is held", func() bool { return w.contact(anna).State == campaign.UnconfirmedHeld })
	w.until("the other one is called", func() bool { return w.contact(berta).State == campaign.Done })
	if n := w.dials(anna); n != 1 {
		t.Errorf("%d dials to the contact whose claim was lost", n)
	}
	w.honest()
}
