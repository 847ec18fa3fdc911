package tasks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

var busy = campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true}

// used is a campaign with tasks in as many states as there are without a worker.
func used(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.add(t, 700)
	b.settle(t, "c0", busy)
	if err := b.producer.Follow(t.Context(), "spring", "c0"); err != nil {
		t.Fatal(err)
	}
	if err := b.inspector.ArchiveTask("spring", "spring:c1:1"); err != nil {
		t.Fatal(err)
	}
	if err := NewPauses(b.rdb).Pause(t.Context(), "spring"); err != nil {
		t.Fatal(err)
	}
	// What a server leaves behind, one that was killed among it.
	ctx := t.Context()
	for _, err := range []error{
		b.rdb.LMove(ctx, "asynq:{spring}:pending", "asynq:{spring}:active", "LEFT", "RIGHT").Err(),
		b.rdb.Set(ctx, "asynq:{spring}:processed", 3, 0).Err(),
		b.rdb.Set(ctx, "asynq:{spring}:processed:"+time.Now().UTC().Format("2006-01-02"), 3, time.Hour).Err(),
		b.rdb.Set(ctx, "asynq:{spring.again}:failed:"+time.Now().UTC().AddDate(0, 0, -80).Format("2006-01-02"), 3, time.Hour).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// leftOf lists the keys that name a campaign.
func (b *bundle) leftOf(t *testing.T, name string) []string {
	t.Helper()
	var left []string
	for _, key := range b.rdb.Keys(t.Context(), "*").Val() {
		if strings.Contains(key, name) {
			left = append(left, key)
		}
	}
	if queues, err := b.inspector.Queues(); err != nil || len(queues) > 0 {
		left = append(left, queues...)
	}
	return left
}

func TestDelete(t *testing.T) {
	t.Parallel()
	b := used(t)
	ctx := t.Context()
	if _, err := b.ledger.DNCAdd(ctx, "+12125550100"); err != nil {
		t.Fatal(err)
	}
	n, err := Delete(ctx, b.rdb, "spring")
	if err != nil || n != 700 {
		t.Fatalf("deleted %d contacts, %v", n, err)
	}
	if left := b.leftOf(t, "spring"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	if _, err := Delete(ctx, b.rdb, "spring"); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("deleted again: %v", err)
	}
	if on, err := b.ledger.DNCHas(ctx, "+12125550100"); err != nil || !on {
		t.Errorf("the do-not-call list is gone: %v", err)
	}
	// A late message of what was deleted changes nothing.
	ref := campaign.Ref{Campaign: "spring", Contact: "c0", Token: "token-c0-1"}
	book := dial.NewBook(b.ledger, b.producer, time.Now)
	if _, err := book.Settle(ctx, ref, busy, campaign.Seen{}); err != nil {
		t.Error(err)
	}
	if err := book.Follow(ctx, ref); err != nil {
		t.Error(err)
	}
	task, _, err := NewCallTask("spring", "c0", 2, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	h := b.handler()
	if err := h(ctx, task); err != nil {
		t.Errorf("a task that was left: %v", err)
	}
	if left := b.leftOf(t, "spring"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	// A new campaign of the name starts anew.
	b.producer = NewProducer(b.rdb)
	if err := b.ledger.Create(ctx, b.rules, false); err != nil {
		t.Fatal(err)
	}
	b.add(t, 3)
	if c, err := b.ledger.Campaign(ctx, "spring"); err != nil || c.Counts.Total != 3 || c.Counts.Waiting != 3 || c.Cancelled {
		t.Errorf("the new campaign is %+v, %v", c, err)
	}
	if info := b.info(t, "spring", "spring:c0:1"); info.State != asynq.TaskStatePending {
		t.Errorf("its first task is %s", info.State)
	}
}

func TestDeleteLive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 2)
	ctx := t.Context()
	ref := campaign.Ref{Campaign: "spring", Contact: "c0", Token: "one"}
	if _, err := b.ledger.Claim(ctx, ledger.Claim{
		Ref: ref, Round: 1, Number: "+12122000000", Line: "alice", LineNumber: "+16505550001", SendWithin: time.Second,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := Delete(ctx, b.rdb, "spring"); !errors.Is(err, ledger.ErrLive) {
		t.Errorf("a campaign with a live call: %v", err)
	}
	if c, err := b.ledger.Campaign(ctx, "spring"); err != nil || c.Cancelled || c.Counts.Total != 2 {
		t.Errorf("it is %+v, %v", c, err)
	}
}

// TestDeleteInterrupted lets a worker finish a deletion, and leave a campaign alone that has only the name of one.
func TestDeleteInterrupted(t *testing.T) {
	t.Parallel()
	b := used(t)
	ctx := t.Context()
	which, err := b.ledger.BeginDelete(ctx, "spring")
	if err != nil {
		t.Fatal(err)
	}
	// Some of it is gone already.
	stop := errors.New("killed")
	if err := b.ledger.Erase(ctx, "spring", which, func(s []ledger.Standing) error {
		if s[0].Contact != "c0" {
			return stop
		}
		return eraseTasks(ctx, b.rdb, "spring", s)
	}); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if err := b.ledger.Create(ctx, b.rules, true); !errors.Is(err, ledger.ErrDeleting) {
		t.Errorf("created meanwhile: %v", err)
	}
	if _, err := finishDelete(ctx, b.rdb, "spring", which); err != nil { // as a worker does
		t.Fatal(err)
	}
	if left := b.leftOf(t, "spring"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	if err := b.ledger.Create(ctx, b.rules, false); err != nil {
		t.Fatal(err)
	}
	b.add(t, 3)
	if _, err := finishDelete(ctx, b.rdb, "spring", which); err != nil {
		t.Fatal(err)
	}
	if c, err := b.ledger.Campaign(ctx, "spring"); err != nil || c.Counts.Total != 3 {
		t.Errorf("a late deletion of the old campaign left of the new one %+v, %v", c, err)
	}
	if _, err := b.ledger.Contact(ctx, "spring", "c2"); err != nil {
		t.Error(err)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules.Retry.MaxAttempts = 1
	if err := b.ledger.Create(t.Context(), b.rules, true); err != nil {
		t.Fatal(err)
	}
	b.add(t, 600)
	ctx := t.Context()
	b.settle(t, "c0", busy)
	b.settle(t, "c1", campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true, Rang: true})
	b.settle(t, "c599", campaign.Verdict{Ended: true, Outcome: campaign.NoAnswer, Charged: true, Rang: true})
	for range 2 { // the second time there is nothing to do
		n, err := b.producer.Retry(ctx, "spring", []campaign.Outcome{campaign.Busy, campaign.NoAnswer})
		if err != nil {
			t.Fatal(err)
		}
		if want := 2; n != want && n != 0 {
			t.Errorf("%d contacts, want %d, then none", n, want)
		}
	}
	c, err := b.ledger.Campaign(ctx, "spring")
	if err != nil || c.Counts.Waiting != 599 || c.Counts.Done != 1 || c.Counts.Outcomes[campaign.Busy] != 0 || c.Counts.Outcomes[campaign.Answered] != 1 {
		t.Errorf("counts are %+v, %v", c.Counts, err)
	}
	for _, id := range []string{"c0", "c599"} {
		if info := b.info(t, "spring.again", "spring:"+id+":2"); info.State != asynq.TaskStatePending {
			t.Errorf("the task of %s is %s", id, info.State)
		}
	}
	// One more call, then the rules end it again.
	b.settle(t, "c0", busy)
	rec, err := b.ledger.Contact(ctx, "spring", "c0")
	if err != nil || rec.State != campaign.Done || rec.Outcome != campaign.Busy || len(rec.Attempts) != 2 {
		t.Errorf("c0 is %+v, %v", rec, err)
	}
	if err := b.ledger.Cancel(ctx, "spring"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.producer.Retry(ctx, "spring", []campaign.Outcome{campaign.Busy}); !errors.Is(err, ledger.ErrCancelled) {
		t.Errorf("a cancelled campaign: %v", err)
	}
	b.rules.Name, b.rules.Ends = "ended", time.Now().Add(-time.Hour)
	if err := b.ledger.Create(ctx, b.rules, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ledger.Retry(ctx, "ended", "token", nil, nil); !errors.Is(err, ledger.ErrEnded) {
		t.Errorf("a campaign that has ended: %v", err)
	}
}
