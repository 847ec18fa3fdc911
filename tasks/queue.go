package tasks

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
)

//go:embed advance.lua
var advanceSource string

var advanceScript = redis.NewScript(advanceSource)

// advancePage is how many tasks of each kind one script makes ready at most. Redis serves nobody else meanwhile.
const advancePage = 200

// queueState is what a queue holds.
type queueState struct {
	paused          bool
	pending, active int
	next            time.Duration // until the first of those that wait for their time is due; negative: none does
}

// advance makes what is due in a campaign's two queues ready, as Asynq's forwarder does, and says what they hold.
func advance(ctx context.Context, rdb redis.UniversalClient, campaign string) (first, again queueState, err error) {
	a, b := Queues(campaign)
	run := func(p redis.Pipeliner, eval func(p redis.Pipeliner, keys []string, args ...any) *redis.Cmd) [2]*redis.Cmd {
		var cmds [2]*redis.Cmd
		for i, q := range []string{a, b} {
			cmds[i] = eval(p, []string{
				asynqkeys.Pending(q), asynqkeys.Scheduled(q), asynqkeys.Retry(q), asynqkeys.Active(q), asynqkeys.Paused(q),
			}, asynqkeys.Tasks(q), advancePage)
		}
		return cmds
	}
	p := rdb.Pipeline()
	cmds := run(p, func(p redis.Pipeliner, keys []string, args ...any) *redis.Cmd {
		return p.EvalSha(ctx, advanceScript.Hash(), keys, args...)
	})
	_, err = p.Exec(ctx)
	if redis.HasErrorPrefix(cmds[0].Err(), "NOSCRIPT") || redis.HasErrorPrefix(cmds[1].Err(), "NOSCRIPT") {
		cmds = run(p, func(p redis.Pipeliner, keys []string, args ...any) *redis.Cmd {
			return p.Eval(ctx, advanceSource, keys, args...)
		})
		_, err = p.Exec(ctx)
	}
	if err != nil {
		return first, again, fmt.Errorf("look into the queues of %s: %w", campaign, err)
	}
	for i, s := range []*queueState{&first, &again} {
		v, err := cmds[i].Int64Slice()
		if err != nil || len(v) != 4 {
			return first, again, fmt.Errorf("look into the queues of %s: unexpected reply: %w", campaign, err)
		}
		*s = queueState{paused: v[0] == 1, pending: int(v[1]), active: int(v[2]), next: time.Duration(v[3]) * time.Millisecond}
	}
	return first, again, nil
}
