package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

// The quota is kept while Redis goes back to older snapshots again and again, or to none.
func TestQuotaWhileRedisForgets(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { forgetting(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func forgetting(t *testing.T, random *rand.Rand) {
	lim := Limit{N: 20, Window: time.Minute}
	first, m := inBubble(t, lim)
	limiters := []*bundle{first, newBundle(t, first.client, lim)}
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var used []int64
	var wg sync.WaitGroup
	for _, b := range limiters {
		for range 4 {
			pause := time.Duration(random.IntN(5000)) * time.Millisecond
			wg.Go(func() {
				for ctx.Err() == nil {
					slot, err := b.Wait(ctx, b.key)
					if err != nil {
						continue // it ends
					}
					if now := time.Now(); !slot.Lapsed() {
						mu.Lock()
						used = append(used, now.UnixMicro())
						mu.Unlock()
					}
					_ = sleep(ctx, pause)
				}
			})
		}
	}
	const times = 10
	for i := range times {
		time.Sleep(time.Duration(random.IntN(90)) * time.Second)
		restore := snapshot(t, m, first)
		time.Sleep(time.Duration(20+random.IntN(30)) * time.Second)
		if i%3 == 2 {
			m.FlushAll()
		} else {
			restore()
		}
		for _, b := range limiters { // each worker notices within 5 s
			time.Sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
			if err := b.Restore(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	stop()
	wg.Wait()
	slices.Sort(used)
	if at, bad := crowded(used, lim.N, lim.Window); bad {
		t.Errorf("more than %d requests in the window before %s", lim.N, time.UnixMicro(at))
	}
	// Each block of an eighth costs that much of the quota.
	minutes := time.UnixMicro(used[len(used)-1]).Sub(time.UnixMicro(used[0])).Minutes()
	if most := minutes * float64(lim.N); float64(len(used)) < 0.7*most {
		t.Errorf("%d requests of %.0f", len(used), most)
	}
}

// snapshot keeps what Redis knows of the quota now; what it returns takes Redis back to it.
func snapshot(t *testing.T, m *miniredis.Miniredis, b *bundle) func() {
	t.Helper()
	keys := b.keys(b.key, "")
	state := b.client.HGetAll(t.Context(), keys[0]).Val()
	log := b.client.ZRangeWithScores(t.Context(), keys[1], 0, -1).Val()
	return func() {
		m.FlushAll()
		if len(state) > 0 {
			b.client.HSet(t.Context(), keys[0], state)
		}
		if len(log) > 0 {
			b.client.ZAdd(t.Context(), keys[1], log...)
		}
	}
}

// A real server is killed and comes back from a snapshot that lacks the newest slots of two limiters.
func TestRestoreAfterKill(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--dir", t.TempDir())
	lim := Limit{N: 6, Window: time.Minute}
	a, b := newBundle(t, server.Client(t), lim), newBundle(t, server.Client(t), lim)
	slots := a.fill(tokens("saved", 2))
	if err := a.client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	slots = append(slots, a.fill(tokens("a", 2))...)
	slots = append(slots, b.fill(tokens("b", 1))...)
	b.slotOf("back")
	b.drop("back")
	slots = append(slots, b.fill(tokens("c", 1))...)
	server.Kill()
	server.Restart()
	if n := len(a.entries()); n != 2 {
		t.Fatalf("%d slots are in the snapshot, want 2", n)
	}

	next, now := a.take("next")
	if next-now < (lim.Window/8).Microseconds()-time.Second.Microseconds() {
		t.Errorf("a slot after %s: others had no time to restore theirs", micros(next-now))
	}
	blocked := a.usage().BlockedUntil
	if err := b.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := b.usage().BlockedUntil; again.Sub(blocked) > time.Second {
		t.Errorf("the second limiter lengthened the block from %s to %s", blocked, again)
	}
	for _, e := range b.entries() {
		if e.token == "back" {
			t.Error("a slot that was given back has returned")
		}
	}
	// Whoever waits learns of it when he confirms.
	next = a.slotOf("next")
	if off := micros(next - slots[0]); off < lim.Window+lim.margin() {
		t.Errorf("the seventh slot is %s after the first", off)
	}
	if err := b.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(b.entries()); n != len(slots)+1 {
		t.Errorf("%d slots in the log, want %d", n, len(slots)+1)
	}
}

// A refusal that Redis has forgotten still blocks, and so does a smaller quota that was learned.
func TestRestoreWhatWasLearned(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		b.see("o", Observation{Limit: 2, Window: time.Minute, Remaining: -1})
		b.slotOf("a")
		b.see("refused", Observation{Remaining: -1, Limited: true, RetryAfter: 40 * time.Second})
		if err := b.client.Del(t.Context(), b.keys(b.key, "")...).Err(); err != nil {
			t.Fatal(err)
		}
		if slot, now := b.take("b"); micros(slot-now) < 39*time.Second {
			t.Errorf("the next slot is in %s, inside the block", micros(slot-now))
		}
		if u := b.usage(); u.Limit != 2 || u.Used+u.Waiting != 2 {
			t.Errorf("%+v", u)
		}
	})
}

// Whatever is given back, lapses or is moved: as long as Redis forgets nothing, nothing is taken for forgotten.
func TestNothingForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		calls := &restores{Scripter: b.client, sha: b.scripts.restore.Hash()}
		b.redis = calls
		for i := range 40 {
			token := fmt.Sprint("t", i)
			slot := b.slotOf(token)
			switch i % 4 {
			case 0:
				b.drop(token)
			case 1:
				b.see("o"+token, Observation{Remaining: -1, Limited: true, RetryAfter: 5 * time.Second})
			case 2:
				time.Sleep(2 * three.Window)
			default:
				time.Sleep(time.Until(time.UnixMicro(slot).Add(three.margin()))) // lapsed
				b.slotOf(token)
			}
		}
		if calls.n != 0 {
			t.Errorf("%d times slots were restored", calls.n)
		}
	})
}

// restores counts the calls of one script.
type restores struct {
	redis.Scripter
	sha string
	n   int
}

func (r *restores) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if strings.EqualFold(sha, r.sha) {
		r.n++
	}
	return r.Scripter.EvalSha(ctx, sha, keys, args...)
}
