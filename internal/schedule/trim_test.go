package schedule

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// TestKeep lets old runs go, campaign and queues and all.
func TestKeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := w.rule("daily", w.file("due.csv", 1, 2))
	rule.Keep = 2
	w.add(rule, at(t, newYork, "2026-03-01T08:00"))
	r := w.runner()
	for day := range 6 {
		w.set(at(t, newYork, "2026-03-01T09:00").AddDate(0, 0, day))
		w.look(r)
		name := w.runs("daily")[0].Name
		if day == 1 { // one that waits for a person stays
			ref := campaign.Ref{Campaign: name, Contact: "1", Token: "one"}
			if _, err := w.ledger.Claim(t.Context(), ledger.Claim{
				Ref: ref, Round: 1, Number: phone(1), Line: "alice", LineNumber: "+16505550001", SendWithin: time.Minute,
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := dial.NewBook(w.ledger, tasks.NewProducer(w.rdb), time.Now).Settle(t.Context(), ref,
				campaign.Verdict{Outcome: campaign.Unconfirmed}, campaign.Seen{}); err != nil {
				t.Fatal(err)
			}
		}
		w.finish(name)
		w.eventually(r, "it is done", func() bool { return w.runs("daily")[0].State == StateDone })
	}
	var names []string
	for _, run := range w.runs("daily") {
		names = append(names, run.Name)
	}
	if want := []string{"daily-20260306T0900", "daily-20260305T0900", "daily-20260302T0900"}; !slices.Equal(names, want) {
		t.Errorf("kept are %v, want %v", names, want)
	}
	camps, err := w.ledger.Campaigns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(camps) != 3 {
		t.Errorf("%d campaigns are kept", len(camps))
	}
	for _, key := range w.rdb.Keys(t.Context(), "*").Val() {
		if strings.Contains(key, "20260301") || strings.Contains(key, "20260303") || strings.Contains(key, "20260304") {
			t.Errorf("%s is left of a run that is gone", key)
		}
	}
	// A schedule that is removed leaves its campaigns.
	if err := w.store.Remove(t.Context(), "daily"); err != nil {
		t.Fatal(err)
	}
	if keys := w.rdb.Keys(t.Context(), "ringqueue:{schedule}:*").Val(); len(keys) != 0 {
		t.Errorf("left of the schedule are %v", keys)
	}
	if camps, err := w.ledger.Campaigns(t.Context()); err != nil || len(camps) != 3 {
		t.Errorf("%d campaigns are left, %v", len(camps), err)
	}
}

// TestOutageKeepsResults has an hourly schedule without a worker for two and a half days: the records of what did not take
// place push out no run that did.
func TestOutageKeepsResults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := w.rule("daily", w.file("due.csv", 1, 2))
	rule.When.Cron, rule.Keep, rule.CatchUp = "0 * * * *", 20, 10*time.Minute
	w.add(rule, at(t, newYork, "2026-03-02T08:30"))
	r := w.runner()
	run := func(now time.Time) {
		w.set(now)
		w.look(r)
		w.finish(w.runs("daily")[0].Name)
		w.eventually(r, "it is done", func() bool { return w.runs("daily")[0].State == StateDone })
	}
	for h := 9; h < 14; h++ {
		run(at(t, newYork, "2026-03-02T00:00").Add(time.Duration(h) * time.Hour))
	}
	run(at(t, newYork, "2026-03-05T02:00"))
	camps, err := w.ledger.Campaigns(t.Context())
	if err != nil || len(camps) != 6 {
		t.Errorf("%d campaigns with results are left, want 6, %v", len(camps), err)
	}
	states := map[State]int{}
	for _, run := range w.runs("daily") {
		states[run.State]++
	}
	if states[StateDone] != 6 || states[StateMissed] != 19 {
		t.Errorf("runs are %v, want 6 done and 19 missed", states)
	}
	for h := 3; h < 30; h++ {
		run(at(t, newYork, "2026-03-05T00:00").Add(time.Duration(h) * time.Hour))
	}
	states = map[State]int{}
	for _, run := range w.runs("daily") {
		states[run.State]++
	}
	if states[StateDone] != rule.Keep || states[StateMissed] != 19 {
		t.Errorf("later the runs are %v, want %d done and 19 missed", states, rule.Keep)
	}
}

// TestDeletedInTheMiddle deletes a run's campaign while its import is interrupted: it does not come back.
func TestDeletedInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.rule("daily", w.file("due.csv", 1, 5)), at(t, newYork, "2026-03-01T08:00"))
	w.set(at(t, newYork, "2026-03-01T09:00"))
	r := w.runner()
	w.eventually(r, "it runs", func() bool { return w.runs("daily")[0].State == StateRunning })
	name := w.runs("daily")[0].Name
	if _, err := tasks.Delete(t.Context(), w.rdb, name); err != nil {
		t.Fatal(err)
	}
	w.rdb.HSet(t.Context(), keyRun(name), "state", string(StateImporting)) // as a worker that was killed would have left it
	w.eventually(r, "it ends", func() bool { return w.runs("daily")[0].State == StateDone })
	if run := w.runs("daily")[0]; run.Detail != "its campaign was deleted" {
		t.Errorf("the run is %+v", run)
	}
	if _, err := w.ledger.Campaign(t.Context(), name); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("the campaign is there again: %v", err)
	}
}
