package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// handOver is how long a deletion waits for handlers to let go of their tasks. They can do no harm: nothing is claimed any
// more.
const handOver = 5 * time.Second

// Delete deletes a campaign: its two queues whole, its contacts and their attempts. It is ledger.ErrLive while calls are
// live. What is interrupted is finished by a worker, or by another Delete. It says how many contacts there were.
func Delete(ctx context.Context, rdb redis.UniversalClient, campaign string) (int, error) {
	which, err := ledger.New(rdb).BeginDelete(ctx, campaign)
	if err != nil {
		return 0, err
	}
	return finishDelete(ctx, rdb, campaign, which)
}

// finishDelete deletes a campaign whose deletion has begun. The queues go first and the campaign's own record last, so that
// what was interrupted is seen.
func finishDelete(ctx context.Context, rdb redis.UniversalClient, campaign string, which ledger.Incarnation) (int, error) {
	if err := handedOver(ctx, rdb, campaign); err != nil {
		return 0, err
	}
	if err := eraseQueues(ctx, rdb, campaign); err != nil {
		return 0, err
	}
	n := 0
	err := ledger.New(rdb).Erase(ctx, campaign, which, func(contacts []ledger.Standing) error {
		n += len(contacts)
		return eraseTasks(ctx, rdb, campaign, contacts)
	})
	if err != nil {
		return n, err
	}
	// An import that ran into the deletion may have enqueued after its queue was deleted. What comes later still, a worker
	// deletes.
	return n, eraseQueues(ctx, rdb, campaign)
}

// handedOver waits until no handler has a task of the campaign: a worker stops serving it within a second or two.
func handedOver(ctx context.Context, rdb redis.UniversalClient, campaign string) error {
	first, again := Queues(campaign)
	late := time.NewTimer(handOver)
	defer late.Stop()
	for {
		active := int64(0)
		for _, queue := range []string{first, again} {
			n, err := rdb.LLen(ctx, asynqkeys.Active(queue)).Result()
			if err != nil {
				return fmt.Errorf("read queue %s: %w", queue, err)
			}
			active += n
		}
		if active == 0 {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-late.C:
			return nil // of a worker that was killed: nobody lets go of it
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // of the caller
		}
	}
}

// eraseTasks deletes the tasks of all rounds of some contacts, in whatever state: their ids are known.
func eraseTasks(ctx context.Context, rdb redis.UniversalClient, campaign string, contacts []ledger.Standing) error {
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, c := range contacts {
			for round := 1; round <= c.Round; round++ {
				p.Unlink(ctx, asynqkeys.Task(queueOf(campaign, round), taskID(campaign, c.Contact, round)))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete tasks of %s: %w", campaign, err)
	}
	return nil
}

// eraseQueues deletes all that Asynq keeps of the campaign's queues, in small steps. Its own DeleteQueue refuses a queue with
// tasks that a killed worker holds, and leaves completed tasks, the pause mark and the statistics behind.
func eraseQueues(ctx context.Context, rdb redis.UniversalClient, campaign string) error {
	first, again := Queues(campaign)
	for _, queue := range []string{first, again} {
		if err := clearSets(ctx, rdb, queue, asynqkeys.Pending, asynqkeys.Active, asynqkeys.Scheduled, asynqkeys.Retry,
			asynqkeys.Archived, asynqkeys.Completed); err != nil {
			return err
		}
	}
	now := time.Now()
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, queue := range []string{first, again} {
			p.SRem(ctx, asynqkeys.Queues, queue)
			for _, key := range append(asynqkeys.Sets(queue), asynqkeys.Statistics(queue, now)...) {
				p.Unlink(ctx, key)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete queues of %s: %w", campaign, err)
	}
	return nil
}
