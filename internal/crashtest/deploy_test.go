package crashtest

import (
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// TestRollingDeploy replaces two workers one after the other while people talk.
func TestRollingDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, config{lines: 4, maxLines: 2})
	w.enqueue(16, "30", "22", "30", "19")
	a, b := w.start(), w.start()
	holds := func(p *process, n int) func() bool {
		return func() bool { return strings.Count(p.stderr.String(), "line leased") >= n }
	}
	w.eventually("both have lines", func() bool { return holds(a, 2)() && holds(b, 2)() })
	for _, old := range []*process{a, b} {
		w.eventually("people talk", func() bool { return w.talking() >= 3 })
		old.end()
		next := w.start()
		w.eventually("the next worker has the lines", holds(next, 2))
	}
	w.over()
	w.judge(complete)

	// No conversation's end was missed while workers changed.
	truth := w.sim.Truth()
	if err := w.led.Each(t.Context(), w.rules.Name, func(r ledger.Record) error {
		for _, at := range r.Attempts {
			for _, d := range truth.DialsTo(at.Number) {
				if d.ID != at.RingOutID || at.Outcome != campaign.Answered {
					continue
				}
				if late := at.EndedAt.Sub(d.EndedAt); late > 5*time.Second {
					t.Errorf("%s: the end of the talk was recorded %s late", r.Contact.ID, late)
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// talking counts the conversations that go on.
func (w *world) talking() int {
	n := 0
	for _, d := range w.sim.Truth().Dials {
		if !d.AnsweredAt.IsZero() && d.EndedAt.IsZero() {
			n++
		}
	}
	return n
}
