package tasks

import (
	"errors"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

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
