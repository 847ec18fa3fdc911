package tasks

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// pipelined is a Redis client that sends the EVALSHAs of one batch of callers as one pipeline, in the batch's order.
// Asynq's client runs one script per task; this turns a batch's round trips into one and keeps the call list's order,
// which goroutines would shuffle.
type pipelined struct {
	redis.UniversalClient
}

// batch is a number of scripts that wait for one another.
type batch struct {
	mu    sync.Mutex
	waves [2]wave
}

// The waves of a batch. Asynq runs a script by its SHA and, where Redis does not know it, again by its source; the
// second time must keep the order as well.
const (
	bySHA = iota
	bySource
)

// wave is one pipeline.
type wave struct {
	missing int           // callers that have not come yet
	calls   []*scriptCall // by position; nil for those that have not come
	sent    chan struct{}
}

type scriptCall struct {
	send func(redis.Pipeliner) *redis.Cmd // nil for a caller who does not come to a script
	cmd  *redis.Cmd
}

func (c *scriptCall) unknown() bool {
	return c.cmd != nil && redis.HasErrorPrefix(c.cmd.Err(), "NOSCRIPT")
}

type batchPlace struct {
	*batch
	index int
}

type placeKey struct{}

func newBatch(n int) *batch {
	b := &batch{}
	for i := range b.waves {
		b.waves[i] = wave{missing: n, calls: make([]*scriptCall, n), sent: make(chan struct{})}
	}
	return b
}

// at returns the context in which the caller at one position runs its script. Each position must be used by exactly one
// caller, who ends with leave.
func (b *batch) at(ctx context.Context, index int) context.Context {
	return context.WithValue(ctx, placeKey{}, batchPlace{b, index})
}

// EvalSha waits until all of the batch are here, and returns its own reply. What a caller sends beyond its one script, a
// retry for example, goes by itself.
func (p *pipelined) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	place, ok := ctx.Value(placeKey{}).(batchPlace)
	if !ok || !place.due(bySHA) {
		return p.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	return place.join(ctx, p.UniversalClient, bySHA, func(pipe redis.Pipeliner) *redis.Cmd {
		return pipe.EvalSha(ctx, sha, keys, args...)
	})
}

// Eval waits until all whose script Redis did not know are here, and returns its own reply.
func (p *pipelined) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	place, ok := ctx.Value(placeKey{}).(batchPlace)
	if !ok || !place.due(bySource) {
		return p.UniversalClient.Eval(ctx, script, keys, args...)
	}
	return place.join(ctx, p.UniversalClient, bySource, func(pipe redis.Pipeliner) *redis.Cmd {
		return pipe.Eval(ctx, script, keys, args...)
	})
}

// due says whether the wave still waits for the caller at this position.
func (b batchPlace) due(w int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waves[w].calls[b.index] != nil {
		return false
	}
	first := b.waves[bySHA].calls[b.index]
	return w == bySHA || first != nil && first.unknown()
}

// failure is the first error with which Redis answered one of the batch's scripts, or nil.
func (b *batch) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.waves {
		for _, c := range w.calls {
			if c != nil && c.cmd != nil && c.cmd.Err() != nil && !c.unknown() {
				return c.cmd.Err()
			}
		}
	}
	return nil
}

// leave says that the caller at a position is done; it may never have come to a script.
func (b *batch) leave(ctx context.Context, rdb redis.UniversalClient, index int) {
	place := batchPlace{b, index}
	for w := range b.waves {
		if place.due(w) {
			place.arrive(ctx, rdb, w, &scriptCall{})
		}
	}
}

// join adds a script to a wave and returns its reply once the wave was sent.
func (b batchPlace) join(ctx context.Context, rdb redis.UniversalClient, w int, send func(redis.Pipeliner) *redis.Cmd) *redis.Cmd {
	c := &scriptCall{send: send}
	b.arrive(ctx, rdb, w, c)
	<-b.waves[w].sent
	return c.cmd
}

// arrive joins the wave; the last one sends it.
func (b batchPlace) arrive(ctx context.Context, rdb redis.UniversalClient, w int, c *scriptCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wave := &b.waves[w]
	wave.calls[b.index] = c
	if wave.missing--; wave.missing > 0 {
		return
	}
	defer close(wave.sent)
	// Each command carries its own error.
	_, _ = rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, c := range wave.calls {
			if c != nil && c.send != nil {
				c.cmd = c.send(pipe)
			}
		}
		return nil
	})
	if w == bySHA {
		second := 0
		for _, c := range wave.calls {
			if c.unknown() {
				second++
			}
		}
		b.waves[bySource].missing = second
	}
}
