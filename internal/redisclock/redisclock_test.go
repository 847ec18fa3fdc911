package redisclock

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func TestNowIsRedis(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-70 * time.Second, 0, 70 * time.Second} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			server := miniredis.RunT(t)
			server.SetTime(time.Now().Add(off))
			rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
			t.Cleanup(func() { _ = rdb.Close() })
			c := New(rdb)
			if d := c.Skew().Abs(); d > time.Minute {
				t.Fatalf("before the first answer the clock is off by %s, want the process's own", d)
			}
			if err := c.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The fake stands still, so only a bound can be told.
			if d := (c.Skew() + off).Abs(); d > 10*time.Second {
				t.Errorf("skew is %s, want about %s", c.Skew(), -off)
			}
			if c.RoundTrip() <= 0 {
				t.Errorf("round trip is %s", c.RoundTrip())
			}
		})
	}
}
