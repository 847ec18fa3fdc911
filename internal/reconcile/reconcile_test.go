package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/tasks"
)

// One reconciler at a time; what the other saw before does not count.
func TestOneAtATime(t *testing.T) {
	b := newBench(t, 3, Timing{})
	other := b.another(Timing{})
	b.must(b.inspector.DeleteTask(swept, b.task("c1", 1).id))
	b.sweep(0, Repairs{})
	if r, err := other.Reconcile(t.Context(), b.now.Add(time.Hour)); !errors.Is(err, ErrElsewhere) || r != (Repairs{}) {
		t.Fatalf("the other reconciler: %+v, %v", r, err)
	}
	b.must(b.ledger.GiveSweep(t.Context(), "a stranger"))
	if _, err := other.Reconcile(t.Context(), b.now); !errors.Is(err, ErrElsewhere) {
		t.Fatalf("after a stranger gave the lease back: %v", err)
	}
	if ttl := b.rdb.PTTL(t.Context(), "ringqueue:{ledger}:sweeper").Val(); ttl <= 0 || ttl > leaseTime {
		t.Errorf("the lease lives for %s", ttl)
	}
	b.must(b.ledger.GiveSweep(t.Context(), b.reconciler.token))
	if r, err := other.Reconcile(t.Context(), b.now.Add(time.Hour)); err != nil || r != (Repairs{}) {
		t.Fatalf("the other reconciler's first sight: %+v, %v", r, err)
	}
	if _, err := b.reconciler.Reconcile(t.Context(), b.now.Add(time.Hour)); !errors.Is(err, ErrElsewhere) {
		t.Fatalf("the first reconciler: %v", err)
	}
	b.must(b.ledger.GiveSweep(t.Context(), other.token))
	b.sweep(2*time.Hour, Repairs{})
	b.sweep(10*time.Second, Repairs{Missing: 1})
}

// Several reconcilers run; each contact is repaired once, and when one ends, another goes on.
func TestRunTogether(t *testing.T) {
	const n = 40
	b := newBench(t, n, Timing{})
	repaired := func() int { return strings.Count(b.log.String(), `"rule":"missing"`) }
	stops := make([]context.CancelFunc, 3)
	for i := range stops {
		var ctx context.Context
		ctx, stops[i] = context.WithCancel(t.Context())
		done := make(chan struct{})
		s := b.another(Timing{Every: 20 * time.Millisecond})
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
		t.Error("the lease outlives the last reconciler")
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
func (a *agents) Ready(context.Context) error          { return nil }
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

// TestHealthyIsLeftAlone sweeps at random moments of a campaign that nothing is wrong with: real queues, handlers,
// lines and ledger, retries and pauses, calls that last longer than every grace of the sweeper.
func TestHealthyIsLeftAlone(t *testing.T) {
	b := newBench(t, 0, Timing{Confirm: time.Second, Orphaned: 7 * time.Second, Untracked: 100 * time.Millisecond, Page: 7})
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
	book := dial.NewBook(b.ledger, b.producer, time.Now)
	pool := line.NewPool(b.rdb, book, quiet, line.Config{Worker: "w", Lines: lines, PollInterval: 20 * time.Millisecond})
	pauses := tasks.NewPauses(b.rdb)
	stop, halt := context.WithCancel(t.Context())
	linesCtx, stopLines := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { pool.Run(linesCtx) })
	<-pool.Started()
	srv := tasks.NewServer(tasks.ServerConfig{
		Redis: b.rdb, Ledger: b.ledger, Lines: pool, Size: len(lines), Log: quiet, Every: 50 * time.Millisecond,
		Rounds: dial.New(dial.Config{
			Ledger: b.ledger, Follower: b.producer, Settler: book, Pauses: pauses, Lines: tasks.KeepPromises(dial.PoolLines(pool)),
			Now: time.Now, Timing: dial.Timing{SendWithin: time.Second, Recheck: time.Second},
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
		r, err := b.reconciler.Reconcile(t.Context(), time.Now())
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
