package console

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/safe"
)

// Client returns a client of the same Redis for the console's questions: few connections, apart from those with which calls
// are made, and an answer within two seconds or none. The caller closes it.
func Client(rdb redis.UniversalClient) redis.UniversalClient {
	const connections = 16
	switch c := rdb.(type) {
	case *redis.Client:
		o := *c.Options()
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Second, 2*time.Second, 2*time.Second, time.Second
		o.MaxRetries, o.PoolSize, o.ContextTimeoutEnabled = -1, connections, true
		o.MinIdleConns, o.MaxActiveConns = 0, 0
		return redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *c.Options()
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Second, 2*time.Second, 2*time.Second, time.Second
		o.MaxRetries, o.PoolSize, o.ContextTimeoutEnabled = -1, connections, true
		o.MinIdleConns, o.MaxActiveConns = 0, 0
		return redis.NewClusterClient(&o)
	}
	return rdb
}

const failedFor = 2 * time.Second // how long it is not read again what could not be read

// UnknownError says that something cannot be read, and since when.
type UnknownError struct {
	Since time.Time // when it was last read; where it never was, when that was first tried
	Err   error
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("nothing is known since %s: %v", e.Since.UTC().Format("15:04:05 MST"), e.Err)
}
func (e *UnknownError) Unwrap() error { return e.Err }

// reading is what is read from Redis for everybody who asks: once for all, not more often than it is worth, not again at once
// when it could not be read, and nobody waits for it longer than patience. What was read last is kept.
type reading[T any] struct {
	read     func(context.Context) (value T, good time.Duration, err error) // and how long it is good
	patience time.Duration
	limit    time.Duration // of one read
	log      zerolog.Logger
	now      func() time.Time // nil: time.Now

	mu     sync.Mutex
	value  T
	at     time.Time // when it was read; zero: never
	first  time.Time // when that was first tried
	err    error     // of the last read
	good   time.Time // until when neither value nor err is asked for again
	flight *flight
}

// flight is a read that is under way.
type flight struct {
	began time.Time
	done  chan struct{}
}

// get returns what was read last, and with it an UnknownError if it is not good any more and cannot be read.
func (r *reading[T]) get(ctx context.Context) (T, error) {
	now := time.Now
	if r.now != nil {
		now = r.now
	}
	r.mu.Lock()
	if now().Before(r.good) {
		defer r.mu.Unlock()
		return r.value, r.err
	}
	f := r.flight
	if f == nil {
		f = &flight{time.Now(), make(chan struct{})}
		if r.flight = f; r.first.IsZero() {
			r.first = now()
		}
		asked, detached := now(), context.WithoutCancel(ctx) // others wait for it too
		safe.Go(r.log, "the console's readings", func() {
			var value T
			good, err := failedFor, fmt.Errorf("a fault in ringqueue")
			defer func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				if r.flight, r.good = nil, now().Add(good); err == nil {
					r.value, r.at, r.err = value, asked, nil
				} else {
					r.err, r.good = r.unknown(err), now().Add(failedFor)
				}
				close(f.done)
			}()
			ctx, cancel := context.WithTimeout(detached, r.limit)
			defer cancel()
			value, good, err = r.read(ctx)
		})
	}
	r.mu.Unlock()
	wait := time.NewTimer(time.Until(f.began.Add(r.patience)))
	defer wait.Stop()
	select {
	case <-f.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.value, r.err
	case <-wait.C:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, r.unknown(context.DeadlineExceeded)
}

// known says whether it was ever read.
func (r *reading[T]) known() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.at.IsZero()
}

// unknown makes an error; the lock is held.
func (r *reading[T]) unknown(err error) error {
	since := r.at
	if since.IsZero() {
		since = r.first
	}
	return &UnknownError{since, err}
}
