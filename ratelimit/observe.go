package ratelimit

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// storeTimeout bounds the storing of a refusal, which does not end with its
// request's context.
const storeTimeout = 5 * time.Second

// Observation is what one answer said of the quota.
type Observation struct {
	Limit     int           // requests per window; 0 or less if absent
	Remaining int           // requests left in the present window; -1 if absent
	Window    time.Duration // 0 if absent

	Limited    bool          // the request was refused for its rate (429)
	RetryAfter time.Duration // how long to wait before the next request; 0 if absent

	// Sent is when the request was sent. It tells which of the slots the server
	// can have counted. If zero, shortly before Observe: a 60th of the window.
	Sent time.Time
}

// Observe takes in an answer's rate limit, for all workers:
//
//   - Limit and Window replace what was known, and are used for a day.
//   - Remaining lower than the log accounts for means that other applications use
//     the quota; their requests count as made now. In a refusal it is ignored.
//   - Limited blocks the quota for RetryAfter, else for Config.Penalty, plus the
//     margin. A block is never shortened.
//
// Those who wait already keep their order. Values that cannot be right are
// ignored: a window of less than 1 ms or more than a day; a limit above 10,000
// counts as that.
//
// An error means that Redis did not store it. A refusal is stored even if ctx is
// done, for which Observe takes up to 5 s, and failing that before this Limiter's
// next reservation of the quota; other workers then do not know of it until then.
func (l *Limiter) Observe(ctx context.Context, key Key, o Observation) error {
	start, err := l.start(key)
	if err != nil {
		return fmt.Errorf("observe limit: %w", err)
	}
	token, at := rand.Text(), time.Now()
	if o.Limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
	}
	if err := l.observe(ctx, key, start, token, o); err != nil {
		if o.Limited {
			l.oweBlock(key, token, at, o.RetryAfter)
		}
		return fmt.Errorf("observe limit: %w", err)
	}
	return nil
}

// observe is safe to repeat with the same token.
func (l *Limiter) observe(ctx context.Context, key Key, start Limit, token string, o Observation) error {
	limited := 0
	if o.Limited {
		limited = 1
	}
	window := o.Window
	if window < minWindow || window > maxWindow {
		window = 0
	}
	age := int64(-1)
	if !o.Sent.IsZero() {
		age = max(0, time.Since(o.Sent)).Microseconds()
	}
	said := min(max(o.Limit, 0), maxLimit)
	remaining := max(o.Remaining, -1)
	if o.Limit > maxLimit && remaining >= 0 {
		remaining = max(0, said-(o.Limit-remaining)) // what was used stays the same
	}
	sent := time.Now()
	left, err := l.scripts.observe.Run(ctx, l.redis, l.keys(key, token),
		start.N, start.Window.Microseconds(), token, markLife.Milliseconds(),
		said, window.Microseconds(), learnedLife.Milliseconds(),
		remaining, age,
		limited, max(0, o.RetryAfter).Microseconds(), l.penalty.Microseconds(),
	).Int64()
	if err != nil {
		return &redisError{"store answer", err}
	}
	if left > 0 {
		l.rememberBlock(key, sent.Add(micros(left)))
	}
	return nil
}
