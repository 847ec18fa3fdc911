package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/tasks"
)

const (
	swept     = "spring"
	sweptLine = "+16505550001"
)

// bench is a campaign on a Redis of its own, with contacts c0, c1, … that wait with their tasks.
type bench struct {
	t          *testing.T
	rdb        *redis.Client
	ledger     *ledger.Ledger
	producer   *tasks.Producer
	inspector  *asynq.Inspector
	reconciler *Reconciler
	log        *testlog.Buffer
	now        time.Time
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

func newBench(t *testing.T, contacts int, timing Timing) *bench {
	t.Helper()
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	b := &bench{
		t: t, rdb: rdb, ledger: ledger.New(rdb), producer: tasks.NewProducer(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb), log: &testlog.Buffer{}, now: time.Now(),
	}
	b.reconciler = b.another(timing)
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

func (b *bench) another(timing Timing) *Reconciler {
	return New(Config{
		Redis: b.rdb, Ledger: b.ledger, Tasks: tasks.NewInspector(b.rdb, b.producer), Settler: dial.NewBook(b.ledger, b.producer, time.Now),
		Held: func(ctx context.Context) ([]campaign.Ref, error) { return line.Held(ctx, b.rdb) },
		Log:  zerolog.New(b.log), Timing: timing,
	})
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// sweep sweeps so much later, and wants these repairs; a surplus is only compared where one is wanted.
func (b *bench) sweep(after time.Duration, want Repairs) {
	b.t.Helper()
	b.now = b.now.Add(after)
	got, err := b.reconciler.Reconcile(b.t.Context(), b.now)
	b.must(err)
	if want.Surplus == 0 {
		got.Surplus = 0
	}
	if got != want {
		b.t.Fatalf("sweep %s later: got %+v, want %+v\n%s", after, got, want, b.log)
	}
}

// broken sweeps until the repair, which must come with the second sweep and only once.
func (b *bench) broken(want Repairs) {
	b.t.Helper()
	b.sweep(0, Repairs{})
	b.sweep(10*time.Second, want)
	b.sweep(10*time.Second, Repairs{})
	b.sweep(10*time.Minute, Repairs{})
}

func (b *bench) task(contact string, round int) taskRef {
	b.t.Helper()
	queue, id := tasks.NewInspector(b.rdb, b.producer).Task(swept, contact, round)
	return taskRef{queue, id}
}

// wantTask wants a task in a state; 0: no such task.
func (b *bench) wantTask(task taskRef, want asynq.TaskState) *asynq.TaskInfo {
	b.t.Helper()
	info, err := b.inspector.GetTaskInfo(task.queue, task.id)
	if want == 0 && (errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound)) {
		return nil
	}
	b.must(err)
	if info.State != want {
		b.t.Fatalf("task %s is %s, want %s", task.id, info.State, want)
	}
	return info
}

func (b *bench) wantContact(id string, state campaign.ContactState, round int) ledger.Record {
	b.t.Helper()
	rec, err := b.ledger.Contact(b.t.Context(), swept, id)
	b.must(err)
	if rec.State != state || rec.Round != round {
		b.t.Fatalf("contact %s is %s in round %d, want %s in round %d", id, rec.State, rec.Round, state, round)
	}
	return rec
}

// claim claims the contact's first attempt on a line that is occupied for it.
func (b *bench) claim(contact string) campaign.Ref {
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
func (b *bench) hold(ref campaign.Ref, state string) {
	b.t.Helper()
	b.must(b.rdb.SAdd(b.t.Context(), "ringqueue:{ledger}:lines", sweptLine).Err())
	b.must(b.rdb.HSet(b.t.Context(), "ringqueue:{ledger}:line:"+sweptLine, "name", "alice", "state", state, "token", ref.Token,
		"campaign", ref.Campaign, "contact", ref.Contact).Err())
}

// abandon makes a pending task active as Asynq's dequeue does, for a worker that does not exist.
func (b *bench) abandon(task taskRef, lease time.Time) {
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
func (b *bench) finish(task taskRef) {
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

func (b *bench) eventually(what string, holds func() bool) {
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
