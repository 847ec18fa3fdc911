package ratelimit

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

// heavy is the quota that most tests use: three requests a minute.
var (
	heavy  = Key{Owner: "ext1", Group: "heavy"}
	three  = Limit{N: 3, Window: time.Minute}
	spacer = three.Window + three.margin()
)

// bundle is a Limiter with a Redis to itself.
type bundle struct {
	*Limiter
	tb     testing.TB
	client *redis.Client
	key    Key
	lim    Limit
}

func newBundle(tb testing.TB, client *redis.Client, lim Limit) *bundle {
	l := New(Config{Redis: client, Limits: map[string]Limit{heavy.Group: lim}})
	return &bundle{Limiter: l, tb: tb, client: client, key: heavy, lim: lim}
}

// onBoth runs a test on miniredis and on a real server.
func onBoth(t *testing.T, lim Limit, f func(t *testing.T, b *bundle)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = client.Close() })
		f(t, newBundle(t, client, lim))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, newBundle(t, redistest.Start(t).Client(t), lim))
	})
}

// inBubble returns a bundle whose Redis keeps the time of the synctest bubble in
// which it is called, without sockets.
func inBubble(t *testing.T, lim Limit) (*bundle, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	t.Cleanup(m.Close)
	client := redis.NewClient(&redis.Options{
		Addr:   "127.0.0.1:6379", // never dialled; an address, so that nothing is looked up
		Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
	})
	t.Cleanup(func() { _ = client.Close() })
	return newBundle(t, client, lim), m
}

// take reserves for a token and returns slot and now in µs.
func (b *bundle) take(token string) (slot, now int64) {
	b.tb.Helper()
	g, err := b.reserve(b.tb.Context(), b.key, b.lim, token)
	if err != nil {
		b.tb.Fatalf("reserve %s: %v", token, err)
	}
	return g.slot, g.now
}

// slotOf is take without now.
func (b *bundle) slotOf(token string) int64 {
	b.tb.Helper()
	slot, _ := b.take(token)
	return slot
}

func (b *bundle) see(token string, o Observation) {
	b.tb.Helper()
	if err := b.observe(b.tb.Context(), b.key, b.lim, token, o); err != nil {
		b.tb.Fatalf("observe %+v: %v", o, err)
	}
}

func (b *bundle) drop(token string) {
	b.tb.Helper()
	if err := b.giveBack(b.tb.Context(), b.key, b.lim, token); err != nil {
		b.tb.Fatalf("give back %s: %v", token, err)
	}
}

func (b *bundle) usage() Usage {
	b.tb.Helper()
	u, err := b.Look(b.tb.Context(), b.key)
	if err != nil {
		b.tb.Fatalf("look: %v", err)
	}
	return u
}

// entry is one slot of the log.
type entry struct {
	token string
	slot  int64
}

func (e entry) foreign() bool { return strings.HasPrefix(e.token, "other:") }

// entries returns the log in the order of its slots.
func (b *bundle) entries() []entry {
	b.tb.Helper()
	zs, err := b.client.ZRangeWithScores(b.tb.Context(), b.keys(b.key, "")[1], 0, -1).Result()
	if err != nil {
		b.tb.Fatalf("read log: %v", err)
	}
	var es []entry
	for _, z := range zs {
		es = append(es, entry{z.Member.(string), int64(z.Score)})
	}
	return es
}

// foreign counts the requests of other applications in the log.
func (b *bundle) foreign() int {
	b.tb.Helper()
	n := 0
	for _, e := range b.entries() {
		if e.foreign() {
			n++
		}
	}
	return n
}

// tokens returns n tokens: prefix0, prefix1 and so on.
func tokens(prefix string, n int) []string {
	ts := make([]string, n)
	for i := range ts {
		ts[i] = prefix + strconv.Itoa(i)
	}
	return ts
}

// fill reserves for each token in turn and returns the slots.
func (b *bundle) fill(ts []string) []int64 {
	b.tb.Helper()
	slots := make([]int64, len(ts))
	for i, token := range ts {
		slots[i] = b.slotOf(token)
	}
	return slots
}

func increasing(slots []int64) bool {
	return slices.IsSortedFunc(slots, func(a, b int64) int {
		if a < b {
			return -1
		}
		return 1
	})
}

// crowded returns the first slot that has more than n-1 others within span before
// it, and false where there is none.
func crowded(slots []int64, n int, span time.Duration) (int64, bool) {
	for i := n; i < len(slots); i++ {
		if slots[i]-slots[i-n] < span.Microseconds() {
			return slots[i], true
		}
	}
	return 0, false
}
