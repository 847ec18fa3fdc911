package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
)

// Load is how many tasks a campaign's two queues hold, by state.
type Load struct {
	Pending, Active, Scheduled, Retry, Archived, Completed int
	Next                                                   time.Time // when the first of those scheduled is due; zero if none is
}

// ReadLoad counts a campaign's tasks, by the lengths of Asynq's lists: it needs nothing that a hosted Redis may forbid, and
// an id whose task is gone does not stop it.
func ReadLoad(ctx context.Context, rdb redis.UniversalClient, campaign string) (Load, error) {
	var counts [2]struct{ pending, active, scheduled, retry, archived, completed *redis.IntCmd }
	var next [2]*redis.ZSliceCmd
	first, again := Queues(campaign)
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, queue := range []string{first, again} {
			c := &counts[i]
			c.pending, c.active = p.LLen(ctx, asynqkeys.Pending(queue)), p.LLen(ctx, asynqkeys.Active(queue))
			c.scheduled, c.retry = p.ZCard(ctx, asynqkeys.Scheduled(queue)), p.ZCard(ctx, asynqkeys.Retry(queue))
			c.archived, c.completed = p.ZCard(ctx, asynqkeys.Archived(queue)), p.ZCard(ctx, asynqkeys.Completed(queue))
			next[i] = p.ZRangeWithScores(ctx, asynqkeys.Scheduled(queue), 0, 0)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return Load{}, fmt.Errorf("read queues of %s: %w", campaign, err)
	}
	var l Load
	for i, c := range counts {
		l.Pending += int(c.pending.Val())
		l.Active += int(c.active.Val())
		l.Scheduled += int(c.scheduled.Val())
		l.Retry += int(c.retry.Val())
		l.Archived += int(c.archived.Val())
		l.Completed += int(c.completed.Val())
		for _, z := range next[i].Val() {
			if at := time.Unix(int64(z.Score), 0); l.Next.IsZero() || at.Before(l.Next) {
				l.Next = at
			}
		}
	}
	return l, nil
}
