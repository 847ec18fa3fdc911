package line

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func manyLines(n int) []Line {
	lines := make([]Line, n)
	for i := range lines {
		lines[i] = Line{Name: fmt.Sprint("line", i), Number: fmt.Sprintf("+1650556%04d", i), Team: "sales"}
	}
	return lines
}

// trips counts round trips to Redis.
type trips struct{ n atomic.Int64 }

func (t *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmd)
	}
}

func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmds)
	}
}

// TestAThousandLeasesTakeFewTrips: at any distance from Redis a round is a fraction of a lease. So is handing back.
func TestAThousandLeasesTakeFewTrips(t *testing.T) {
	t.Parallel()
	onRedis(t, func(r *room) {
		count := &trips{}
		r.rdb.AddHook(count)
		const most = 1000/batch + 10
		ext := r.extension()
		lines := manyLines(1000)
		for i := range lines {
			lines[i].Extension = ext
		}
		p := NewPool(r.rdb, r.book, zerolog.Nop(), Config{Worker: "w1", Lines: lines, Lease: time.Hour})
		for _, what := range []string{"taking", "renewing"} {
			count.n.Store(0)
			p.leaseAll(r.t.Context())
			if n := count.n.Load(); n > most || len(p.Held()) != 1000 {
				r.t.Errorf("%s: %d trips, %d lines held; want at most %d trips", what, n, len(p.Held()), most)
			}
		}
		count.n.Store(0)
		p.handOver(r.t.Context())
		if n := count.n.Load(); n > most {
			r.t.Errorf("handing back: %d trips, want at most %d", n, most)
		}
		other := NewPool(r.rdb, r.book, zerolog.Nop(), Config{Worker: "w2", Lines: lines, Lease: time.Hour, MaxLines: 300})
		other.leaseAll(r.t.Context())
		if n := len(other.Held()); n != 300 {
			r.t.Errorf("the next worker has %d lines, want as many as it may", n)
		}
		other.handOver(r.t.Context())
	})
}

// TestOneLinesErrorIsItsOwn: a record that cannot be leased costs no other line its lease.
func TestOneLinesErrorIsItsOwn(t *testing.T) {
	t.Parallel()
	onRedis(t, func(r *room) {
		lines := manyLines(5)
		if err := r.rdb.Set(r.t.Context(), keyLine(lines[0].Number), "no hash", 0).Err(); err != nil {
			r.t.Fatal(err)
		}
		w := r.work("w1", lines...)
		if n := len(w.Held()); n != 4 {
			r.t.Fatalf("%d lines held, want the 4 whose records are good", n)
		}
		if err := r.rdb.Del(r.t.Context(), keyLine(lines[0].Number)).Err(); err != nil {
			r.t.Fatal(err)
		}
		r.until("the fifth", func() bool { return len(w.Held()) == 5 })
	})
}

// TestLeasesGoOnWithoutTheirScripts: a Redis that has forgotten the scripts is told them again, in the same round.
func TestLeasesGoOnWithoutTheirScripts(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := newStore(s.Client(t))
	wishes := make([]wish, 0, 600)
	for _, l := range manyLines(600) {
		wishes = append(wishes, wish{line: l})
	}
	for range 2 {
		records, errs := st.takeLeases(t.Context(), "w1", time.Minute, wishes)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, rec := range records {
			if !rec.ours {
				t.Fatal("a lease was not taken")
			}
		}
		if err := st.rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLeasesOfARedisThatIsAway: each line has its error.
func TestLeasesOfARedisThatIsAway(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{MaxRetries: -1, Dialer: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("away")
	}})
	t.Cleanup(func() { _ = rdb.Close() })
	_, errs := newStore(rdb).takeLeases(t.Context(), "w1", time.Minute, []wish{{line: alice}, {line: bob}})
	for i, err := range errs {
		if err == nil {
			t.Errorf("line %d has no error", i)
		}
	}
}
