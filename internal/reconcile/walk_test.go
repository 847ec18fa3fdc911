package reconcile

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// A task whose contact has moved on is the handler's to end.
func TestLeavesSurplus(t *testing.T) {
	b := newBench(t, 3, Timing{})
	ended, err := b.ledger.End(t.Context(), swept, "c0", 1, campaign.Suppressed)
	if err != nil || !ended {
		t.Fatalf("end: %v, %v", ended, err)
	}
	b.sweep(0, Repairs{Surplus: 1})
	b.sweep(time.Hour, Repairs{Surplus: 1})
	b.wantTask(b.task("c0", 1), asynq.TaskStatePending)
}

// A surplus must not hide what is missing from the counts for ever: the walk finds it.
func TestFindsMissingBehindSurplus(t *testing.T) {
	b := newBench(t, 30, Timing{Page: 5})
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
func TestHurries(t *testing.T) {
	b := newBench(t, 60, Timing{Page: 4})
	b.must(b.inspector.DeleteTask(swept, b.task("c59", 1).id))
	b.sweep(10*time.Second, Repairs{})
	b.sweep(10*time.Second, Repairs{}) // found
	b.sweep(10*time.Second, Repairs{Missing: 1})
	if w := b.reconciler.walks[swept]; w.left > 0 || len(w.suspects) > 0 {
		t.Errorf("still hurrying: %+v", w)
	}
}

func TestReportsUnevenCounts(t *testing.T) {
	b := newBench(t, 3, Timing{})
	b.must(b.rdb.HIncrBy(t.Context(), "ringqueue:{ledger}:campaign:"+swept, "total", 1).Err())
	b.sweep(0, Repairs{Uneven: 1})
	if got := b.log.String(); !strings.Contains(got, `"level":"error"`) || !strings.Contains(got, "do not add up") {
		t.Errorf("log: %s", got)
	}
}

// roundTrips counts what is sent to Redis.
type roundTrips struct{ n, commands atomic.Int64 }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.n.Add(1); r.commands.Add(1); return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.n.Add(1)
		r.commands.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// A large healthy campaign costs a few round trips per sweep, however many wait.
func TestIsCheap(t *testing.T) {
	b := newBench(t, 3000, Timing{})
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
