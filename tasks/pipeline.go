package tasks

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// pipelined is a Redis client that sends the EVALSHAs of concurrent callers as one pipeline. Asynq's client runs one
// script per task; with many goroutines enqueueing, this turns hundreds of round trips into one.
type pipelined struct {
	redis.UniversalClient
	calls chan call
	done  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
}

type call struct {
	ctx  context.Context //nolint:containedctx // of the one request
	sha  string
	keys []string
	args []any
	cmd  chan *redis.Cmd
}

// maxPipeline is the most scripts in one round trip; larger ones gained nothing.
const maxPipeline = 512

func newPipelined(rdb redis.UniversalClient) *pipelined {
	p := &pipelined{UniversalClient: rdb, calls: make(chan call, maxPipeline), done: make(chan struct{})}
	p.wg.Add(1)
	go p.run()
	return p
}

// stop ends the sender. No call may be under way.
func (p *pipelined) stop() {
	p.once.Do(func() { close(p.done) })
	p.wg.Wait()
}

// EvalSha joins the next pipeline and waits for its own reply.
func (p *pipelined) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	c := call{ctx: ctx, sha: sha, keys: keys, args: args, cmd: make(chan *redis.Cmd, 1)}
	select {
	case p.calls <- c:
	case <-p.done:
		return p.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	return <-c.cmd
}

func (p *pipelined) run() {
	defer p.wg.Done()
	for {
		var batch []call
		select {
		case c := <-p.calls:
			batch = append(batch, c)
		case <-p.done:
			return
		}
		for more := true; more && len(batch) < maxPipeline; {
			select {
			case c := <-p.calls:
				batch = append(batch, c)
			default:
				more = false
			}
		}
		p.send(batch)
	}
}

func (p *pipelined) send(batch []call) {
	cmds := make([]*redis.Cmd, len(batch))
	// Each command carries its own error, a NOSCRIPT too, after which Asynq's script sends its source by EVAL.
	_, _ = p.Pipelined(batch[0].ctx, func(pipe redis.Pipeliner) error { //nolint:errcheck // see above
		for i, c := range batch {
			cmds[i] = pipe.EvalSha(c.ctx, c.sha, c.keys, c.args...)
		}
		return nil
	})
	for i, c := range batch {
		c.cmd <- cmds[i]
	}
}
