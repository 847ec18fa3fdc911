package ratelimit

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

// model is what must be true of one quota on a real Redis, whatever two limiters
// do to it in whatever order.
type model struct {
	t        *rapid.T
	limiters []*bundle
	lim      Limit // in force
	changed  bool  // the limit was not the same all the time

	n       int              // tokens and observations so far
	waiting map[string]int64 // told slots by token, not confirmed
	used    map[string]int64 // confirmed ones
	blocked int64            // µs
}

func TestProperties(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lim := Limit{N: 3, Window: 12 * time.Millisecond} // margin 100 µs, tolerance 50 µs
	limiters := []*bundle{newBundle(t, server.Client(t), lim), newBundle(t, server.Client(t), lim)}
	owner := 0
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, lim: lim, waiting: map[string]int64{}, used: map[string]int64{}}
		owner++
		for _, l := range limiters {
			l.key.Owner = strconv.Itoa(owner) // a quota of its own for each case
			m.limiters = append(m.limiters, l)
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve":  m.reserve,
			"come":     m.come,
			"giveBack": m.giveBack,
			"others":   m.others,
			"refuse":   m.refuse,
			"limit":    m.limit,
			"":         m.check,
		})
	})
}

func (m *model) any() *bundle { return rapid.SampledFrom(m.limiters).Draw(m.t, "limiter") }

func (m *model) token() string { m.n++; return "t" + strconv.Itoa(m.n) }

// waiter draws one of those who wait, the first in line with most probability.
func (m *model) waiter() string {
	if len(m.waiting) == 0 {
		m.t.Skip("nobody waits")
	}
	line := slices.SortedFunc(maps.Keys(m.waiting), func(a, b string) int { return int(m.waiting[a] - m.waiting[b]) })
	return line[min(rapid.IntRange(0, 2*len(line)).Draw(m.t, "waiter"), 2*len(line)-1)%len(line)]
}

func (m *model) reserve(t *rapid.T) {
	b, token := m.any(), m.token()
	before := b.entries()
	slot, now := b.take(token)
	if len(before) > 0 && slot <= before[len(before)-1].slot {
		t.Fatalf("slot %d is not after the last one %d", slot, before[len(before)-1].slot)
	}
	if slot < now || slot < m.blocked {
		t.Fatalf("slot %d is before now %d or inside the block until %d", slot, now, m.blocked)
	}
	m.waiting[token] = slot
}

// come confirms a waiter's slot once it has come.
func (m *model) come(t *rapid.T) {
	token := m.waiter()
	told := m.waiting[token]
	for {
		slot, now := m.any().take(token)
		if slot < told {
			t.Fatalf("slot %d of %s was moved to the sooner %d", told, token, slot)
		}
		told, m.waiting[token] = slot, slot
		if slot > now {
			if slot-now > time.Second.Microseconds() {
				t.Fatalf("slot is %s off", micros(slot-now))
			}
			continue
		}
		if slot < m.blocked || now-slot > m.lim.tolerance().Microseconds() {
			t.Fatalf("slot %d was confirmed at %d: blocked until %d, tolerance %s", slot, now, m.blocked, m.lim.tolerance())
		}
		delete(m.waiting, token)
		m.used[token] = slot
		return
	}
}

func (m *model) giveBack(*rapid.T) {
	token := m.waiter()
	m.any().drop(token)
	delete(m.waiting, token)
}

func (m *model) others(t *rapid.T) {
	m.any().see(m.token(), Observation{Remaining: rapid.IntRange(-1, m.lim.N).Draw(t, "remaining")})
}

func (m *model) refuse(t *rapid.T) {
	b, token := m.any(), m.token()
	o := Observation{Limited: true, RetryAfter: time.Duration(rapid.IntRange(1, 20).Draw(t, "retry")) * time.Millisecond}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		b.see(token, o)
	}
	blocked, err := b.client.HGet(b.tb.Context(), b.keys(b.key, "")[0], "blocked").Int64()
	if err != nil {
		t.Fatalf("read block: %v", err)
	}
	if blocked < m.blocked {
		t.Fatalf("block was shortened from %d to %d", m.blocked, blocked)
	}
	m.blocked = blocked
}

func (m *model) limit(t *rapid.T) {
	if !rapid.Bool().Draw(t, "really") {
		return
	}
	m.changed = true
	m.lim = Limit{rapid.IntRange(1, 6).Draw(t, "n"), time.Duration(rapid.IntRange(6, 24).Draw(t, "window")) * time.Millisecond}
	m.any().see(m.token(), Observation{Limit: m.lim.N, Window: m.lim.Window, Remaining: -1})
}

func (m *model) check(t *rapid.T) {
	b := m.limiters[0]
	log := b.entries()
	now, err := b.client.Time(b.tb.Context()).Result()
	if err != nil {
		t.Fatalf("time: %v", err)
	}
	settled := now.Add(m.lim.early()).UnixMicro()
	span := (m.lim.Window + m.lim.margin()).Truncate(time.Microsecond).Microseconds()

	ours := maps.Clone(m.used)
	for i, e := range log {
		if e.foreign() {
			continue
		}
		if was, ok := m.used[e.token]; ok && was != e.slot {
			t.Fatalf("used slot %s moved from %d to %d", e.token, was, e.slot)
		}
		ours[e.token] = e.slot
		if e.slot <= settled {
			continue
		}
		// Those to come have room among all that there is, others' requests too,
		// by the limit in force.
		if e.slot < m.blocked {
			t.Fatalf("slot %d is inside the block until %d", e.slot, m.blocked)
		}
		if i >= m.lim.N && e.slot-log[i-m.lim.N].slot < span {
			t.Fatalf("slot %d is %d µs after the one %d before it, want %d\n%v", e.slot, e.slot-log[i-m.lim.N].slot, m.lim.N, span, log)
		}
	}
	for token := range m.waiting {
		if _, ok := ours[token]; !ok && m.waiting[token] > settled {
			t.Fatalf("waiter %s has no slot any more", token)
		}
	}
	if m.changed {
		return
	}
	slots := slices.Sorted(maps.Values(ours))
	if at, bad := crowded(slots, m.lim.N, micros(span)); bad {
		t.Fatalf("slot %d is too close to those before it: %v", at, slots)
	}
}
