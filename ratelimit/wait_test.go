package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestSlotLapsed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		name  string
		until time.Time
		want  bool
	}{
		{"in time", now.Add(time.Millisecond), false},
		{"at its end", now, true},
		{"after", now.Add(-time.Millisecond), true},
		{"by the wall clock only, as after the machine's sleep", now.Round(0).Add(-time.Hour), true},
		{"never granted", time.Time{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (Slot{Until: tt.until}).lapsed(now); got != tt.want {
				t.Errorf("lapsed is %t, want %t", got, tt.want)
			}
		})
	}
}

// TestGrantLocal: whatever the moment of the reply, the slot's time by the local
// clock is inside its time by Redis's.
func TestGrantLocal(t *testing.T) {
	t.Parallel()
	sent := time.Now()
	got := sent.Add(40 * time.Millisecond)
	for _, off := range []time.Duration{-3 * time.Millisecond, 0, 20 * time.Second} {
		g := grant{slot: 5e15 + off.Microseconds(), now: 5e15, limit: three, sent: sent, got: got}
		s := g.local(heavy, "t")
		for _, replied := range []time.Time{sent, sent.Add(15 * time.Millisecond), got} {
			slot := replied.Add(off)
			if s.At.Before(slot) {
				t.Errorf("off %s: At is %s before the slot", off, slot.Sub(s.At))
			}
			if end := slot.Add(three.tolerance()); s.Until.After(end) {
				t.Errorf("off %s: Until is %s after the tolerance", off, s.Until.Sub(end))
			}
		}
	}
}

// TestWaitOrder: waiters are served in the order in which they came, each at its
// slot, none before it.
func TestWaitOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		began := time.Now()
		var mu sync.Mutex
		var order []int
		var at []time.Duration
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				slot, err := b.Wait(t.Context(), b.key)
				if err != nil {
					t.Errorf("wait: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				order, at = append(order, i), append(at, time.Since(began))
				if slot.Lapsed() || time.Now().Before(slot.At) {
					t.Errorf("waiter %d was woken %s after its slot", i, time.Since(slot.At))
				}
				if slot.Limit != three {
					t.Errorf("slot's limit is %v, want %v", slot.Limit, three)
				}
			})
			synctest.Wait() // i sleeps or is served before i+1 comes
		}
		wg.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("served in order %v", order)
		}
		for i, got := range at {
			if want := time.Duration(i/three.N) * spacer; got < want || got > want+time.Millisecond {
				t.Errorf("waiter %d was served after %s, want %s", i, got, want)
			}
		}
	})
}

// TestWaitSleepsThroughBlock: a refusal that comes while somebody sleeps.
func TestWaitSleepsThroughBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		b.fill(tokens("a", 3))
		began := time.Now()
		time.AfterFunc(50*time.Second, func() {
			b.see("o", Observation{Limited: true, RetryAfter: time.Minute})
		})
		if _, err := b.Wait(t.Context(), b.key); err != nil {
			t.Fatalf("wait: %v", err)
		}
		if got, want := time.Since(began), 110*time.Second+three.margin(); got != want {
			t.Errorf("waited for %s, want %s: until the block is over", got, want)
		}
	})
}

func TestWaitCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		b.fill(tokens("a", 3))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second, cancel)
		if _, err := b.Wait(ctx, b.key); !errors.Is(err, context.Canceled) {
			t.Errorf("wait: %v, want %v", err, context.Canceled)
		}
		if u := b.usage(); u.Waiting != 0 || u.Used != 3 {
			t.Errorf("usage is %+v, want the slot given back", u)
		}
		// Already done: nothing is reserved at all.
		if _, err := b.Wait(ctx, b.key); !errors.Is(err, context.Canceled) {
			t.Errorf("wait: %v, want %v", err, context.Canceled)
		}
		// Whoever comes now has the slot that was given back.
		began := time.Now()
		if _, err := b.Wait(t.Context(), b.key); err != nil {
			t.Fatalf("wait: %v", err)
		}
		if got, want := time.Since(began), spacer-20*time.Second; got.Round(time.Millisecond) != want {
			t.Errorf("waited for %s, want %s", got, want)
		}
	})
}

func TestWaitDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		b.fill(tokens("a", 3))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // half a second too short
		defer cancel()
		began := time.Now()
		if _, err := b.Wait(ctx, b.key); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v, want %v", err, context.DeadlineExceeded)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("it took %s to say that the deadline comes first, want no time", got)
		}
		if n := len(b.entries()); n != 3 {
			t.Errorf("log has %d slots, want 3: the waiter's is given back", n)
		}
	})
}

func TestSlotGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, Limit{N: 1, Window: time.Minute})
		slot, err := b.Wait(t.Context(), b.key)
		if err != nil {
			t.Fatalf("wait: %v", err)
		}
		for _, s := range []Slot{slot, slot, {}} {
			if err := b.GiveBack(t.Context(), s); err != nil {
				t.Errorf("give back: %v", err)
			}
		}
		began := time.Now()
		if _, err := b.Wait(t.Context(), b.key); err != nil {
			t.Fatalf("wait: %v", err)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("waited for %s, want no wait after the only slot was given back", got)
		}
	})
}

// slowScripter delays every reply by more than the tolerance.
type slowScripter struct {
	redis.Scripter
	delay time.Duration
}

func (s slowScripter) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := s.Scripter.EvalSha(ctx, sha, keys, args...)
	time.Sleep(s.delay)
	return cmd
}

func TestWaitSlowRedis(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		delay time.Duration
		want  error
	}{
		{"quicker than the tolerance", three.tolerance() - time.Millisecond, nil},
		{"slower", three.tolerance() + time.Millisecond, ErrSlow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, _ := inBubble(t, three)
				b.redis = slowScripter{b.client, tt.delay}
				slot, err := b.Wait(t.Context(), b.key)
				if !errors.Is(err, tt.want) {
					t.Fatalf("wait: %v, want %v", err, tt.want)
				}
				if err == nil && slot.Lapsed() {
					t.Error("slot has lapsed")
				}
				b.redis = b.client
				want := 1
				if err != nil {
					want = 0
				}
				if u := b.usage(); u.Used+u.Waiting != want {
					t.Errorf("usage is %+v, want %d slots in the log", u, want)
				}
			})
		})
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = client.Close() })
	b := newBundle(t, client, three)
	if _, err := b.Wait(t.Context(), b.key); err != nil {
		t.Fatalf("wait: %v", err)
	}
	server.Kill()
	if slot, err := b.Wait(t.Context(), b.key); err == nil || !slot.Lapsed() {
		t.Errorf("wait without redis: %+v, %v, want an error and no slot", slot, err)
	}
	if err := b.Observe(t.Context(), b.key, Observation{Limited: true, RetryAfter: time.Hour}); err == nil {
		t.Error("observe without redis: no error")
	}
	if _, err := b.Look(t.Context(), b.key); err == nil {
		t.Error("look without redis: no error")
	}
	server.Restart()
	// Redis has forgotten everything; the refusal that it was not told is told now.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := b.Wait(ctx, b.key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: %v, want %v: the quota is blocked for an hour", err, context.DeadlineExceeded)
	}
	if left := time.Until(b.usage().BlockedUntil); left < 50*time.Minute {
		t.Errorf("blocked for %s, want an hour", left)
	}
}

// TestStalledRedis: Redis executes what it was sent during a stall when it goes
// on, long after the waiter has gone. Nothing of that may keep a slot.
func TestStalledRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), MaxRetries: 2, ReadTimeout: 50 * time.Millisecond, DialTimeout: 200 * time.Millisecond,
	})
	t.Cleanup(func() { _ = client.Close() })
	b := newBundle(t, client, three)
	b.slotOf("before")
	b.drop("before")

	server.Pause()
	if _, err := b.Wait(t.Context(), b.key); err == nil {
		t.Error("wait returned a slot from a stalled redis")
	}
	server.Continue()
	waitFor(t, func() bool { return client.Ping(t.Context()).Err() == nil })
	if _, err := b.Wait(t.Context(), b.key); err != nil {
		t.Fatalf("wait: %v", err)
	}
	if es := b.entries(); len(es) != 1 {
		t.Errorf("log has %v, want the last waiter's slot alone", es)
	}
	if len(b.owed) != 0 {
		t.Errorf("still owed: %v", b.owed)
	}
}

// TestManyLimiters lets several processes' limiters compete on a real Redis, while
// the quota is blocked in between, and looks at when slots were really used.
func TestManyLimiters(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lim := Limit{N: 5, Window: 400 * time.Millisecond} // tolerance 1.67 ms
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()

	type use struct{ from, until time.Time }
	var mu sync.Mutex
	var used []use
	var wg sync.WaitGroup
	for range 3 {
		b := newBundle(t, server.Client(t), lim)
		for range 4 {
			wg.Go(func() {
				for {
					slot, err := b.Wait(ctx, b.key)
					if errors.Is(err, context.DeadlineExceeded) {
						return
					}
					if errors.Is(err, ErrSlow) {
						continue // on a busy machine
					}
					if err != nil {
						t.Errorf("wait: %v", err)
						return
					}
					mu.Lock()
					used = append(used, use{slot.At, slot.Until})
					mu.Unlock()
				}
			})
		}
	}
	var blockFrom, blockTo time.Time
	wg.Go(func() {
		b := newBundle(t, server.Client(t), lim)
		if err := sleep(ctx, time.Second); err != nil {
			t.Errorf("sleep: %v", err)
			return
		}
		before := time.Now()
		if err := b.Observe(ctx, b.key, Observation{Limited: true, RetryAfter: 500 * time.Millisecond}); err != nil {
			t.Errorf("observe: %v", err)
		}
		// What was confirmed a moment before the block may still be on its way.
		blockFrom, blockTo = time.Now().Add(lim.tolerance()), before.Add(500*time.Millisecond)
	})
	wg.Wait()

	slices.SortFunc(used, func(a, b use) int { return a.from.Compare(b.from) })
	for i, u := range used {
		if u.from.After(blockFrom) && u.from.Before(blockTo) {
			t.Errorf("slot %d is %s inside the block", i, u.from.Sub(blockFrom))
		}
		if i < lim.N {
			continue
		}
		// At is later than the slot by a round trip at most, and Until is bounded by
		// the tolerance, so that the latest use of one and the soonest of the other
		// are a window apart.
		if gap := u.from.Sub(used[i-lim.N].until); gap < lim.Window {
			t.Errorf("slot %d may be used %s after slot %d, want %s at least", i, gap, i-lim.N, lim.Window)
		}
	}
	if len(used) < 4*lim.N {
		t.Errorf("only %d slots in 3 s", len(used))
	}
}

// TestCluster: all keys of a quota are in one slot of a cluster.
func TestCluster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--cluster-enabled", "yes")
	if err := server.Client(t).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatalf("add slots: %v", err)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}})
	t.Cleanup(func() { _ = client.Close() })
	l := New(Config{Redis: client})
	waitFor(t, func() bool { return client.Ping(t.Context()).Err() == nil && clusterUp(t, server.Client(t)) })
	for i := range 5 {
		key := Key{Owner: fmt.Sprintf("ext{%d}", i), Group: "auth"}
		slot, err := l.Wait(t.Context(), key)
		if err != nil {
			t.Fatalf("wait: %v", err)
		}
		if err := l.Observe(t.Context(), key, Observation{Limit: 5, Remaining: 1, Window: time.Minute}); err != nil {
			t.Errorf("observe: %v", err)
		}
		if u, err := l.Look(t.Context(), key); err != nil || u.Used != 4 {
			t.Errorf("look: %+v, %v, want 4 in use", u, err)
		}
		if err := l.GiveBack(t.Context(), slot); err != nil {
			t.Errorf("give back: %v", err)
		}
	}
}

func clusterUp(t *testing.T, client *redis.Client) bool {
	t.Helper()
	info, err := client.ClusterInfo(t.Context()).Result()
	return err == nil && len(info) > 17 && info[:16] == "cluster_state:ok"
}

func TestLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		u := b.usage()
		if u.NextSlot.After(time.Now()) || !u.BlockedUntil.IsZero() || u.Used != 0 || u.Waiting != 0 || u.Limit != 3 || u.Window != time.Minute {
			t.Errorf("usage of an untouched quota is %+v", u)
		}
		began := time.Now()
		b.fill(tokens("a", 5))
		u = b.usage()
		if next := u.NextSlot.Sub(began).Round(time.Millisecond); u.Used != 1 || u.Waiting != 4 || next != spacer {
			// In a bubble no time passes: the first slot is now, the others
			// microseconds after.
			t.Errorf("usage is %+v, want 1 used, 4 waiting, the next after %s", u, spacer)
		}
		b.see("o", Observation{Limited: true, RetryAfter: 5 * time.Minute})
		want := began.Add(5*time.Minute + three.margin())
		if u = b.usage(); !u.BlockedUntil.Equal(want) || u.NextSlot.Before(want) {
			t.Errorf("usage is %+v, want it blocked until %s", u, want)
		}
		time.Sleep(6 * time.Minute)
		if u = b.usage(); !u.BlockedUntil.IsZero() {
			t.Errorf("blocked until %s, want no block after its end", u.BlockedUntil)
		}
	})
}
