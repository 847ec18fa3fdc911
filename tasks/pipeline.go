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
	mu      sync.Mutex
	missing int
	calls   []*scriptCall // by position; nil for those that did not come to a script
	sent    chan struct{}
}

type scriptCall struct {
	sha  string
	keys []string
	args []any
	cmd  *redis.Cmd
}

type batchPlace struct {
	*batch
	index int
}

type placeKey struct{}

func newBatch(n int) *batch {
	return &batch{missing: n, calls: make([]*scriptCall, n), sent: make(chan struct{})}
}

// at returns the context in which the caller at one position runs its script. Each position must be used by exactly one
// caller, who ends with leave.
func (b *batch) at(ctx context.Context, index int) context.Context {
	return context.WithValue(ctx, placeKey{}, batchPlace{b, index})
}

// EvalSha waits until all of the batch are here, and returns its own reply. A second script of the same caller, which is
// Asynq's EVAL after a NOSCRIPT or a retry, is sent by itself.
func (p *pipelined) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	place, ok := ctx.Value(placeKey{}).(batchPlace)
	if !ok || place.has() {
		return p.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	c := &scriptCall{sha: sha, keys: keys, args: args}
	place.arrive(ctx, p.UniversalClient, c)
	<-place.sent
	return c.cmd
}

func (b batchPlace) has() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[b.index] != nil
}

// leave says that the caller at a position is done; it may never have come to a script.
func (b *batch) leave(ctx context.Context, rdb redis.UniversalClient, index int) {
	if place := (batchPlace{b, index}); !place.has() {
		place.arrive(ctx, rdb, &scriptCall{})
	}
}

// arrive joins the batch; the last one sends it.
func (b batchPlace) arrive(ctx context.Context, rdb redis.UniversalClient, c *scriptCall) {
	b.mu.Lock()
	b.calls[b.index] = c
	b.missing--
	last := b.missing == 0
	b.mu.Unlock()
	if !last {
		return
	}
	defer close(b.sent)
	// Each command carries its own error, a NOSCRIPT too, after which Asynq's script sends its source by EVAL.
	_, _ = rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, c := range b.calls {
			if c.sha != "" {
				c.cmd = pipe.EvalSha(ctx, c.sha, c.keys, c.args...)
			}
		}
		return nil
	})
}
