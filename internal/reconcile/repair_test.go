package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

func TestMissing(t *testing.T) {
	b := newBench(t, 3, Timing{})
	b.sweep(0, Repairs{})
	b.must(b.inspector.DeleteTask(swept, b.task("c1", 1).id))
	b.broken(Repairs{Missing: 1})
	b.wantTask(b.task("c1", 1), asynq.TaskStatePending)
	b.wantContact("c1", campaign.Waiting, 1)
}

// The worker died between the settlement and the next round's task.
func TestMissingNextRound(t *testing.T) {
	b := newBench(t, 1, Timing{})
	first := b.task("c0", 1)
	ref := b.claim("c0")
	_, err := b.ledger.Settle(t.Context(), ref, ledger.Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true}, After: time.Hour, Reason: campaign.NotDue,
	})
	b.must(err)
	b.must(b.inspector.DeleteTask(first.queue, first.id))
	b.broken(Repairs{Missing: 1})
	info := b.wantTask(b.task("c0", 2), asynq.TaskStateScheduled)
	if due := b.wantContact("c0", campaign.Waiting, 2).Due; info.NextProcessAt.Before(due) || info.Queue != swept+".again" {
		t.Errorf("the task comes at %s in %s, the contact is due at %s", info.NextProcessAt, info.Queue, due)
	}
}

// All tasks are gone, and the queues with them: everyone is enqueued, in the list's order.
func TestAllMissing(t *testing.T) {
	const n = 1200
	b := newBench(t, n, Timing{})
	b.must(b.inspector.DeleteQueue(swept, true))
	var total Repairs
	for range 8 {
		b.now = b.now.Add(10 * time.Second)
		r, err := b.reconciler.Reconcile(t.Context(), b.now)
		b.must(err)
		total.Missing += r.Missing
		if r.Total() != r.Missing || r.Surplus != 0 {
			t.Fatalf("repairs %+v", r)
		}
	}
	if total.Missing != n {
		t.Fatalf("%d enqueued, want %d", total.Missing, n)
	}
	b.sweep(time.Minute, Repairs{})
	// Asynq's client does not put a deleted queue back on Asynq's list, so the Inspector cannot list its tasks.
	ids, err := b.rdb.LRange(t.Context(), "asynq:{"+swept+"}:pending", 0, -1).Result()
	b.must(err)
	if len(ids) != n {
		t.Fatalf("%d tasks, want %d", len(ids), n)
	}
	// The walk began somewhere and came around once, or twice while it hurried; in between it kept the order.
	turns, last := 0, n
	for _, id := range ids { // the last one first
		var at int
		if _, err := fmt.Sscanf(id, swept+":c%d:1", &at); err != nil {
			t.Fatal(err)
		}
		if at > last {
			turns++
		}
		last = at
	}
	if turns > 2 {
		t.Errorf("the list's order is lost: %d turns", turns)
	}
}

func TestArchived(t *testing.T) {
	b := newBench(t, 3, Timing{})
	b.must(b.inspector.ArchiveTask(swept, b.task("c2", 1).id))
	b.broken(Repairs{Archived: 1})
	b.wantTask(b.task("c2", 1), asynq.TaskStatePending)
}

func TestLeavesUnconfirmedArchived(t *testing.T) {
	b := newBench(t, 2, Timing{})
	ref := b.claim("c0")
	_, err := b.ledger.Settle(t.Context(), ref, ledger.Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true}, Next: campaign.Next{Final: true, Outcome: campaign.Unconfirmed},
	})
	b.must(err)
	b.must(b.inspector.ArchiveTask(swept, b.task("c0", 1).id))
	b.broken(Repairs{})
	b.wantTask(b.task("c0", 1), asynq.TaskStateArchived)
	b.wantContact("c0", campaign.UnconfirmedHeld, 1)
}

func TestCompleted(t *testing.T) {
	b := newBench(t, 1, Timing{})
	task := b.task("c0", 1)
	b.finish(task)
	b.wantContact("c0", campaign.Waiting, 1)
	b.broken(Repairs{Completed: 1})
	b.wantTask(task, asynq.TaskStatePending)
}

// Asynq's bug: active, in no lease, for ever.
func TestOrphaned(t *testing.T) {
	b := newBench(t, 1, Timing{})
	task := b.task("c0", 1)
	b.abandon(task, time.Time{})
	b.sweep(0, Repairs{})
	b.sweep(2*time.Minute, Repairs{})
	b.sweep(time.Minute, Repairs{Orphaned: 1})
	b.sweep(10*time.Second, Repairs{})
	b.sweep(time.Hour, Repairs{})
	b.wantTask(task, asynq.TaskStateActive)
	second := task.beside(0)
	info := b.wantTask(second, asynq.TaskStatePending)
	var p tasks.CallPayload
	if err := json.Unmarshal(info.Payload, &p); err != nil || info.Type != tasks.TypeCall ||
		p != (tasks.CallPayload{Version: 1, Campaign: swept, Contact: "c0", Round: 1}) {
		t.Fatalf("%s with the payload %+v, %v", info.Type, p, err)
	}
	// What happens to a round's own task may happen to the ones beside it, up to a bound.
	b.must(b.inspector.ArchiveTask(second.queue, second.id))
	b.broken(Repairs{Archived: 1})
	b.finish(second)
	b.broken(Repairs{Completed: 1})
	for n := range sideTasks {
		b.wantTask(task.beside(n), asynq.TaskStatePending)
		b.abandon(task.beside(n), time.Time{})
		b.sweep(10*time.Second, Repairs{})
		want := Repairs{Orphaned: 1}
		if n == sideTasks-1 {
			want = Repairs{}
		}
		b.sweep(3*time.Minute, want)
	}
	b.sweep(3*time.Minute, Repairs{})
	if !strings.Contains(b.log.String(), `"rule":"stuck"`) {
		t.Errorf("the log does not say that there is nothing left to try:\n%s", b.log)
	}
}

// A task whose lease has lapsed is Asynq's to recover, as soon as a server listens.
func TestLeavesLapsedLeaseToAsynq(t *testing.T) {
	b := newBench(t, 1, Timing{})
	task := b.task("c0", 1)
	b.abandon(task, time.Now().Add(-time.Hour))
	b.broken(Repairs{})
	b.wantTask(task.beside(0), 0)
	b.finish(task)
}

// serve starts an Asynq server on a campaign's queues and waits until the Inspector says what holds.
func (b *bench) serve(h asynq.HandlerFunc, holds func(*asynq.ServerInfo) bool) {
	b.t.Helper()
	first, again := tasks.Queues(swept)
	srv := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{
		Concurrency: 1, Queues: map[string]int{first: 1, again: 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 200 * time.Millisecond,
	})
	b.must(srv.Start(h))
	b.t.Cleanup(srv.Shutdown)
	b.eventually("the server tells what it does", func() bool {
		servers, err := b.inspector.Servers()
		return err == nil && len(servers) == 1 && holds(servers[0])
	})
}

// Where a server listens and the task is still active after three minutes, Asynq's recovery does not work.
func TestOrphanedDespiteServer(t *testing.T) {
	b := newBench(t, 1, Timing{})
	b.must(b.inspector.PauseQueue(swept))
	b.serve(func(context.Context, *asynq.Task) error { return nil }, func(s *asynq.ServerInfo) bool { return s.Queues[swept] > 0 })
	task := b.task("c0", 1)
	b.abandon(task, time.Now().Add(-time.Hour))
	b.sweep(0, Repairs{})
	b.sweep(3*time.Minute, Repairs{Orphaned: 1})
	b.wantTask(task.beside(0), asynq.TaskStatePending)
}

// A handler may wait for a line for hours: a worker has its task.
func TestLeavesWaitingHandler(t *testing.T) {
	b := newBench(t, 1, Timing{})
	lineFree := make(chan struct{})
	defer close(lineFree)
	b.serve(func(context.Context, *asynq.Task) error { <-lineFree; return nil }, func(s *asynq.ServerInfo) bool { return len(s.ActiveWorkers) == 1 })
	b.wantTask(b.task("c0", 1), asynq.TaskStateActive)
	b.broken(Repairs{})
	b.sweep(time.Hour, Repairs{})
	b.wantTask(b.task("c0", 1).beside(0), 0)
}

// The contact is done otherwise: its orphan stays, and nobody cares.
func TestLeavesOrphanOfDoneContact(t *testing.T) {
	b := newBench(t, 2, Timing{})
	b.abandon(b.task("c0", 1), time.Time{})
	ended, err := b.ledger.End(t.Context(), swept, "c0", 1, campaign.Suppressed)
	if err != nil || !ended {
		t.Fatalf("end: %v, %v", ended, err)
	}
	b.sweep(0, Repairs{Surplus: 1})
	b.sweep(3*time.Minute, Repairs{})
	b.wantTask(b.task("c0", 1).beside(0), 0)
}

func TestUntracked(t *testing.T) {
	for _, state := range []campaign.ContactState{campaign.Placing, campaign.Live} {
		t.Run(string(state), func(t *testing.T) {
			b := newBench(t, 2, Timing{})
			ref := b.claim("c0")
			if state == campaign.Live {
				_, err := b.ledger.Placed(t.Context(), ref, "ringout-1")
				b.must(err)
			}
			b.sweep(10*time.Minute, Repairs{})
			b.hold(ref, "blocked")
			b.broken(Repairs{})
			b.must(b.rdb.Del(t.Context(), "ringqueue:{ledger}:line:"+sweptLine).Err())
			b.wantContact("c0", state, 1)
			b.broken(Repairs{Untracked: 1})
			rec := b.wantContact("c0", campaign.UnconfirmedHeld, 1)
			if a := rec.Attempts[0]; len(rec.Attempts) != 1 || a.Detail != lostRecord || a.Outcome != campaign.Unconfirmed || a.Charged {
				t.Errorf("attempts %+v", rec.Attempts)
			}
			b.wantTask(b.task("c0", 1), asynq.TaskStatePending)
			b.wantTask(b.task("c0", 2), 0)
		})
	}
}

// Another attempt has the line, or the line is free: nobody tracks the call either.
func TestUntrackedOtherToken(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"other attempt": {"token": "another"}, "free": {"state": ""}, "wrap-up": {"state": "wrap_up"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1, Timing{})
			b.claim("c0")
			b.must(b.rdb.HSet(t.Context(), "ringqueue:{ledger}:line:"+sweptLine, change).Err())
			// Up to two minutes after its send-by, the one who claimed it may be about to say more.
			b.sweep(time.Minute, Repairs{})
			b.sweep(time.Minute, Repairs{})
			b.sweep(20*time.Second, Repairs{})
			b.sweep(10*time.Second, Repairs{Untracked: 1})
		})
	}
}
