package ratelimit

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/common.lua
	commonLua string
	//go:embed lua/reserve.lua
	reserveLua string
	//go:embed lua/giveback.lua
	giveBackLua string
	//go:embed lua/observe.lua
	observeLua string
	//go:embed lua/restore.lua
	restoreLua string
	//go:embed lua/look.lua
	lookLua string
)

const (
	// markLife is how long a token is remembered that was given back or observed:
	// longer than a command can be under way, all of go-redis's repeats included.
	markLife = time.Minute
	// learnedLife is how long a learned limit is used without further news.
	learnedLife = 24 * time.Hour
)

type scripts struct {
	reserve, giveBack, observe, restore, look *redis.Script
}

func newScripts() scripts {
	load := func(src string) *redis.Script { return redis.NewScript(commonLua + src) }
	return scripts{
		reserve:  load(reserveLua),
		giveBack: load(giveBackLua),
		observe:  load(observeLua),
		restore:  load(restoreLua),
		look:     load(lookLua),
	}
}

// keys returns the names of a quota's keys, all in one cluster slot:
//
//	PREFIX:{quota:OWNER:GROUP}             hash: what was learned, and the block
//	PREFIX:{quota:OWNER:GROUP}:log         sorted set: the slots
//	PREFIX:{quota:OWNER:GROUP}:mark:TOKEN  string: the token was given back or observed
//
// The last one is left out where there is no token.
func (l *Limiter) keys(key Key, token string) []string {
	base := l.prefix + ":{quota:" + key.Owner + ":" + key.Group + "}"
	if token == "" {
		return []string{base, base + ":log"}
	}
	return []string{base, base + ":log", base + ":mark:" + token}
}

// grant is where a reservation stands on Redis's clock, and when by the local
// clock Redis said so: after sent and before got.
type grant struct {
	slot, now int64 // µs
	limit     Limit
	sent, got time.Time
}

// reserve takes a slot for a token that has none, else says where the token's slot
// is, which is a new one if the old one came and cannot be used any more. It is
// safe to repeat. Where Redis has lost slots, what this Limiter knows of them is restored first.
func (l *Limiter) reserve(ctx context.Context, key Key, start Limit, token string) (grant, error) {
	m := l.recall(key)
	g, err := l.ask(ctx, key, start, token, m.probe(), m.blockLeft())
	if errors.Is(err, errLost) {
		if err := l.restore(ctx, key, start); err != nil {
			return grant{}, err
		}
		g, err = l.ask(ctx, key, start, token, known{}, 0)
	}
	if err == nil {
		l.remember(key, token, g)
	}
	return g, err
}

// ask is one call of the reserving script. errLost: Redis does not have the last slot, or is not blocked for as long, µs.
func (l *Limiter) ask(ctx context.Context, key Key, start Limit, token string, last known, blocked int64) (grant, error) {
	sent := time.Now()
	reply, err := l.scripts.reserve.Run(ctx, l.redis, l.keys(key, token),
		start.N, start.Window.Microseconds(), token, last.token, last.slot, blocked).Int64Slice()
	if err != nil {
		return grant{}, &redisError{"reserve slot", err}
	}
	got := time.Now()
	if len(reply) != 4 {
		return grant{}, fmt.Errorf("reserve slot: redis replied %d values, want 4", len(reply))
	}
	switch reply[0] {
	case 0:
		return grant{}, fmt.Errorf("reserve slot: %w", errGivenBack)
	case -1:
		return grant{}, fmt.Errorf("reserve slot: %w", errLost)
	}
	return grant{
		slot:  reply[0],
		now:   reply[1],
		limit: Limit{N: int(reply[2]), Window: micros(reply[3])},
		sent:  sent,
		got:   got,
	}, nil
}

// giveBack returns a token's unused slot, if it has one, and makes sure that the
// token gets none any more. It is safe to repeat.
func (l *Limiter) giveBack(ctx context.Context, key Key, start Limit, token string) error {
	l.forget(key, token)
	err := l.scripts.giveBack.Run(ctx, l.redis, l.keys(key, token),
		start.N, start.Window.Microseconds(), token, markLife.Milliseconds()).Err()
	if err != nil {
		return &redisError{"give slot back", err}
	}
	return nil
}

// redisError says that Redis did not answer a script, or not as it should: it may
// have executed it or not.
type redisError struct {
	op  string
	err error
}

func (e *redisError) Error() string { return e.op + ": " + e.err.Error() }
func (e *redisError) Unwrap() error { return e.err }

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
