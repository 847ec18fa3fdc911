package tasks

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
)

// heldQueue is the one queue that Asynq's server is told of. It is never there: what the server asks of it is asked of the
// queue of a campaign for which there is a free line. Campaigns' names have no dot, so no campaign's queue is called so.
const heldQueue = "free.lines"

// held is the Redis client that Asynq's server is given. Asynq fixes a server's queues and how many tasks it takes at its
// start, and asks each queue in turn; ringqueue takes a task only where there is a line for it, of campaigns that come and
// go. So the server knows one queue, and its requests for that are answered here:
//
//   - take a task: when the feed has one,
//   - make due tasks ready: the feed does that, on Redis's clock,
//   - list tasks whose server is gone, delete finished ones that have expired: for the campaigns that are open.
//
// Whatever else the server asks names its tasks' own queues, and passes. Times are turned into Redis's, since workers must
// agree on whose lease is over. A test compares what a server really asks with what is known here.
type held struct {
	redis.UniversalClient
	stop context.Context //nolint:containedctx // its end ends the wait for a task: Asynq waits without a context
	feed *feed
	open func(context.Context) ([]string, error) // names of the campaigns that are open
	skew func() time.Duration                    // by which this process's clock is ahead of Redis's

	swept int // how many queues' finished tasks were looked at; the janitor's goroutine alone has it
}

// script runs one of Asynq's scripts, by its digest or by its source.
type script func(keys []string, args []any) *redis.Cmd

func (h *held) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return h.answer(ctx, func(keys []string, args []any) *redis.Cmd {
		return h.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}, keys, args)
}

func (h *held) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	return h.answer(ctx, func(keys []string, args []any) *redis.Cmd {
		return h.UniversalClient.Eval(ctx, source, keys, args...)
	}, keys, args)
}

func (h *held) answer(ctx context.Context, run script, keys []string, args []any) *redis.Cmd {
	if len(keys) == 0 {
		return run(keys, args)
	}
	switch keys[0] {
	case asynqkeys.Pending(heldQueue):
		return h.take(ctx, run, keys, args)
	case asynqkeys.Scheduled(heldQueue), asynqkeys.Retry(heldQueue):
		return reply(ctx, int64(0))
	case asynqkeys.Lease(heldQueue):
		return h.expired(ctx, run, keys, args)
	case asynqkeys.Completed(heldQueue):
		return h.tidy(ctx, run, keys, args)
	}
	return run(keys, args)
}

// take answers the request for a task. Asynq's script runs on the queue that the feed names.
func (h *held) take(ctx context.Context, run script, keys []string, args []any) *redis.Cmd {
	var cmd *redis.Cmd
	args = h.onRedis(args)
	found := h.feed.next(h.stop, func(queue string) (bool, error) {
		cmd = run(of(queue, keys, args))
		err := cmd.Err()
		switch {
		case err == redis.Nil: //nolint:errorlint // as go-redis returns it
			return false, nil
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			return false, errUnknownScript
		}
		return err == nil, err
	})
	if found || cmd != nil && redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		return cmd // Asynq sends a script's source where its digest is not known
	}
	return failed(ctx, redis.Nil)
}

// errUnknownScript says that Redis does not know a script by its digest.
var errUnknownScript = errors.New("unknown script")

// expired lists the tasks of all open campaigns whose leases are over.
func (h *held) expired(ctx context.Context, run script, keys []string, args []any) *redis.Cmd {
	names, err := h.open(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	args = h.onRedis(args)
	all := []any{}
	for _, name := range names {
		first, again := Queues(name)
		for _, queue := range []string{first, again} {
			cmd := run(of(queue, keys, args))
			if cmd.Err() != nil {
				return cmd
			}
			if list, ok := cmd.Val().([]any); ok {
				all = append(all, list...)
			}
		}
	}
	return reply(ctx, all)
}

// tidy deletes expired finished tasks of one open campaign's queue after another. Asynq asks until there are none.
func (h *held) tidy(ctx context.Context, run script, keys []string, args []any) *redis.Cmd {
	names, err := h.open(ctx)
	if err != nil {
		return failed(ctx, err)
	}
	if len(names) == 0 {
		return reply(ctx, int64(0))
	}
	first, again := Queues(names[h.swept/2%len(names)])
	queue := first
	if h.swept%2 == 1 {
		queue = again
	}
	cmd := run(of(queue, keys, args))
	if n, err := cmd.Int(); err == nil && n == 0 {
		h.swept++
	}
	return cmd
}

// ZAddXX is how Asynq's server keeps the leases of its tasks: until an instant of its own clock.
func (h *held) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if strings.HasSuffix(key, ":lease") {
		members = append([]redis.Z(nil), members...)
		for i := range members {
			members[i].Score -= h.skew().Seconds()
		}
	}
	return h.UniversalClient.ZAddXX(ctx, key, members...)
}

// onRedis turns the first argument, a second of this process's clock, into Redis's.
func (h *held) onRedis(args []any) []any {
	args = append([]any(nil), args...)
	if at, ok := args[0].(int64); ok {
		args[0] = at - int64(h.skew().Round(time.Second)/time.Second)
	}
	return args
}

// of turns keys and arguments of the held queue into another one's.
func of(queue string, keys []string, args []any) ([]string, []any) {
	from, to := "{"+heldQueue+"}", "{"+queue+"}"
	k := make([]string, len(keys))
	for i, key := range keys {
		k[i] = strings.Replace(key, from, to, 1)
	}
	a := make([]any, len(args))
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			arg = strings.Replace(s, from, to, 1)
		}
		a[i] = arg
	}
	return k, a
}

func reply(ctx context.Context, v any) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(v)
	return cmd
}

func failed(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	return cmd
}
