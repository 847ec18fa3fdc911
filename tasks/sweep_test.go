package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

const (
	swept     = "spring"
	sweptLine = "+16505550001"
)

// sweepBench is a campaign on a Redis of its own, with contacts c0, c1, … that wait with their tasks.
type sweepBench struct {
	t         *testing.T
	rdb       *redis.Client
	ledger    *ledger.Ledger
	producer  *Producer
	inspector *asynq.Inspector
	sweeper   *Sweeper
	log       *lockedBuffer
	now       time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// people is a list of contacts.
type people struct{ next, n int }

func (p *people) Next() (campaign.Contact, error) {
	if p.next == p.n {
		return campaign.Contact{}, io.EOF
	}
	p.next++
	return campaign.Contact{
		ID: fmt.Sprintf("c%d", p.next-1), Row: p.next, Numbers: []string{fmt.Sprintf("+1415%07d", p.next)}, Name: "Ada Example",
	}, nil
}

func sweptRules() campaign.Rules {
	r := campaign.Default(swept)
	r.CallingHours = campaign.Hours{Always: true}
	return r
}

func newSweepBench(t *testing.T, contacts int, timing SweepTiming) *sweepBench {
	t.Helper()
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	b := &sweepBench{
		t: t, rdb: rdb, ledger: ledger.New(rdb), producer: NewProducer(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb), log: &lockedBuffer{}, now: time.Now(),
	}
	b.sweeper = b.another(timing)
	b.must(b.ledger.Create(t.Context(), sweptRules(), false))
	if contacts > 0 {
		_, err := b.producer.Import(t.Context(), sweptRules(), &people{n: contacts}, nil)
		b.must(err)
	}
	t.Cleanup(func() {
		for _, personal := range []string{"+1415", "Ada", "6505550001"} {
			if strings.Contains(b.log.String(), personal) {
				t.Errorf("the log has %q:\n%s", personal, b.log)
			}
		}
	})
	return b
}

func (b *sweepBench) another(timing SweepTiming) *Sweeper {
	return NewSweeper(b.rdb, b.ledger, b.producer, zerolog.New(b.log), timing)
}

func (b *sweepBench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// sweep sweeps so much later, and wants these repairs; a surplus is only compared where one is wanted.
func (b *sweepBench) sweep(after time.Duration, want Repairs) {
	b.t.Helper()
	b.now = b.now.Add(after)
	got, err := b.sweeper.Sweep(b.t.Context(), b.now)
	b.must(err)
	if want.Surplus == 0 {
		got.Surplus = 0
	}
	if got != want {
		b.t.Fatalf("sweep %s later: got %+v, want %+v\n%s", after, got, want, b.log)
	}
}

// broken sweeps until the repair, which must come with the second sweep and only once.
func (b *sweepBench) broken(want Repairs) {
	b.t.Helper()
	b.sweep(0, Repairs{})
	b.sweep(10*time.Second, want)
	b.sweep(10*time.Second, Repairs{})
	b.sweep(10*time.Minute, Repairs{})
}

func (b *sweepBench) task(contact string, round int) taskRef {
	b.t.Helper()
	task, err := roundTask(swept, contact, round)
	b.must(err)
	return task
}

// wantTask wants a task in a state; 0: no such task.
func (b *sweepBench) wantTask(task taskRef, want asynq.TaskState) *asynq.TaskInfo {
	b.t.Helper()
	info, err := b.inspector.GetTaskInfo(task.queue, task.id)
	if want == noTask && (errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound)) {
		return nil
	}
	b.must(err)
	if info.State != want {
		b.t.Fatalf("task %s is %s, want %s", task.id, info.State, want)
	}
	return info
}

func (b *sweepBench) wantContact(id string, state campaign.ContactState, round int) ledger.Record {
	b.t.Helper()
	rec, err := b.ledger.Contact(b.t.Context(), swept, id)
	b.must(err)
	if rec.State != state || rec.Round != round {
		b.t.Fatalf("contact %s is %s in round %d, want %s in round %d", id, rec.State, rec.Round, state, round)
	}
	return rec
}

// claim claims the contact's first attempt on a line that is occupied for it.
func (b *sweepBench) claim(contact string) campaign.Ref {
	b.t.Helper()
	ref := campaign.Ref{Campaign: swept, Contact: contact, Token: "token-" + contact}
	b.hold(ref, "occupied")
	rec, err := b.ledger.Contact(b.t.Context(), swept, contact)
	b.must(err)
	_, err = b.ledger.Claim(b.t.Context(), ledger.Claim{
		Ref: ref, Round: rec.Round, Number: rec.Contact.Number(), Line: "alice", LineNumber: sweptLine, Extension: "x",
		SendWithin: 5 * time.Second,
	})
	b.must(err)
	return ref
}

// hold writes the line's record as its owner would.
func (b *sweepBench) hold(ref campaign.Ref, state string) {
	b.t.Helper()
	b.must(b.rdb.SAdd(b.t.Context(), "ringqueue:{ledger}:lines", sweptLine).Err())
	b.must(b.rdb.HSet(b.t.Context(), keyLine(sweptLine), "name", "alice", "state", state, "token", ref.Token,
		"campaign", ref.Campaign, "contact", ref.Contact).Err())
}

// abandon makes a pending task active as Asynq's dequeue does, for a worker that does not exist.
func (b *sweepBench) abandon(task taskRef, lease time.Time) {
	b.t.Helper()
	prefix := "asynq:{" + task.queue + "}:"
	if n := b.rdb.LRem(b.t.Context(), prefix+"pending", 0, task.id).Val(); n != 1 {
		b.t.Fatalf("task %s was not pending", task.id)
	}
	b.must(b.rdb.LPush(b.t.Context(), prefix+"active", task.id).Err())
	b.must(b.rdb.HSet(b.t.Context(), prefix+"t:"+task.id, "state", "active").Err())
	if !lease.IsZero() {
		b.must(b.rdb.ZAdd(b.t.Context(), prefix+"lease", redis.Z{Score: float64(lease.Unix()), Member: task.id}).Err())
	}
}

// finish lets a real Asynq server run a campaign's tasks with a handler that does nothing.
func (b *sweepBench) finish(task taskRef) {
	b.t.Helper()
	srv := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{
		Concurrency: 1, Queues: map[string]int{task.queue: 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 200 * time.Millisecond,
		DelayedTaskCheckInterval: 200 * time.Millisecond, RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
	})
	b.must(srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })))
	defer srv.Shutdown()
	b.eventually("the task is completed", func() bool {
		info, err := b.inspector.GetTaskInfo(task.queue, task.id)
		return err == nil && info.State == asynq.TaskStateCompleted
	})
}

func (b *sweepBench) eventually(what string, holds func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			b.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestSweepMissing(t *testing.T) {
	b := newSweepBench(t, 3, SweepTiming{})
	b.sweep(0, Repairs{})
	b.must(b.inspector.DeleteTask(swept, b.task("c1", 1).id))
	b.broken(Repairs{Missing: 1})
	b.wantTask(b.task("c1", 1), asynq.TaskStatePending)
	b.wantContact("c1", campaign.Waiting, 1)
}

// The worker died between the settlement and the next round's task.
func TestSweepMissingNextRound(t *testing.T) {
	b := newSweepBench(t, 1, SweepTiming{})
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
func TestSweepAllMissing(t *testing.T) {
	const n = 1200
	b := newSweepBench(t, n, SweepTiming{})
	b.must(b.inspector.DeleteQueue(swept, true))
	var total Repairs
	for range 8 {
		b.now = b.now.Add(10 * time.Second)
		r, err := b.sweeper.Sweep(t.Context(), b.now)
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

func TestSweepArchived(t *testing.T) {
	b := newSweepBench(t, 3, SweepTiming{})
	b.must(b.inspector.ArchiveTask(swept, b.task("c2", 1).id))
	b.broken(Repairs{Archived: 1})
	b.wantTask(b.task("c2", 1), asynq.TaskStatePending)
}

func TestSweepLeavesUnconfirmedArchived(t *testing.T) {
	b := newSweepBench(t, 2, SweepTiming{})
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

func TestSweepCompleted(t *testing.T) {
	b := newSweepBench(t, 1, SweepTiming{})
	task := b.task("c0", 1)
	b.finish(task)
	b.wantContact("c0", campaign.Waiting, 1)
	b.broken(Repairs{Completed: 1})
	b.wantTask(task, asynq.TaskStatePending)
}

// Asynq's bug: active, in no lease, for ever.
func TestSweepOrphaned(t *testing.T) {
	b := newSweepBench(t, 1, SweepTiming{})
	task := b.task("c0", 1)
	b.abandon(task, time.Time{})
	b.sweep(0, Repairs{})
	b.sweep(2*time.Minute, Repairs{})
	b.sweep(time.Minute, Repairs{Orphaned: 1})
	b.sweep(10*time.Second, Repairs{})
	b.sweep(time.Hour, Repairs{})
	b.wantTask(task, asynq.TaskStateActive)
	second := sideTask(task, 0)
	info := b.wantTask(second, asynq.TaskStatePending)
	p, err := parsePayload(asynq.NewTask(info.Type, info.Payload))
	if err != nil || p != (CallPayload{Version: 1, Campaign: swept, Contact: "c0", Round: 1}) {
		t.Fatalf("payload %+v, %v", p, err)
	}
	// What happens to a round's own task may happen to the ones beside it, up to a bound.
	b.must(b.inspector.ArchiveTask(second.queue, second.id))
	b.broken(Repairs{Archived: 1})
	b.finish(second)
	b.broken(Repairs{Completed: 1})
	for n := range sideTasks {
		b.wantTask(sideTask(task, n), asynq.TaskStatePending)
		b.abandon(sideTask(task, n), time.Time{})
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
func TestSweepLeavesLapsedLeaseToAsynq(t *testing.T) {
	b := newSweepBench(t, 1, SweepTiming{})
	task := b.task("c0", 1)
	b.abandon(task, time.Now().Add(-time.Hour))
	b.broken(Repairs{})
	b.wantTask(sideTask(task, 0), noTask)
	b.finish(task)
}

// serve starts an Asynq server on a campaign's queues and waits until the Inspector says what holds.
func (b *sweepBench) serve(h asynq.HandlerFunc, holds func(*asynq.ServerInfo) bool) {
	b.t.Helper()
	first, again := Queues(swept)
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
func TestSweepOrphanedDespiteServer(t *testing.T) {
	b := newSweepBench(t, 1, SweepTiming{})
	b.must(b.inspector.PauseQueue(swept))
	b.serve(func(context.Context, *asynq.Task) error { return nil }, func(s *asynq.ServerInfo) bool { return s.Queues[swept] > 0 })
	task := b.task("c0", 1)
	b.abandon(task, time.Now().Add(-time.Hour))
	b.sweep(0, Repairs{})
	b.sweep(3*time.Minute, Repairs{Orphaned: 1})
	b.wantTask(sideTask(task, 0), asynq.TaskStatePending)
}

// A handler may wait for a line for hours: a worker has its task.
func TestSweepLeavesWaitingHandler(t *testing.T) {
	b := newSweepBench(t, 1, SweepTiming{})
	lineFree := make(chan struct{})
	defer close(lineFree)
	b.serve(func(context.Context, *asynq.Task) error { <-lineFree; return nil }, func(s *asynq.ServerInfo) bool { return len(s.ActiveWorkers) == 1 })
	b.wantTask(b.task("c0", 1), asynq.TaskStateActive)
	b.broken(Repairs{})
	b.sweep(time.Hour, Repairs{})
	b.wantTask(sideTask(b.task("c0", 1), 0), noTask)
}

// The contact is done otherwise: its orphan stays, and nobody cares.
func TestSweepLeavesOrphanOfDoneContact(t *testing.T) {
	b := newSweepBench(t, 2, SweepTiming{})
	b.abandon(b.task("c0", 1), time.Time{})
	ended, err := b.ledger.End(t.Context(), swept, "c0", 1, campaign.Suppressed)
	if err != nil || !ended {
		t.Fatalf("end: %v, %v", ended, err)
	}
	b.sweep(0, Repairs{Surplus: 1})
	b.sweep(3*time.Minute, Repairs{})
	b.wantTask(sideTask(b.task("c0", 1), 0), noTask)
}

func TestSweepUntracked(t *testing.T) {
	for _, state := range []campaign.ContactState{campaign.Placing, campaign.Live} {
		t.Run(string(state), func(t *testing.T) {
			b := newSweepBench(t, 2, SweepTiming{})
			ref := b.claim("c0")
			if state == campaign.Live {
				_, err := b.ledger.Placed(t.Context(), ref, "ringout-1")
				b.must(err)
			}
			b.sweep(10*time.Minute, Repairs{})
			b.hold(ref, "blocked")
			b.broken(Repairs{})
			b.must(b.rdb.Del(t.Context(), keyLine(sweptLine)).Err())
			b.wantContact("c0", state, 1)
			b.broken(Repairs{Untracked: 1})
			rec := b.wantContact("c0", campaign.UnconfirmedHeld, 1)
			if a := rec.Attempts[0]; len(rec.Attempts) != 1 || a.Detail != lostRecord || a.Outcome != campaign.Unconfirmed || a.Charged {
				t.Errorf("attempts %+v", rec.Attempts)
			}
			b.wantTask(b.task("c0", 1), asynq.TaskStatePending)
			b.wantTask(b.task("c0", 2), noTask)
		})
	}
}

// Another attempt has the line, or the line is free: nobody tracks the call either.
func TestSweepUntrackedOtherToken(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"other attempt": {"token": "another"}, "free": {"state": ""}, "wrap-up": {"state": "wrap_up"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSweepBench(t, 1, SweepTiming{})
			b.claim("c0")
			b.must(b.rdb.HSet(t.Context(), keyLine(sweptLine), change).Err())
			// Up to two minutes after its send-by, the one who claimed it may be about to say more.
			b.sweep(time.Minute, Repairs{})
			b.sweep(time.Minute, Repairs{})
			b.sweep(20*time.Second, Repairs{})
			b.sweep(10*time.Second, Repairs{Untracked: 1})
		})
	}
}

// Calls of a cancelled campaign go on and are looked after; its waiting contacts are the server's to end.
func TestSweepCancelled(t *testing.T) {
	b := newSweepBench(t, 3, SweepTiming{})
	b.claim("c0")
	b.must(b.ledger.Cancel(t.Context(), swept))
	b.must(Clear(t.Context(), b.rdb, swept))
	b.must(b.rdb.Del(t.Context(), keyLine(sweptLine)).Err())
	b.sweep(5*time.Minute, Repairs{})
	b.sweep(10*time.Second, Repairs{Untracked: 1})
	b.wantTask(b.task("c1", 1), noTask)
	b.wantContact("c1", campaign.Waiting, 1)
}

// A task whose contact has moved on is the handler's to end.
func TestSweepLeavesSurplus(t *testing.T) {
	b := newSweepBench(t, 3, SweepTiming{})
	ended, err := b.ledger.End(t.Context(), swept, "c0", 1, campaign.Suppressed)
	if err != nil || !ended {
		t.Fatalf("end: %v, %v", ended, err)
	}
	b.sweep(0, Repairs{Surplus: 1})
	b.sweep(time.Hour, Repairs{Surplus: 1})
	b.wantTask(b.task("c0", 1), asynq.TaskStatePending)
}

// A surplus must not hide what is missing from the counts for ever: the walk finds it.
func TestSweepFindsMissingBehindSurplus(t *testing.T) {
	b := newSweepBench(t, 30, SweepTiming{Page: 5})
	if ended, err := b.ledger.End(t.Context(), swept, "c0", 1, campaign.Suppressed); err != nil || !ended {
		t.Fatalf("end: %v, %v", ended, err)
	}
	b.must(b.inspector.DeleteTask(swept, b.task("c29", 1).id))
	for range 6 {
		b.sweep(10*time.Second, Repairs{})
	}
	b.sweep(10*time.Second, Repairs{Missing: 1})
}

// Counts that disagree in two sweeps make the walk fast.
func TestSweepHurries(t *testing.T) {
	b := newSweepBench(t, 60, SweepTiming{Page: 4})
	b.must(b.inspector.DeleteTask(swept, b.task("c59", 1).id))
	b.sweep(10*time.Second, Repairs{})
	b.sweep(10*time.Second, Repairs{}) // found
	b.sweep(10*time.Second, Repairs{Missing: 1})
	if w := b.sweeper.walks[swept]; w.left > 0 || len(w.suspects) > 0 {
		t.Errorf("still hurrying: %+v", w)
	}
}

func TestSweepReportsUnevenCounts(t *testing.T) {
	b := newSweepBench(t, 3, SweepTiming{})
	b.must(b.rdb.HIncrBy(t.Context(), "ringqueue:{ledger}:campaign:"+swept, "total", 1).Err())
	b.sweep(0, Repairs{Uneven: 1})
	if got := b.log.String(); !strings.Contains(got, `"level":"error"`) || !strings.Contains(got, "do not add up") {
		t.Errorf("log: %s", got)
	}
}

// One sweeper at a time; what the other saw before does not count.
func TestSweepersTakeTurns(t *testing.T) {
	b := newSweepBench(t, 3, SweepTiming{})
	other := b.another(SweepTiming{})
	b.must(b.inspector.DeleteTask(swept, b.task("c1", 1).id))
	b.sweep(0, Repairs{})
	if r, err := other.Sweep(t.Context(), b.now.Add(time.Hour)); !errors.Is(err, ErrSweptElsewhere) || r != (Repairs{}) {
		t.Fatalf("the other sweeper: %+v, %v", r, err)
	}
	b.must(b.ledger.GiveSweep(t.Context(), "a stranger"))
	if _, err := other.Sweep(t.Context(), b.now); !errors.Is(err, ErrSweptElsewhere) {
		t.Fatalf("after a stranger gave the lease back: %v", err)
	}
	if ttl := b.rdb.PTTL(t.Context(), "ringqueue:{ledger}:sweeper").Val(); ttl <= 0 || ttl > sweepLease {
		t.Errorf("the lease lives for %s", ttl)
	}
	b.must(b.ledger.GiveSweep(t.Context(), b.sweeper.token))
	if r, err := other.Sweep(t.Context(), b.now.Add(time.Hour)); err != nil || r != (Repairs{}) {
		t.Fatalf("the other sweeper's first sight: %+v, %v", r, err)
	}
	if _, err := b.sweeper.Sweep(t.Context(), b.now.Add(time.Hour)); !errors.Is(err, ErrSweptElsewhere) {
		t.Fatalf("the first sweeper: %v", err)
	}
	b.must(b.ledger.GiveSweep(t.Context(), other.token))
	b.sweep(2*time.Hour, Repairs{})
	b.sweep(10*time.Second, Repairs{Missing: 1})
}

// Several sweepers run; each contact is repaired once, and when one ends, another goes on.
func TestSweepersRunTogether(t *testing.T) {
	const n = 40
	b := newSweepBench(t, n, SweepTiming{})
	repaired := func() int { return strings.Count(b.log.String(), `"rule":"missing"`) }
	stops := make([]context.CancelFunc, 3)
	for i := range stops {
		var ctx context.Context
		ctx, stops[i] = context.WithCancel(t.Context())
		done := make(chan struct{})
		s := b.another(SweepTiming{Every: 20 * time.Millisecond})
		go func() { defer close(done); s.Run(ctx) }()
		stop := stops[i]
		stops[i] = func() { stop(); <-done }
		defer stops[i]()
	}
	for round := range 3 {
		_, err := b.inspector.DeleteAllPendingTasks(swept)
		b.must(err)
		b.eventually("all are enqueued", func() bool {
			info, err := b.inspector.GetQueueInfo(swept)
			return err == nil && info.Pending == n
		})
		b.eventually("all repairs are in the log", func() bool { return repaired() >= n*(round+1) })
		if got := repaired(); got != n*(round+1) {
			t.Fatalf("%d repairs after round %d, want %d", got, round, n*(round+1))
		}
		stops[round]()
	}
	if b.rdb.Exists(t.Context(), "ringqueue:{ledger}:sweeper").Val() != 0 {
		t.Error("the lease outlives the last sweeper")
	}
}

// roundTrips counts what is sent to Redis.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.n.Add(1); return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { r.n.Add(1); return next(ctx, cmds) }
}

// A large healthy campaign costs a few round trips per sweep, however many wait.
func TestSweepIsCheap(t *testing.T) {
	b := newSweepBench(t, 3000, SweepTiming{})
	b.sweep(0, Repairs{}) // Redis learns the scripts
	trips := &roundTrips{}
	b.rdb.AddHook(trips)
	start := time.Now()
	for range 6 {
		b.sweep(10*time.Second, Repairs{})
	}
	t.Logf("%.1f round trips and %s per sweep", float64(trips.n.Load())/6, time.Since(start)/6)
	if n := trips.n.Load() / 6; n > 25 {
		t.Errorf("%d round trips per sweep of a page of 500 contacts", n)
	}
}

// agents is RingCentral for the healthy flow: calls that ring, are answered or not, and end.
type agents struct {
	line.Calls // what a healthy flow does not ask

	mu    sync.Mutex
	began map[string]time.Time
	talk  map[string]time.Duration
}

func (a *agents) Login(context.Context) error          { return nil }
func (a *agents) Cancel(context.Context, string) error { return nil }

func (a *agents) Presence(context.Context) (ringout.Presence, error) {
	return ringout.Presence{Telephony: "NoCall"}, nil
}

func (a *agents) Place(context.Context, ringout.Call) (ringout.RingOut, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := fmt.Sprintf("r%d", len(a.began))
	a.began[id] = time.Now()
	switch n := len(a.began); {
	case n == 3:
		a.talk[id] = 8 * time.Second
	case n%10 == 0:
		a.talk[id] = 3 * time.Second
	default:
		a.talk[id] = time.Duration(rand.Intn(300)) * time.Millisecond
	}
	return ringout.RingOut{ID: id, Call: ringout.InProgress, Caller: ringout.InProgress, Callee: ringout.InProgress}, nil
}

func (a *agents) Status(_ context.Context, id string) (ringout.RingOut, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	busy, over := strings.HasSuffix(id, "1") || strings.HasSuffix(id, "6"), time.Since(a.began[id]) >= a.talk[id]
	r := ringout.RingOut{ID: id, Call: ringout.Success, Caller: ringout.Success, Callee: ringout.Success}
	switch {
	case busy && over:
		r.Call, r.Caller, r.Callee = ringout.CannotReach, ringout.Finished, ringout.Busy
	case busy:
		r.Call, r.Callee = ringout.InProgress, ringout.InProgress
	case over:
		r.Caller, r.Callee = ringout.Finished, ringout.Finished
	}
	return r, nil
}

// TestSweepLeavesHealthyAlone sweeps at random moments of a campaign that nothing is wrong with: real queues, handlers,
// lines and ledger, retries and pauses, calls that last longer than every grace of the sweeper.
func TestSweepLeavesHealthyAlone(t *testing.T) {
	b := newSweepBench(t, 0, SweepTiming{Confirm: time.Second, Orphaned: 7 * time.Second, Untracked: 100 * time.Millisecond, Page: 7})
	rules := sweptRules()
	rules.Retry.Busy, rules.WrapUp = campaign.Delay(time.Second), time.Millisecond
	b.must(b.ledger.Create(t.Context(), rules, true))
	_, err := b.producer.Import(t.Context(), rules, &people{n: 60}, nil)
	b.must(err)

	limits := ratelimit.Defaults()
	for g := range limits {
		limits[g] = ratelimit.Limit{N: 5000, Window: time.Second}
	}
	quota := ratelimit.New(ratelimit.Config{Redis: b.rdb, Limits: limits})
	calls := &agents{began: map[string]time.Time{}, talk: map[string]time.Duration{}}
	var lines []line.Line
	for i := range 4 {
		lines = append(lines, line.Line{
			Name: fmt.Sprintf("l%d", i), Number: fmt.Sprintf("+1650555000%d", i), Team: rules.Team,
			Extension: line.NewExtension("x", calls, quota, limits["light"]),
		})
	}
	quiet := zerolog.Nop()
	pool := line.NewPool(b.rdb, dial.NewBook(b.ledger, b.producer, time.Now), quiet, line.Config{Worker: "w", Lines: lines, PollInterval: 20 * time.Millisecond})
	pauses := NewPauses(b.rdb)
	stop, halt := context.WithCancel(t.Context())
	linesCtx, stopLines := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { pool.Run(linesCtx) })
	<-pool.Started()
	srv := NewServer(ServerConfig{
		Redis: b.rdb, Ledger: b.ledger, Lines: pool, Size: len(lines), Log: quiet, Every: 50 * time.Millisecond,
		Rounds: dial.New(dial.Config{
			Ledger: b.ledger, Follower: b.producer, Settler: dial.NewBook(b.ledger, b.producer, time.Now), Pauses: pauses,
			Lines: KeepPromises(dial.PoolLines(pool)), Now: time.Now, Timing: dial.Timing{SendWithin: time.Second, Recheck: time.Second},
		}),
	})
	var serving sync.WaitGroup
	serving.Go(func() { srv.Run(stop) })
	defer func() {
		halt()
		serving.Wait()
		stopLines()
		wg.Wait()
	}()

	sweeps, paused := 0, false
	b.eventually("the campaign is done", func() bool {
		r, err := b.sweeper.Sweep(t.Context(), time.Now())
		b.must(err)
		sweeps++
		if r.Total() != 0 || r.Uneven != 0 {
			t.Fatalf("sweep %d repaired what is healthy: %+v\n%s", sweeps, r, b.log)
		}
		if rand.Intn(20) == 0 {
			paused = !paused
			if paused {
				b.must(pauses.Pause(t.Context(), swept))
			} else {
				b.must(pauses.Resume(t.Context(), swept))
			}
		}
		c, err := b.ledger.Campaign(t.Context(), swept)
		b.must(err)
		select {
		case <-time.After(time.Duration(rand.Intn(40)) * time.Millisecond):
		case <-t.Context().Done():
		}
		return !c.Counts.Open()
	})
	t.Logf("%d sweeps, %d calls", sweeps, len(calls.began))
	if sweeps < 50 || len(calls.began) < 65 {
		t.Errorf("%d sweeps during %d calls show nothing", sweeps, len(calls.began))
	}
}
