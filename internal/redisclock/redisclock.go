// Package redisclock is Redis's clock as a process sees it. Whatever several workers must agree on, from the hour of a call to
// the age of a lease, is judged by it; a process's own clock serves for durations only.
package redisclock

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

const (
	// Tolerable is how far a process's own clock may be off before it is reported.
	Tolerable = 3 * time.Second
	every     = 5 * time.Second
	timeout   = 2 * time.Second
	fresh     = 10 * time.Second
)

// The ledger's slot: in a cluster, the time that counts is that of the process that has the claims.
const key = "ringqueue:{ledger}:redis"

var script = redis.NewScript(`return redis.call('TIME')`)

// Clock tells Redis's time. Until the first Sync it is the process's own. It is safe for concurrent use.
type Clock struct {
	rdb redis.Scripter

	mu    sync.RWMutex
	local time.Time // when Redis was asked last, with a monotonic reading; zero: never
	redis time.Time // its answer
	trip  time.Duration
}

// New returns a clock on a Redis client, which stays the caller's to close.
func New(rdb redis.Scripter) *Clock { return &Clock{rdb: rdb} }

// Sync asks Redis once. The answer is taken to be from the middle of the round trip.
func (c *Clock) Sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent := time.Now()
	reply, err := script.Run(ctx, c.rdb, []string{key}).Int64Slice()
	if err != nil {
		return fmt.Errorf("read Redis's clock: %w", err)
	}
	trip := time.Since(sent)
	if len(reply) != 2 {
		return fmt.Errorf("read Redis's clock: %d values for 2", len(reply))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local, c.trip = sent.Add(trip/2), trip
	c.redis = time.Unix(reply[0], reply[1]*int64(time.Microsecond)).UTC()
	return nil
}

// Now is Redis's time.
func (c *Clock) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.local.IsZero() {
		return time.Now().UTC()
	}
	return c.redis.Add(time.Since(c.local))
}

// Skew is how far the process's own clock is ahead of Redis's; negative: behind.
func (c *Clock) Skew() time.Duration {
	now := c.Now()
	return time.Now().Round(0).Sub(now)
}

// RoundTrip is how long Redis took to answer last.
func (c *Clock) RoundTrip() time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.trip
}

// Age is how long ago Redis answered last.
func (c *Clock) Age() time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.local.IsZero() {
		return 1<<63 - 1
	}
	return time.Since(c.local)
}

// Refresh asks Redis if the last answer is older than ten seconds. A Redis that does not answer is met by what follows.
func (c *Clock) Refresh(ctx context.Context) {
	if c.Age() > fresh {
		_ = c.Sync(ctx)
	}
}

// Run keeps the clock fresh until ctx ends, and says when the process's own clock is off.
func (c *Clock) Run(ctx context.Context, log zerolog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	off := false
	for {
		if err := c.Sync(ctx); err == nil {
			skew := c.Skew()
			if far := skew.Abs() > Tolerable; far != off {
				off = far
				if off {
					log.Warn().Dur("skew", skew).Msg("this machine's clock and Redis's differ: calls go by Redis's; keep both right with NTP")
				} else {
					log.Info().Msg("this machine's clock and Redis's agree again")
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
