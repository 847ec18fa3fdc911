package ledger

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

//go:embed scripts/sweeper.lua
var sweeperSource string

// keySweeper is the lease of the one process that sweeps.
const keySweeper = "ringqueue:{ledger}:sweeper"

// SweepLease says who has the right to sweep.
type SweepLease string

// The answers of TakeSweep.
const (
	SweepKept  SweepLease = "kept"  // this process, without a break
	SweepTaken SweepLease = "taken" // this process from now on; others may have swept since it last had it
	SweepOther SweepLease = "other" // another process
)

// TakeSweep takes or renews the right to sweep for the process with this token.
func (l *Ledger) TakeSweep(ctx context.Context, token string, ttl time.Duration) (SweepLease, error) {
	reply, err := redis.NewScript(sweeperSource).Run(ctx, l.rdb, []string{keySweeper}, token, max(ttl.Milliseconds(), 1)).Text()
	return SweepLease(reply), wrap("take the sweeper's lease", err)
}

// GiveSweep gives the right to sweep back, so that the next process need not wait for its end.
func (l *Ledger) GiveSweep(ctx context.Context, token string) error {
	err := redis.NewScript(sweeperSource).Run(ctx, l.rdb, []string{keySweeper}, token, 0).Err()
	return wrap("give the sweeper's lease back", err)
}

// Page lists the ids of at most n contacts in the order of their import, from a position counted from 0. The list only
// grows at its end, so positions stay good. Fewer than n: there are no more.
func (l *Ledger) Page(ctx context.Context, name string, from, n int) ([]string, error) {
	ids, err := l.rdb.LRange(ctx, keyOrder(name), int64(from), int64(from+n-1)).Result()
	return ids, wrap("list contacts", err)
}

// Standing is where a contact stands, without its row and its past.
type Standing struct {
	Contact string
	State   campaign.ContactState // "" if there is no such contact
	Round   int
	Last    campaign.Attempt // its newest attempt; only read while it is placing or live
}

// Stand reads where contacts stand, in one round trip, or two if some are placing or live. The reply has one Standing per
// id, in order.
func (l *Ledger) Stand(ctx context.Context, name string, ids []string) ([]Standing, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.SliceCmd, len(ids))
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			cmds[i] = p.HMGet(ctx, keyContact(name, id), "s", "r", "n")
		}
		return nil
	}); err != nil {
		return nil, wrap("read contacts", err)
	}
	stand := make([]Standing, len(ids))
	attempts := map[int]*redis.StringCmd{}
	p := l.rdb.Pipeline()
	for i, id := range ids {
		v := cmds[i].Val()
		if len(v) != 3 {
			return nil, fmt.Errorf("ledger: read contacts: %d values for 3 fields", len(v))
		}
		stand[i] = Standing{Contact: id, State: campaign.ContactState(text(v[0])), Round: number(text(v[1]))}
		if s := stand[i].State; s == campaign.Placing || s == campaign.Live {
			attempts[i] = p.HGet(ctx, keyContact(name, id), "a"+text(v[2]))
		}
	}
	if len(attempts) == 0 {
		return stand, nil
	}
	// An attempt that was released in the meantime is gone: the zero attempt says so.
	if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, wrap("read attempts", err)
	}
	for i, cmd := range attempts {
		if cmd.Val() == "" {
			continue
		}
		a, err := parseAttempt(cmd.Val())
		if err != nil {
			return nil, err
		}
		stand[i].Last = a
	}
	return stand, nil
}
