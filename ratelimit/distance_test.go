package ratelimit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// farScripter is a Redis that is far away: half the trip before it executes, half after.
type farScripter struct {
	redis.Scripter
	trip  time.Duration
	calls *int
}

func (s farScripter) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	*s.calls++
	time.Sleep(s.trip / 2)
	cmd := s.Scripter.EvalSha(ctx, sha, keys, args...)
	time.Sleep(s.trip / 2)
	return cmd
}

// A slot is good for one more trip to Redis, the claim, after Wait has returned it, and none lapses unused.
func TestWaitAtADistance(t *testing.T) {
	t.Parallel()
	ten := Limit{N: 10, Window: time.Minute}
	for _, trip := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(trip.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, _ := inBubble(t, ten)
				calls, lapses := 0, 0
				b.redis = farScripter{b.client, trip, &calls}
				b.onLapse = func(Key, int) { lapses++ }
				var used []int64
				began := time.Now()
				for range 31 {
					slot, err := b.Wait(t.Context(), b.key)
					if err != nil {
						t.Fatal(err)
					}
					if now := time.Now(); now.Before(slot.At) {
						t.Errorf("returned %s before its time", slot.At.Sub(now))
					}
					time.Sleep(trip)
					if slot.Lapsed() {
						t.Fatalf("lapsed after one more trip of %s", trip)
					}
					used = append(used, time.Now().UnixMicro())
				}
				if at, bad := crowded(used, ten.N, ten.Window); bad {
					t.Errorf("too many requests within the window before %d", at)
				}
				// Three windows for the last of 31, and the trips of it.
				if took, most := time.Since(began), 3*(ten.Window+ten.margin())+10*trip; took > most {
					t.Errorf("31 slots took %s, want %s at most", took, most)
				}
				if lapses > 0 || calls > 4*31 {
					t.Errorf("%d slots lapsed, %d calls of Redis", lapses, calls)
				}
			})
		})
	}
}

// Where every slot lapses, that is told, slows down and costs few commands; nothing is left of it in the log.
func TestLapsesSlowDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, Limit{N: 10, Window: time.Minute})
		calls := 0
		var told []int
		b.redis = farScripter{b.client, 600 * time.Millisecond, &calls}
		b.onLapse = func(key Key, n int) {
			if key != b.key {
				t.Errorf("told of %v", key)
			}
			told = append(told, n)
		}
		began := time.Now()
		if _, err := b.Wait(t.Context(), b.key); !errors.Is(err, ErrSlow) {
			t.Fatalf("wait: %v", err)
		}
		if len(told) != maxLapses || told[maxLapses-1] != maxLapses {
			t.Errorf("told %v", told)
		}
		if took := time.Since(began); calls > 3*maxLapses || took < 5*time.Second {
			t.Errorf("%d calls of Redis in %s", calls, took)
		}
		b.redis = b.client
		if u := b.usage(); u.Used+u.Waiting != 0 {
			t.Errorf("slots are left: %+v", u)
		}
	})
}

// A block that comes while a slot is awaited far from Redis is learned of in time.
func TestBlockAtADistance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, Limit{N: 1, Window: time.Minute})
		calls := 0
		b.redis = farScripter{b.client, 100 * time.Millisecond, &calls}
		if _, err := b.Wait(t.Context(), b.key); err != nil {
			t.Fatal(err)
		}
		near := newBundle(t, b.client, b.lim)
		began := time.Now()
		time.AfterFunc(59*time.Second, func() {
			near.see("refused", Observation{Remaining: -1, Limited: true, RetryAfter: time.Minute})
		})
		if _, err := b.Wait(t.Context(), b.key); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 119*time.Second {
			t.Errorf("a slot after %s, within the block", took)
		}
	})
}
