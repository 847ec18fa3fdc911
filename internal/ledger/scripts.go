package ledger

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed scripts/lib.lua
	libSource string
	//go:embed scripts/create.lua
	createSource string
	//go:embed scripts/add.lua
	addSource string
	//go:embed scripts/hold.lua
	holdSource string
	//go:embed scripts/end.lua
	endSource string
	//go:embed scripts/claim.lua
	claimSource string
	//go:embed scripts/placed.lua
	placedSource string
	//go:embed scripts/release.lua
	releaseSource string
	//go:embed scripts/seen.lua
	seenSource string
	//go:embed scripts/settle.lua
	settleSource string
	//go:embed scripts/resolve.lua
	resolveSource string
	//go:embed scripts/cancel.lua
	cancelSource string
	//go:embed scripts/retry.lua
	retrySource string
	//go:embed scripts/stop.lua
	stopSource string
	//go:embed scripts/erase.lua
	eraseSource string
)

// scripts are the ledger's only writers of campaigns and contacts.
type scripts struct {
	create, add, hold, end, claim, placed, release, seen, settle, resolve, cancel *redis.Script

	retry, stop, erase, update, remove, dnc, dncEnd *redis.Script

	due, wake, rest, note *redis.Script

	beat, notice, agree, approve, adopt *redis.Script
}

func newScripts() scripts {
	load := func(source string) *redis.Script { return redis.NewScript(libSource + "\n" + source) }
	return scripts{
		create: load(createSource), add: load(addSource), hold: load(holdSource), end: load(endSource),
		claim: loadRedisScript(claimSource), placed: load(placedSource), release: load(releaseSource), seen: load(seenSource),
		settle: load(settleSource), resolve: load(resolveSource), cancel: load(cancelSource),
		due: load(dueSource), wake: load(wakeSource), rest: load(restSource), note: load(noteSource),
		retry: load(retrySource), stop: load(stopSource), erase: load(eraseSource),
		update: load(updateSource), remove: load(removeSource),
		beat: loadRedisScript(beatSource), notice: loadRedisScript(noticeSource), agree: loadRedisScript(agreeSource), approve: loadRedisScript(approveSource), adopt: load(adoptSource),
		dnc: load(dncSource), dncEnd: load(dncEndSource),
	}
}

// run runs a script whose reply is a flat list of strings.
func (l *Ledger) run(ctx context.Context, s *redis.Script, keys []string, args ...any) ([]string, error) {
	reply, err := s.Run(ctx, l.rdb, keys, args...).StringSlice()
	if err != nil {
		return nil, err
	}
	if len(reply) == 0 {
		return nil, errors.New("empty reply from a script")
	}
	return reply, nil
}

// runInt runs a script whose reply is a whole number.
func (l *Ledger) runInt(ctx context.Context, s *redis.Script, keys []string, args ...any) (int, error) {
	n, err := s.Run(ctx, l.rdb, keys, args...).Int()
	if err != nil {
		return 0, err
	}
	return n, nil
}

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ledger: %s: %w", op, err)
}
