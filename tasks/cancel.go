package tasks

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

//go:embed clear.lua
var clearSource string

var clearScript = redis.NewScript(clearSource)

// clearPage is how many tasks one script deletes at most. Redis serves nobody else meanwhile: about 1 ms.
const clearPage = 200

// Cancel ends a campaign for good and says how many contacts it ended. Calls that are live go on. Where it is interrupted,
// a worker finishes it.
func Cancel(ctx context.Context, rdb redis.UniversalClient, campaign string) (int, error) {
	l := ledger.New(rdb)
	if err := l.Cancel(ctx, campaign); err != nil {
		return 0, err
	}
	n, err := l.CancelWaiting(ctx, campaign)
	if err != nil {
		return n, err
	}
	return n, Clear(ctx, rdb, campaign)
}

// Clear deletes a cancelled campaign's tasks that are not being processed, in small steps.
func Clear(ctx context.Context, rdb redis.UniversalClient, campaign string) error {
	first, again := Queues(campaign)
	for _, queue := range []string{first, again} {
		if err := clearSets(ctx, rdb, queue, asynqkeys.Pending, asynqkeys.Scheduled, asynqkeys.Retry); err != nil {
			return err
		}
	}
	return nil
}

// clearSets deletes all tasks of some of a queue's lists and sets of ids.
func clearSets(ctx context.Context, rdb redis.UniversalClient, queue string, sets ...func(queue string) string) error {
	for _, set := range sets {
		for left := 1; left > 0; {
			var err error
			if left, err = clearScript.Run(ctx, rdb, []string{set(queue)}, asynqkeys.Tasks(queue), clearPage).Int(); err != nil {
				return fmt.Errorf("empty queue %s: %w", queue, err)
			}
		}
	}
	return nil
}
