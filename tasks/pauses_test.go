package tasks

import (
	"errors"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

func TestPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := NewPauses(b.rdb)
	is := func(want bool, when string) {
		t.Helper()
		if got, err := p.Paused(t.Context(), "spring"); err != nil || got != want {
			t.Errorf("%s: paused %v, %v", when, got, err)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	is(false, "before there is a task")
	b.add(t, 2)
	is(false, "at first")
	for range 2 {
		do(p.Pause(t.Context(), "spring"))
		is(true, "after Pause")
	}
	for range 2 {
		do(p.Resume(t.Context(), "spring"))
		is(false, "after Resume")
	}
	b.settle(t, "c0", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	do(b.producer.Follow(t.Context(), "spring", "c0")) // now there is a second queue
	for _, queue := range []string{"spring", "spring.again"} {
		do(b.inspector.PauseQueue(queue)) // the monitor's button
		is(true, "with "+queue+" paused in the monitor")
		do(p.Pause(t.Context(), "spring"))
		do(p.Resume(t.Context(), "spring"))
		is(false, "after Resume")
	}
}

// TestPauseBeforeTasks pauses a campaign whose second queue has had no task yet.
func TestPauseBeforeTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 1)
	p := NewPauses(b.rdb)
	if err := p.Pause(t.Context(), "spring"); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "c0", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	if err := b.producer.Follow(t.Context(), "spring", "c0"); err != nil {
		t.Fatal(err)
	}
	if info, err := b.inspector.GetQueueInfo("spring.again"); err != nil || !info.Paused {
		t.Errorf("the second queue is not paused: %+v, %v", info, err)
	}
}

func TestCancelEmptiesQueues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, n := range []int{0, 0} { // without a task at all, and again
		if got, err := Cancel(t.Context(), b.rdb, "spring"); err != nil || got != n {
			t.Fatalf("cancelled %d, %v", got, err)
		}
	}
	b = setup(t)
	b.add(t, 5)
	if got, err := Cancel(t.Context(), b.rdb, "spring"); err != nil || got != 5 {
		t.Fatalf("cancelled %d, %v; want 5", got, err)
	}
	info, err := b.inspector.GetQueueInfo("spring")
	if err != nil || info.Size != 0 {
		t.Errorf("queue %+v, %v", info, err)
	}
	c, err := b.ledger.Campaign(t.Context(), "spring")
	if err != nil || c.Counts.Waiting != 0 || c.Counts.Outcomes[campaign.Cancelled] != 5 {
		t.Errorf("campaign %+v, %v", c, err)
	}
	if _, err := b.producer.Import(t.Context(), b.rules, contacts(6), nil); err == nil {
		t.Error("a cancelled campaign takes contacts")
	}
	if _, err := Cancel(t.Context(), b.rdb, "nope"); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("a campaign that is not there: %v", err)
	}
}
