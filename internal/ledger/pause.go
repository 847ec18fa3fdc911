package ledger

import (
	"context"
	_ "embed"
	"errors"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/paused.lua
var pausedSource string

// A campaign is paused by marks on its two queues, which are Asynq's. The ledger keeps what they last agreed on, so that
// where they differ it can be told which one a person has changed since.

// Paused says what a campaign's queues last agreed on; false where that is not known.
func (l *Ledger) Paused(ctx context.Context, name string) (bool, error) {
	v, err := l.rdb.HGet(ctx, keyCampaign(name), "paused").Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return v == "1", wrap("read pause", err)
}

// SetPaused records what a campaign's queues agree on. A campaign that is not there stays so.
func (l *Ledger) SetPaused(ctx context.Context, name string, paused bool) error {
	_, err := l.runInt(ctx, redis.NewScript(pausedSource), []string{keyCampaign(name)}, flag(paused))
	return wrap("record pause", err)
}
