package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// Calls of a cancelled campaign go on and are looked after; its waiting contacts are ended where the command that cancelled
// it was interrupted.
func TestFinishCancel(t *testing.T) {
	b := newBench(t, 3, Timing{})
	b.claim("c0")
	b.must(b.ledger.Cancel(t.Context(), swept))
	b.must(b.rdb.Del(t.Context(), "ringqueue:{ledger}:line:"+sweptLine).Err())
	b.sweep(5*time.Minute, Repairs{})
	b.sweep(10*time.Second, Repairs{Untracked: 1})
	b.wantTask(b.task("c1", 1), 0)
	if rec := b.wantContact("c1", campaign.Done, 1); rec.Outcome != campaign.Cancelled {
		t.Errorf("c1 is %s", rec.Outcome)
	}
}

var errKilled = errors.New("killed")

// flaky are tasks whose first deletions fail.
type flaky struct {
	Tasks
	fails atomic.Int64
}

func (f *flaky) FinishDelete(ctx context.Context, name string, which ledger.Incarnation) error {
	if f.fails.Add(-1) >= 0 {
		return errKilled
	}
	return f.Tasks.FinishDelete(ctx, name, which)
}

// left lists the keys that name the campaign.
func (b *bench) left() []string {
	b.t.Helper()
	return b.rdb.Keys(b.t.Context(), "*"+swept+"*").Val()
}

// TestFinishDelete finishes a deletion that was interrupted, and tries again where that fails.
func TestFinishDelete(t *testing.T) {
	b := newBench(t, 30, Timing{})
	which, err := b.ledger.BeginDelete(t.Context(), swept)
	b.must(err)
	tasks := &flaky{Tasks: b.reconciler.Tasks}
	tasks.fails.Store(2)
	b.reconciler.Tasks = tasks
	round := func(after time.Duration) {
		t.Helper()
		b.sweep(after, Repairs{})
		b.reconciler.deletions.Wait()
	}
	round(30 * time.Second) // whoever deletes it may still be at it
	if n := tasks.fails.Load(); n != 2 {
		t.Fatalf("tried %d times", 2-n)
	}
	round(40 * time.Second)
	round(time.Second) // too early to try again
	if n := tasks.fails.Load(); n != 1 || len(b.left()) == 0 {
		t.Fatalf("%d tries, left are %v", 2-n, b.left())
	}
	round(10 * time.Second)
	round(20 * time.Second)
	if left := b.left(); len(left) > 0 || tasks.fails.Load() != -1 {
		t.Fatalf("left are %v\n%s", left, b.log)
	}
	b.must(b.ledger.Create(t.Context(), sweptRules(), false))
	b.must(tasks.FinishDelete(t.Context(), swept, which)) // of the old campaign: too late
	if _, err := b.ledger.Campaign(t.Context(), swept); err != nil {
		t.Error(err)
	}
}

// TestEraseLate deletes what an import that ran into the deletion enqueued after it.
func TestEraseLate(t *testing.T) {
	b := newBench(t, 3, Timing{})
	_, err := tasks.Delete(t.Context(), b.rdb, swept)
	b.must(err)
	b.must(b.reconciler.Tasks.Enqueue(t.Context(), swept, "c7", 1, b.task("c7", 1).id))
	b.must(b.rdb.ZAdd(t.Context(), asynqkeys.Scheduled(swept), redis.Z{Score: 2_000_000_000, Member: "spring:c8:1"}).Err())
	b.sweep(0, Repairs{})
	if left := b.left(); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	b.sweep(time.Hour, Repairs{})
	if n := b.rdb.Exists(t.Context(), "ringqueue:{ledger}:deleted").Val(); n != 0 {
		t.Error("deletions are remembered for ever")
	}
	// Of a campaign that has the name again, nothing is deleted.
	b.must(b.ledger.Create(t.Context(), sweptRules(), false))
	_, err = b.producer.Import(t.Context(), sweptRules(), &people{n: 1}, nil)
	b.must(err)
	b.must(b.rdb.ZAdd(t.Context(), "ringqueue:{ledger}:deleted", redis.Z{Score: 1, Member: swept}).Err())
	b.sweep(0, Repairs{})
	if l, err := tasks.ReadLoad(t.Context(), b.rdb, swept); err != nil || l.Pending != 1 {
		t.Errorf("the new campaign's queues hold %+v, %v", l, err)
	}
}

// TestDangling puts ids without a task into every list, as a deletion during an import leaves them: they are removed, and
// everybody who waits is called.
func TestDangling(t *testing.T) {
	b := newBench(t, 20, Timing{Page: 7})
	ctx := t.Context()
	for i := range 256 {
		b.must(b.rdb.RPush(ctx, asynqkeys.Pending(swept), fmt.Sprintf("spring:p%d:1", i)).Err())
		for _, set := range []string{asynqkeys.Scheduled(swept), asynqkeys.Retry("spring.again")} {
			b.must(b.rdb.ZAdd(ctx, set, redis.Z{Score: float64(i), Member: fmt.Sprintf("spring:s%d:1", i)}).Err())
		}
	}
	// Asynq took one of them, and one of a contact that waits: their hashes are husks that keep them from being enqueued.
	for _, id := range []string{"spring:p900:1", "spring:c3:1"} {
		b.must(b.rdb.LRem(ctx, asynqkeys.Pending(swept), 0, id).Err())
		b.must(b.rdb.Del(ctx, asynqkeys.Task(swept, id)).Err())
		b.must(b.rdb.LPush(ctx, asynqkeys.Active(swept), id).Err())
		b.must(b.rdb.ZAdd(ctx, asynqkeys.Lease(swept), redis.Z{Score: 1, Member: id}).Err())
		b.must(b.rdb.HSet(ctx, asynqkeys.Task(swept, id), asynqkeys.State, "active").Err())
	}
	dangling, missing := 0, 0
	for range 12 {
		b.now = b.now.Add(10 * time.Second)
		r, err := b.reconciler.Reconcile(ctx, b.now)
		b.must(err)
		dangling, missing = dangling+r.Dangling, missing+r.Missing
	}
	if dangling != 3*256+2 || missing != 1 {
		t.Errorf("removed %d ids, enqueued %d\n%s", dangling, missing, b.log)
	}
	l, err := tasks.ReadLoad(ctx, b.rdb, swept)
	if want := (tasks.Load{Pending: 20}); err != nil || l != want {
		t.Errorf("the queues hold %+v, %v; want %+v", l, err, want)
	}
	if n := b.rdb.Exists(ctx, asynqkeys.Lease(swept), asynqkeys.Task(swept, "spring:p900:1")).Val(); n != 0 {
		t.Error("leases or husks are left")
	}
	for i := range 20 {
		b.wantTask(b.task(fmt.Sprintf("c%d", i), 1), asynq.TaskStatePending)
	}
}

// over ends a campaign's contacts and leaves them their tasks.
func (b *bench) over(contacts int) {
	b.t.Helper()
	for i := range contacts {
		if ended, err := b.ledger.End(b.t.Context(), swept, fmt.Sprintf("c%d", i), 1, campaign.Suppressed); err != nil || !ended {
			b.t.Fatalf("end: %v, %v", ended, err)
		}
	}
}

// TestExpire brings the time of finished tasks of a campaign that is over.
func TestExpire(t *testing.T) {
	b := newBench(t, 2, Timing{})
	ctx := t.Context()
	b.over(2)
	b.must(b.rdb.Del(ctx, asynqkeys.Pending(swept)).Err())
	key := asynqkeys.Completed(swept)
	now := b.rdb.Time(ctx).Val()
	const expired = 1100
	for i := range expired + 1 {
		id := fmt.Sprintf("spring:e%d:1", i)
		at := now.Add(-time.Minute)
		if i == expired {
			at = now.Add(time.Hour)
		}
		b.must(b.rdb.ZAdd(ctx, key, redis.Z{Score: float64(at.Unix()), Member: id}).Err())
		b.must(b.rdb.HSet(ctx, asynqkeys.Task(swept, id), asynqkeys.Message, "m", asynqkeys.State, "completed").Err())
	}
	for range 6 {
		b.sweep(10*time.Second, Repairs{})
	}
	if n := b.rdb.ZCard(ctx, key).Val(); n != 1 {
		t.Errorf("%d finished tasks are left, want the one whose time has not come", n)
	}
	if n := len(b.rdb.Keys(ctx, asynqkeys.Tasks(swept)+"spring:e*").Val()); n != 1 {
		t.Errorf("%d tasks are left", n)
	}
	// Nobody looks at it until then.
	if names, err := b.ledger.Ended(ctx, b.now.Add(50*time.Minute), 10); err != nil || len(names) > 0 {
		t.Errorf("to look at are %v, %v", names, err)
	}
	b.must(b.rdb.ZAdd(ctx, key, redis.Z{Score: float64(now.Unix()), Member: "spring:e1100:1"}).Err())
	b.sweep(2*time.Hour, Repairs{})
	if n := b.rdb.Exists(ctx, key, "ringqueue:{ledger}:ended").Val(); n != 0 {
		t.Error("the last finished task, or the campaign among those to look at, is left")
	}
}

// TestClose takes a campaign that is over out of the open ones, with what its queues still hold, and puts it back when
// somebody is to be called again.
func TestClose(t *testing.T) {
	b := newBench(t, 5, Timing{})
	ctx := t.Context()
	open := func() int {
		t.Helper()
		list, err := b.ledger.OpenCampaigns(ctx)
		b.must(err)
		return len(list)
	}
	b.over(4)
	b.sweep(0, Repairs{Surplus: 4})
	b.sweep(time.Minute, Repairs{Surplus: 4})
	if open() != 1 {
		t.Fatal("closed while a contact waits")
	}
	b.over(5 - 4) // c0 has ended: once more is no harm
	if ended, err := b.ledger.End(ctx, swept, "c4", 1, campaign.Suppressed); err != nil || !ended {
		t.Fatal(err)
	}
	b.sweep(10*time.Second, Repairs{})
	if open() != 1 {
		t.Fatal("closed at once: its last tasks may still be told")
	}
	b.sweep(10*time.Second, Repairs{})
	if l, err := tasks.ReadLoad(ctx, b.rdb, swept); open() != 0 || err != nil || l != (tasks.Load{}) {
		t.Fatalf("open %d, with %+v, %v", open(), l, err)
	}
	_, err := b.ledger.Retry(ctx, swept, "again", []string{"c0"}, []campaign.Outcome{campaign.Suppressed})
	b.must(err)
	if open() != 1 {
		t.Fatal("not open again")
	}
	b.sweep(10*time.Second, Repairs{})
	b.sweep(10*time.Second, Repairs{Missing: 1})
}

// TestOverIsFree counts what campaigns that are over cost a round.
func TestOverIsFree(t *testing.T) {
	b := newBench(t, 3, Timing{})
	b.sweep(0, Repairs{})
	sent := &roundTrips{}
	b.rdb.AddHook(sent)
	commands := func() int64 {
		t.Helper()
		before := sent.commands.Load()
		for range 5 {
			b.sweep(10*time.Second, Repairs{})
		}
		return sent.commands.Load() - before
	}
	alone := commands()
	for i := range 1000 {
		name := fmt.Sprintf("old%d", i)
		b.must(b.ledger.Create(t.Context(), campaign.Default(name), false))
		_, err := b.ledger.Close(t.Context(), name)
		b.must(err)
		b.must(b.ledger.LookAgain(t.Context(), name, b.now.Add(24*time.Hour)))
	}
	// Whether they are over is compared for a few in each round, however many there are.
	if with, most := commands(), alone+5*reopenPage; with > most {
		t.Errorf("5 rounds cost %d commands, with 1,000 campaigns that are over %d; want %d at most", alone, with, most)
	}
}

// TestDeleteDuringImport deletes a campaign while a list is imported into it. Nothing of it is left, and a campaign of the
// name that is made anew has a task for everyone.
func TestDeleteDuringImport(t *testing.T) {
	b := newBench(t, 0, Timing{})
	ctx := t.Context()
	for range 5 {
		imported := make(chan error, 1)
		began := make(chan struct{})
		begin := sync.OnceFunc(func() { close(began) })
		go func() {
			_, err := b.producer.Import(ctx, sweptRules(), &people{n: 4000}, func(tasks.Tally) { begin() })
			imported <- err
		}()
		<-began
		_, err := tasks.Delete(ctx, b.rdb, swept)
		b.must(err)
		if err := <-imported; err == nil {
			t.Log("the import was quicker")
		}
		b.sweep(10*time.Second, Repairs{})
		if left := b.left(); len(left) > 0 {
			t.Fatalf("left are %d keys: %v", len(left), left[:min(len(left), 5)])
		}
		b.must(b.ledger.Create(ctx, sweptRules(), false))
	}
	_, err := b.producer.Import(ctx, sweptRules(), &people{n: 300}, nil)
	b.must(err)
	b.sweep(10*time.Second, Repairs{})
	b.sweep(10*time.Second, Repairs{})
	if l, err := tasks.ReadLoad(ctx, b.rdb, swept); err != nil || l.Pending != 300 {
		t.Errorf("the queues hold %+v, %v", l, err)
	}
}
