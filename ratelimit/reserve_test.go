package ratelimit

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestReserveSpacing(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		first, now := b.take("a0")
		if first != now {
			t.Errorf("first slot is %d µs after now, want 0", first-now)
		}
		slots := append([]int64{first}, b.fill([]string{"a1", "a2", "a3", "a4", "a5", "a6"})...)
		if !increasing(slots) {
			t.Errorf("slots %v are not in the order of reservation", slots)
		}
		for i := 3; i < len(slots); i++ {
			if got := micros(slots[i] - slots[i-3]); got != spacer {
				t.Errorf("slot %d is %s after slot %d, want %s", i, got, i-3, spacer)
			}
		}
	})
}

func TestReserveTokenTakesOneSlot(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		ts := tokens("a", 5)
		first := b.fill(ts)
		if again := b.fill(ts); !slices.Equal(again, first) {
			t.Errorf("repeated reservations are %v, want %v", again, first)
		}
		if n := len(b.entries()); n != len(ts) {
			t.Errorf("log has %d slots, want %d", n, len(ts))
		}
	})
}

func TestReserveKeysAreSeparate(t *testing.T) {
	t.Parallel()
	onBoth(t, Limit{N: 1, Window: time.Minute}, func(t *testing.T, b *bundle) {
		b.limits["light"] = b.lim
		b.slotOf("a")
		for _, key := range []Key{{"ext2", "heavy"}, {"ext1", "light"}} {
			b.key = key
			if slot, now := b.take("b"); slot != now {
				t.Errorf("%v: slot is %d µs after now, want 0: it has its own quota", key, slot-now)
			}
		}
	})
}

func TestGiveBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		back []int
		// next is the slot a new reservation gets: that of this index before.
		next int
	}{
		{"none", nil, 7},
		{"the last", []int{6}, 6},
		{"the last three", []int{4, 6, 5}, 4},
		{"the second last, the last keeping its slot", []int{5}, 6},
		{"twice", []int{6, 6}, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, three, func(t *testing.T, b *bundle) {
				ts := tokens("a", 8)
				slots := b.fill(ts)
				b.drop(ts[7])
				for _, i := range tt.back {
					b.drop(ts[i])
				}
				got := b.slotOf("next")
				// Slots are a microsecond apart at least.
				if off := got - slots[tt.next]; off < 0 || off > 3 {
					t.Errorf("next slot is %d µs off slot %d, want 0 to 3", off, tt.next)
				}
				var left []int64
				for _, e := range b.entries() {
					left = append(left, e.slot)
				}
				if at, bad := crowded(left, b.lim.N, spacer); bad {
					t.Errorf("slot %d is too close to those before it: %v", at, left)
				}
			})
		})
	}
}

func TestGivenBackTokenGetsNoSlot(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		b.slotOf("used before")
		b.drop("used before")
		b.drop("late copy comes after")
		for _, token := range []string{"used before", "late copy comes after"} {
			if _, err := b.reserve(t.Context(), b.key, b.lim, token); !errors.Is(err, errGivenBack) {
				t.Errorf("reserve %q: %v, want %v", token, err, errGivenBack)
			}
		}
		if es := b.entries(); len(es) != 0 {
			t.Errorf("log has %v, want nothing", es)
		}
	})
}

func TestLapsedSlotIsReplacedInTurn(t *testing.T) {
	t.Parallel()
	onBoth(t, Limit{N: 2, Window: 240 * time.Millisecond}, func(t *testing.T, b *bundle) { // tolerance 1 ms
		first := b.slotOf("late")
		rest := b.fill([]string{"b", "c"})
		waitFor(t, func() bool {
			_, now := b.take("c")
			return now > first+2*b.lim.tolerance().Microseconds()
		})
		slot, now := b.take("late")
		if slot <= first || slot < rest[0] {
			t.Errorf("slot %d that lapsed was answered by %d, want a later one after %d", first, slot, rest[0])
		}
		if c := b.slotOf("c"); c <= slot {
			t.Errorf("the one behind has slot %d, want it after %d", c, slot)
		}
		if slot > now+1 {
			t.Errorf("new slot is %d µs off, want it now: one of two is left", slot-now)
		}
		if n := len(b.entries()); n != 3 {
			t.Errorf("log has %d slots, want 3", n)
		}
	})
}

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		b.fill(tokens("a", 4))
		b.see("o", Observation{Remaining: -1, Limited: true, RetryAfter: time.Hour})
		keys := b.keys(b.key, "o")
		tests := []struct {
			name, key   string
			least, most time.Duration
		}{
			{"block", keys[0], time.Hour, time.Hour + 5*spacer},
			{"log, the last slot having moved behind the block", keys[1], time.Hour + spacer, time.Hour + 6*spacer},
			{"mark", keys[2], markLife - 10*time.Second, markLife},
		}
		for _, tt := range tests {
			if got := b.client.PTTL(t.Context(), tt.key).Val(); got < tt.least || got > tt.most {
				t.Errorf("%s: %s lives for %s, want %s to %s", tt.name, tt.key, got, tt.least, tt.most)
			}
		}
		b.see("p", Observation{Limit: 3, Remaining: -1, Window: time.Minute})
		if got := b.client.PTTL(t.Context(), keys[0]).Val(); got < learnedLife-time.Minute || got > learnedLife {
			t.Errorf("learned limit lives for %s, want %s", got, learnedLife)
		}
	})
}

// TestLogIsPruned: a quota in steady use does not grow, though its keys never
// expire.
func TestLogIsPruned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		for i, token := range tokens("a", 60) {
			b.slotOf(token)
			if n := len(b.entries()); n > 3*three.N {
				t.Fatalf("log has %d slots after %d reservations, want %d at most", n, i+1, 3*three.N)
			}
			time.Sleep(spacer / time.Duration(three.N))
		}
	})
}

func TestStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		key  Key
		lim  Limit
		ok   bool
	}{
		{"valid", heavy, three, true},
		{"no owner", Key{Group: "heavy"}, three, false},
		{"unknown group", Key{Owner: "x", Group: "Heavy"}, three, false},
		{"no requests", heavy, Limit{0, time.Minute}, false},
		{"too many", heavy, Limit{maxLimit + 1, time.Minute}, false},
		{"no window", heavy, Limit{10, 0}, false},
		{"too long", heavy, Limit{10, 25 * time.Hour}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := New(Config{Limits: map[string]Limit{"heavy": tt.lim}})
			if _, err := l.start(tt.key); (err == nil) != tt.ok {
				t.Errorf("error is %v, want one: %t", err, !tt.ok)
			}
			if tt.ok {
				return
			}
			// Without a Redis these would panic if they did not look first.
			if _, err := l.Wait(t.Context(), tt.key); err == nil {
				t.Error("Wait returned no error")
			}
			if err := l.Observe(t.Context(), tt.key, Observation{}); err == nil {
				t.Error("Observe returned no error")
			}
			if _, err := l.Look(t.Context(), tt.key); err == nil {
				t.Error("Look returned no error")
			}
		})
	}
}

// waitFor polls until ok, for at most 5 s.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("waited 5 s in vain")
		}
	}
}
