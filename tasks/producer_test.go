package tasks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// TestPreviewAgreesWithImport imports a list with everything in it, twice, and asks before each time what would come.
func TestPreviewAgreesWithImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules = campaign.Default("hours")
	b.rules.CallingHours = campaign.Hours{Zone: campaign.ContactZone} // no day has hours
	if err := b.ledger.Create(t.Context(), b.rules, false); err != nil {
		t.Fatal(err)
	}
	list := func() *rows {
		p := *contacts(600)
		p[3].Numbers = p[2].Numbers // another row with this number
		p[5].ID = p[4].ID           // another row with this id
		p[300].ID, p[300].Numbers = p[4].ID, p[2].Numbers
		p[8].Numbers = []string{"+80012345678"} // no time zone
		p[401].Numbers = p[400].Numbers         // both on the do-not-call list
		return &p
	}
	if _, err := b.ledger.DNCAdd(t.Context(), contact(7).Number(), contact(400).Number()); err != nil {
		t.Fatal(err)
	}
	for n, want := range []Tally{
		{Added: 594, Duplicates: 2, OtherNumber: 2, Suppressed: 2, Held: 594, Reasons: map[campaign.Reason]int{campaign.OutsideHours: 593, campaign.ZoneUnknown: 1}},
		{Known: 596, Duplicates: 2, OtherNumber: 2, Reasons: map[campaign.Reason]int{}},
	} {
		before := b.rdb.DBSize(t.Context()).Val()
		preview, err := b.producer.Preview(t.Context(), b.rules, list())
		if err != nil {
			t.Fatal(err)
		}
		if after := b.rdb.DBSize(t.Context()).Val(); n > 0 && after != before {
			t.Errorf("the preview stored %d keys", after-before)
		}
		got, err := b.producer.Import(t.Context(), b.rules, list(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(preview, got) {
			t.Errorf("import %d: preview %+v, import %+v, want %+v", n+1, preview, got, want)
		}
	}
	info, err := b.inspector.GetQueueInfo("hours")
	if err != nil || info.Scheduled != 594 || info.Size != 594 {
		t.Errorf("queue %+v, %v; want 594 scheduled tasks", info, err)
	}
}

func TestImportReportsProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var seen []int
	if _, err := b.producer.Import(t.Context(), b.rules, contacts(600), func(t Tally) { seen = append(seen, t.Added) }); err != nil {
		t.Fatal(err)
	}
	if want := []int{256, 512, 600}; !slices.Equal(seen, want) {
		t.Errorf("progress %v, want %v", seen, want)
	}
}

func TestImportCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if got, err := b.producer.Import(ended(t.Context()), b.rules, contacts(10), nil); err == nil || got.Added != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	b.add(t, 10)
	info, err := b.inspector.GetQueueInfo("spring")
	if err != nil || info.Pending != 10 {
		t.Errorf("queue %+v, %v", info, err)
	}
}

// TestFollowRepairs loses the task of the next round, as a worker does that dies between the ledger and Asynq.
func TestFollowRepairs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 1)
	before := time.Now()
	b.settle(t, "c0", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	for range 2 { // repeating it changes nothing
		if err := b.producer.Follow(t.Context(), "spring", "c0"); err != nil {
			t.Fatal(err)
		}
	}
	info := b.info(t, "spring.again", "spring:c0:2")
	due := before.Add(15 * time.Minute)
	if info.State != asynq.TaskStateScheduled || info.NextProcessAt.Before(due.Truncate(time.Second)) || info.NextProcessAt.After(due.Add(5*time.Second)) {
		t.Errorf("task %s at %s, want scheduled at about %s", info.State, info.NextProcessAt, due)
	}
	// The old round's task, delivered again, finds that its round is over, and repairs too.
	if err := b.inspector.DeleteTask("spring.again", "spring:c0:2"); err != nil {
		t.Fatal(err)
	}
	handler := b.handler()
	task, _, err := NewCallTask("spring", "c0", 1, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := handler(t.Context(), task); err != nil {
		t.Errorf("the old task ended with %v", err)
	}
	b.info(t, "spring.again", "spring:c0:2")

	// Of a contact that is done nothing follows.
	b.add(t, 2)
	b.settle(t, "c1", campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true, Rang: true})
	if err := b.producer.Follow(t.Context(), "spring", "c1"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.inspector.GetTaskInfo("spring.again", "spring:c1:2"); err == nil {
		t.Error("a contact that is done has a task for another round")
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 3)
	doubt := campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Charged: true, Rang: true}
	for i, c := range []struct {
		found campaign.Outcome
		state campaign.ContactState
		end   campaign.Outcome
	}{
		{campaign.Answered, campaign.Done, campaign.Answered},
		{campaign.Busy, campaign.Waiting, ""},
		{"", campaign.Waiting, ""}, // there was no call
	} {
		id := fmt.Sprintf("c%d", i)
		b.settle(t, id, doubt)
		for range 2 { // repeating it changes nothing
			if err := b.producer.Resolve(t.Context(), "spring", id, c.found); err != nil {
				t.Fatalf("%s: %v", id, err)
			}
		}
		rec, err := b.ledger.Contact(t.Context(), "spring", id)
		if err != nil || rec.State != c.state || rec.Outcome != c.end {
			t.Errorf("%s: %+v, %v", id, rec, err)
		}
		if c.state == campaign.Waiting {
			b.info(t, "spring.again", fmt.Sprintf("spring:%s:2", id))
		}
	}
}

// TestImportOutOfMemory lets Redis refuse the tasks but not the rows: one error, Redis's own, and the next import goes on.
func TestImportOutOfMemory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	full := &refusing{}
	b.rdb.AddHook(full)
	full.on.Store(true)
	_, err := b.producer.Import(t.Context(), b.rules, contacts(10), nil)
	if !errors.Is(err, errRefused) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	full.on.Store(false)
	if got, err := b.producer.Import(t.Context(), b.rules, contacts(10), nil); err != nil || got.Known != 10 {
		t.Errorf("the next import: %+v, %v", got, err)
	}
	info, err := b.inspector.GetQueueInfo("spring")
	if err != nil || info.Pending != 10 {
		t.Errorf("queue %+v, %v", info, err)
	}
}

var errRefused = errors.New("refused")

// refusing answers every pipeline with an error while it is on.
type refusing struct {
	pipes

	on atomic.Bool
}

func (r *refusing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !r.on.Load() {
			return next(ctx, cmds)
		}
		for _, cmd := range cmds {
			cmd.SetErr(errRefused)
		}
		return errRefused
	}
}
