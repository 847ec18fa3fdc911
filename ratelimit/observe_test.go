package ratelimit

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestObserveLearnsLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    Observation
		want Limit
	}{
		{"nothing said", Observation{Remaining: -1}, three},
		{"limit lower", Observation{Limit: 2, Remaining: -1}, Limit{2, time.Minute}},
		{"limit higher", Observation{Limit: 5, Remaining: -1}, Limit{5, time.Minute}},
		{"window longer", Observation{Window: 2 * time.Minute, Remaining: -1}, Limit{3, 2 * time.Minute}},
		{"window shorter", Observation{Window: time.Second, Remaining: -1}, Limit{3, time.Second}},
		{"both", Observation{Limit: 50, Window: 30 * time.Second, Remaining: -1}, Limit{50, 30 * time.Second}},
		{"in a refusal", Observation{Limit: 2, Limited: true, RetryAfter: time.Second}, Limit{2, time.Minute}},
		{"negative limit", Observation{Limit: -4, Remaining: -1}, three},
		{"too great a limit", Observation{Limit: 1 << 40, Remaining: -1}, Limit{maxLimit, time.Minute}},
		{"too short a window", Observation{Window: time.Microsecond, Remaining: -1}, three},
		{"too long a window", Observation{Window: 48 * time.Hour, Remaining: -1}, three},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, three, func(t *testing.T, b *bundle) {
				b.see("o", tt.o)
				if u := b.usage(); (Limit{u.Limit, u.Window}) != tt.want {
					t.Errorf("limit is %d per %s, want %v", u.Limit, u.Window, tt.want)
				}
				if tt.o.Limited || tt.want.N == maxLimit {
					return
				}
				slots := b.fill(tokens("a", tt.want.N+1))
				span := tt.want.Window + tt.want.margin()
				if got := micros(slots[tt.want.N] - slots[0]); got.Truncate(time.Millisecond) != span.Truncate(time.Millisecond) {
					t.Errorf("slot %d is %s after the first, want %s", tt.want.N, got, span)
				}
			})
		})
	}
}

// TestObserveLowerLimitMovesWaiting: those who wait learn when they confirm, and
// keep their order.
func TestObserveLowerLimitMovesWaiting(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		ts := tokens("a", 9)
		before := b.fill(ts)
		b.see("o", Observation{Limit: 2, Remaining: -1})
		after := b.fill(ts)
		if !slices.Equal(before[:3], after[:3]) {
			t.Errorf("slots that had come moved from %v to %v", before[:3], after[:3])
		}
		if !increasing(after) {
			t.Errorf("order is lost: %v", after)
		}
		if at, bad := crowded(after[1:], 2, spacer); bad {
			t.Errorf("slot %d is too close to those before it: %v", at, after)
		}
		b.see("p", Observation{Limit: 5, Remaining: -1})
		if got := b.fill(ts); !slices.Equal(got, after) {
			t.Errorf("a higher limit moved slots from %v to %v, want them to stay", after, got)
		}
	})
}

func TestLearnedLimitIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		b.see("o", Observation{Limit: 7, Remaining: -1})
		time.Sleep(23 * time.Hour)
		b.see("p", Observation{Limit: 7, Remaining: -1})
		time.Sleep(23 * time.Hour)
		if u := b.usage(); u.Limit != 7 {
			t.Errorf("limit is %d 23 h after the last news, want 7", u.Limit)
		}
		time.Sleep(2 * time.Hour)
		if u := b.usage(); u.Limit != three.N {
			t.Errorf("limit is %d 25 h after the last news, want the default %d", u.Limit, three.N)
		}
	})
}

func TestObserveRemaining(t *testing.T) {
	t.Parallel()
	ten := Limit{N: 10, Window: time.Minute}
	tests := []struct {
		name      string
		ours      int // slots reserved; the first ten come at once
		limit     int // default where 0
		remaining []int
		foreign   int // requests of others found
		next      bool
	}{
		{name: "as expected", ours: 4, remaining: []int{6}, next: true},
		{name: "absent", ours: 4, remaining: []int{-1}, next: true},
		{name: "higher: ours are on their way", ours: 4, remaining: []int{9}, next: true},
		{name: "lower by three", ours: 4, remaining: []int{3}, foreign: 3, next: true},
		{name: "none left", ours: 4, remaining: []int{0}, foreign: 6},
		{name: "none left and none reserved", ours: 0, remaining: []int{0}, foreign: 10},
		{name: "told twice", ours: 4, remaining: []int{3, 3}, foreign: 3, next: true},
		{name: "falling", ours: 4, remaining: []int{3, 1}, foreign: 5, next: true},
		{name: "out of order", ours: 4, remaining: []int{1, 5, 3, 4}, foreign: 5, next: true},
		{name: "slots to come are not in use", ours: 15, remaining: []int{0}},
		{name: "slots to come, fewer in use by limit", ours: 15, limit: 5, remaining: []int{0}},
		{name: "of a lower limit", ours: 2, limit: 5, remaining: []int{1}, foreign: 2, next: true},
		{name: "of a higher limit", ours: 2, limit: 50, remaining: []int{40}, foreign: 8, next: true},
		{name: "more than the limit", ours: 2, remaining: []int{12}, next: true},
		{name: "of a limit beyond belief", ours: 2, limit: maxLimit + 5, remaining: []int{maxLimit}, foreign: 3, next: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, ten, func(t *testing.T, b *bundle) {
				ts := tokens("a", tt.ours)
				before := b.fill(ts)
				for i, r := range tt.remaining {
					for range 2 { // each one repeated, as after a lost reply
						b.see("o"+string(rune('0'+i)), Observation{Limit: tt.limit, Remaining: r})
					}
				}
				if got := b.foreign(); got != tt.foreign {
					t.Errorf("log has %d requests of others, want %d", got, tt.foreign)
				}
				if tt.limit != 5 && tt.ours > 0 {
					if after := b.fill(ts[:min(tt.ours, 10)]); !slices.Equal(after, before[:len(after)]) {
						t.Errorf("slots that had come moved from %v to %v", before, after)
					}
				}
				slot, now := b.take("next")
				if atOnce := slot-now < time.Second.Microseconds(); atOnce != tt.next {
					t.Errorf("next slot is %s off, want it at once: %t", micros(slot-now), tt.next)
				}
			})
		})
	}
}

// TestObserveRemainingMovesWaiting: what others used is not there for those who
// already wait.
func TestObserveRemainingMovesWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		b.slotOf("a0")
		time.Sleep(30 * time.Second)
		ts := tokens("b", 4)
		before := b.fill(ts) // two at once, one when a0 leaves the window, one 30 s later
		time.Sleep(15 * time.Second)
		b.see("o", Observation{Remaining: 0, Limit: 4})
		if got := b.foreign(); got != 1 {
			t.Fatalf("log has %d requests of others, want 1", got)
		}
		b.see("p", Observation{Limit: 3, Remaining: 0})
		after := b.fill(ts[2:])
		// Now at 45 s four are in use: 0, 30, 30, and another's at 45. Of the three
		// allowed, one is free when the one before the last two leaves: at 30+60.5.
		for i, slot := range after {
			if got := micros(slot - before[0]); got.Truncate(time.Millisecond) != spacer {
				t.Errorf("waiting slot %d is %s after those, want %s", i, got, spacer)
			}
		}
	})
}

// TestObserveForeignLeave: others' requests leave the window as ours do.
func TestObserveForeignLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		b.see("o", Observation{Remaining: 0})
		time.Sleep(spacer - time.Millisecond)
		if slot, now := b.take("a"); slot-now != 1000 {
			t.Errorf("slot is %d µs off a millisecond before they leave, want 1000", slot-now)
		}
		time.Sleep(time.Millisecond)
		if u := b.usage(); u.Used != 1 {
			t.Errorf("%d in use after they left, want our 1", u.Used)
		}
	})
}

// TestObserveLateAnswer: the server counted a slot that has left the log's window
// while its answer was under way.
func TestObserveLateAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		took    time.Duration
		known   bool
		foreign int
	}{
		{"quick", 200 * time.Millisecond, true, 0},
		{"slow and said so", 8 * time.Second, true, 0},
		{"quick without time", 200 * time.Millisecond, false, 0},
		{"slow without time", 8 * time.Second, false, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, _ := inBubble(t, three)
				b.slotOf("a0")
				time.Sleep(59 * time.Second) // a0 counts still
				b.slotOf("a1")
				sent := time.Now()
				time.Sleep(tt.took)
				o := Observation{Limit: 3, Remaining: 1}
				if tt.known {
					o.Sent = sent
				}
				b.see("o", o)
				if got := b.foreign(); got != tt.foreign {
					t.Errorf("log has %d requests of others, want %d", got, tt.foreign)
				}
			})
		})
	}
}

func TestObserveLimitedBlocks(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		ts := tokens("a", 8)
		before := b.fill(ts)
		b.see("o", Observation{Limited: true, RetryAfter: 100 * time.Second})
		blocked := time.Until(b.usage().BlockedUntil)
		if blocked < 99*time.Second || blocked > 101*time.Second {
			t.Errorf("blocked for %s, want 100 s and the margin", blocked)
		}
		b.see("p", Observation{Limited: true, RetryAfter: 5 * time.Second})
		if got := time.Until(b.usage().BlockedUntil); got < blocked-time.Second {
			t.Errorf("a shorter refusal made the block %s, want it to stay %s", got, blocked)
		}
		after := b.fill(ts[3:])
		_, now := b.take(ts[7])
		for i, slot := range after {
			if micros(slot-now) < 99*time.Second {
				t.Errorf("waiting slot %d is %s off, inside the block", i, micros(slot-now))
			}
		}
		if !increasing(after) {
			t.Errorf("order is lost: %v became %v", before[3:], after)
		}
		if at, bad := crowded(after, 3, spacer); bad {
			t.Errorf("slot %d is too close to those before it: %v", at, after)
		}
		if slot := b.slotOf("new"); slot <= after[len(after)-1] {
			t.Errorf("a newcomer has slot %d, before one who waited: %v", slot, after)
		}
		// A slot that had come but was not confirmed before the block goes first.
		if slot := b.slotOf(ts[2]); micros(slot-now) < 99*time.Second || slot > b.slotOf(ts[3]) {
			t.Errorf("slot at the block's beginning was moved to %s, want it in the front after the block", micros(slot-now))
		}
	})
}

func TestObserveLimitedWithoutRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		steps := []struct {
			name  string
			after time.Duration // since the step before
			retry time.Duration
			want  time.Duration // what is left of the block
		}{
			{"the first", 0, 0, 30 * time.Second},
			{"one that was on its way", 2 * time.Second, 0, 30 * time.Second},
			{"again when it is over", 31 * time.Second, 0, 60 * time.Second},
			{"and again", 61 * time.Second, 0, 120 * time.Second},
			{"and again", 121 * time.Second, 0, 240 * time.Second},
			{"up to eight times", 241 * time.Second, 0, 240 * time.Second},
			{"the server says", 241 * time.Second, 20 * time.Second, 20*time.Second + three.margin()},
			{"and is silent again", 21 * time.Second, 0, 30 * time.Second},
			{"long after", time.Hour, 0, 30 * time.Second},
		}
		for i, s := range steps {
			time.Sleep(s.after)
			for range 2 {
				b.see(string(rune('a'+i)), Observation{Limited: true, RetryAfter: s.retry})
			}
			if got := time.Until(b.usage().BlockedUntil); got != s.want {
				t.Errorf("%s: blocked for %s, want %s", s.name, got, s.want)
			}
		}
	})
}

// TestObserveRepeatedAddsNothing: go-redis sends a script again when its reply is
// lost, seconds later at worst.
func TestObserveRepeatedAddsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := inBubble(t, three)
		block := Observation{Limited: true, RetryAfter: 10 * time.Second}
		b.see("block", block)
		time.Sleep(3 * time.Second)
		b.see("block", block)
		if got, want := time.Until(b.usage().BlockedUntil), 7*time.Second+three.margin(); got != want {
			t.Errorf("repeated, the block is %s long still, want %s", got, want)
		}
	})
}

// TestObserveOwed: a refusal that Redis could not store is stored before the next
// reservation.
func TestObserveOwed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, m := inBubble(t, three)
		m.SetError("LOADING Redis is loading the dataset in memory")
		if err := b.Observe(t.Context(), b.key, Observation{Limited: true, RetryAfter: 40 * time.Second}); err == nil {
			t.Fatal("Observe returned no error though Redis did not store it")
		}
		if _, err := b.Wait(t.Context(), b.key); err == nil {
			t.Fatal("Wait returned a slot without Redis")
		}
		m.SetError("")
		began := time.Now()
		if _, err := b.Wait(t.Context(), b.key); err != nil {
			t.Fatalf("wait: %v", err)
		}
		if got := time.Since(began); got < 39*time.Second || got > 41*time.Second {
			t.Errorf("waited for %s, want about 40 s: the refusal is owed", got)
		}
		if len(b.owed) != 0 {
			t.Errorf("still owed: %v", b.owed)
		}
	})
}

// TestObserveLimitedOutlivesContext: at shutdown the other workers must learn of
// the refusal all the same.
func TestObserveLimitedOutlivesContext(t *testing.T) {
	t.Parallel()
	onBoth(t, three, func(t *testing.T, b *bundle) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Observe(ctx, b.key, Observation{Limited: true}); err != nil {
			t.Fatalf("observe: %v", err)
		}
		if b.usage().BlockedUntil.IsZero() {
			t.Error("nothing is blocked")
		}
	})
}

// TestLostReply loses one reply after Redis has executed the script.
func TestLostReply(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lossy := &lossyDialer{addr: server.Addr()}
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Dialer: lossy.dial})
	t.Cleanup(func() { _ = client.Close() })
	b := newBundle(t, client, three)
	b.fill(tokens("a", 4)) // the scripts are known to Redis
	b.see("o", Observation{Remaining: -1})

	lossy.lose = true
	b.slotOf("lost")
	if lossy.lose {
		t.Fatal("no reply was lost")
	}
	if n := len(b.entries()); n != 5 {
		t.Errorf("log has %d slots after a lost reply, want 5", n)
	}

	lossy.lose = true
	b.see("low", Observation{Limit: 6, Remaining: 1})
	if lossy.lose {
		t.Fatal("no reply was lost")
	}
	if got := b.foreign(); got != 2 {
		t.Errorf("log has %d requests of others after a lost reply, want 2", got)
	}
}

// lossyDialer makes connections of which one loses a reply when told to.
type lossyDialer struct {
	addr string
	lose bool // reset when it has happened
}

func (d *lossyDialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: conn, d: d}, nil
}

type lossyConn struct {
	net.Conn
	d    *lossyDialer
	dead bool
}

func (c *lossyConn) Read(p []byte) (int, error) {
	if c.dead {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	if err == nil && c.d.lose {
		c.d.lose, c.dead = false, true
		return 0, io.EOF
	}
	return n, err
}
