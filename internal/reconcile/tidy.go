package reconcile

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

//go:embed scripts/expire.lua
var expireSource string

var expireScript = redis.NewScript(expireSource)

const (
	reopenPage   = 5                // campaigns of all that a round compares with the list of open ones
	danglingPage = 500              // ids of one list that a round compares with their tasks
	mostDangling = 100              // ids that a round removes from one list
	endedPage    = 2                // campaigns that are over at whose finished tasks a round looks
	expirePage   = 500              // finished tasks that one script deletes: about 2 ms
	endedPause   = 10 * time.Minute // between two looks at the finished tasks of one campaign, at least
	deletedPage  = 5                // deleted campaigns at whose queues a round looks
	deletedFor   = 10 * time.Minute // how long an import that ran into a deletion may still enqueue

	mostDeletions = 2 // that this process finishes at once
	firstTryAgain = 10 * time.Second
	lastTryAgain  = 10 * time.Minute
)

// reopen looks for campaigns that belong to the open ones and are not among them, a few per round.
func (r *Reconciler) reopen(ctx context.Context) (err error) {
	r.reopened, err = r.Ledger.Reopen(ctx, r.reopened, reopenPage)
	return err
}

// close takes a campaign that is over out of the open ones. What its queues still hold is of contacts that are done: where
// handlers do not come to it, it is deleted.
func (r *Reconciler) close(ctx context.Context, w *walk, name string, l load) error {
	if w.over++; w.over < 2 || l.ending > 0 {
		return nil
	}
	if l.open > l.active {
		if err := r.Tasks.Clear(ctx, name); err != nil {
			return err
		}
	}
	closed, err := r.Ledger.Close(ctx, name)
	if closed {
		delete(r.walks, name)
	}
	return err
}

// finishCancel ends what a cancelled campaign still has waiting, where the command that cancelled it was interrupted.
func (r *Reconciler) finishCancel(ctx context.Context, name string) error {
	if _, err := r.Ledger.CancelWaiting(ctx, name); err != nil {
		return err
	}
	return r.Tasks.Clear(ctx, name)
}

// deletions are those that this process finishes, beside its rounds: one may take a while.
type deletions struct {
	sync.WaitGroup
	mu      sync.Mutex
	running int
	tries   map[string]try
}

// try is what became of finishing a deletion so far.
type try struct {
	running  bool
	failures int
	again    time.Time
}

// begin says whether to try now.
func (d *deletions) begin(key string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tries[key]
	if t.running || now.Before(t.again) || d.running >= mostDeletions {
		return false
	}
	t.running = true
	d.tries[key] = t
	d.running++
	return true
}

// end notes how the try ended.
func (d *deletions) end(key string, now time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running--
	if err == nil {
		delete(d.tries, key)
		return
	}
	t := d.tries[key]
	t.running = false
	t.again = now.Add(min(firstTryAgain<<min(t.failures, 10), lastTryAgain))
	t.failures++
	d.tries[key] = t
}

// finishDelete deletes what a command that was interrupted has left of a campaign. One that fails is tried again.
func (r *Reconciler) finishDelete(ctx context.Context, rd *round, c ledger.Campaign) {
	name, which := c.Rules.Name, c.Incarnation()
	key := name + ":" + string(which)
	if rd.now.Sub(c.Deleting) < r.Timing.Abandoned || !r.deletions.begin(key, rd.now) {
		return
	}
	r.deletions.Go(func() {
		err := r.Tasks.FinishDelete(ctx, name, which)
		r.deletions.end(key, rd.now, err)
		switch {
		case err == nil:
			r.Log.Info().Str("campaign", name).Msg("deleted the rest of a campaign")
		case ctx.Err() == nil:
			r.Log.Error().Err(err).Str("campaign", name).Msg("delete the rest of a campaign; trying again")
		}
	})
}

// dangling looks through a page of each of a campaign's lists of ids for those whose task is gone, and removes them: they
// stand for nobody, and each keeps a worker from finding what comes after it.
func (r *Reconciler) dangling(ctx context.Context, rd *round, w *walk, name string) error {
	for _, queue := range r.Tasks.Queues(name) {
		for _, set := range []struct {
			key  string
			list bool
		}{
			{asynqkeys.Pending(queue), true},
			{asynqkeys.Scheduled(queue), false},
			{asynqkeys.Retry(queue), false},
		} {
			from := int64(w.ids[set.key])
			var ids []string
			var err error
			if set.list {
				ids, err = r.Redis.LRange(ctx, set.key, from, from+danglingPage-1).Result()
			} else {
				ids, err = r.Redis.ZRange(ctx, set.key, from, from+danglingPage-1).Result()
			}
			if err != nil {
				return fmt.Errorf("list tasks of %s: %w", queue, err)
			}
			removed, err := r.removeAllDangling(ctx, rd, queue, set.key, ids)
			if err != nil {
				return err
			}
			if w.ids[set.key] += len(ids) - removed; len(ids) < danglingPage {
				delete(w.ids, set.key)
			}
		}
	}
	return nil
}

// removeAllDangling removes those of some ids from a list or set whose tasks are gone.
func (r *Reconciler) removeAllDangling(ctx context.Context, rd *round, queue, set string, ids []string) (removed int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	there := make([]*redis.BoolCmd, len(ids))
	if _, err := r.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			there[i] = p.HExists(ctx, asynqkeys.Task(queue, id), asynqkeys.Message)
		}
		return nil
	}); err != nil {
		return 0, fmt.Errorf("read tasks of %s: %w", queue, err)
	}
	defer func() {
		if rd.repairs.Dangling += removed; removed > 0 {
			r.Log.Warn().Str("queue", queue).Int("ids", removed).Str("rule", "dangling").Msg("repaired: ids whose tasks are gone were removed")
		}
	}()
	for i, id := range ids {
		if there[i].Val() || removed == mostDangling {
			continue
		}
		gone, err := r.removeDangling(ctx, set, taskRef{queue, id})
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

// tidyUp looks after campaigns that are over or gone, a few per round.
func (r *Reconciler) tidyUp(ctx context.Context, rd *round) error {
	ended, err := r.Ledger.Ended(ctx, rd.now, endedPage)
	if err != nil {
		return err
	}
	for _, name := range ended {
		if err := r.expire(ctx, rd, name); err != nil {
			return err
		}
	}
	deleted, err := r.Ledger.Deleted(ctx, deletedPage)
	if err != nil {
		return err
	}
	for _, d := range deleted {
		if err := r.eraseLate(ctx, rd, d); err != nil {
			return err
		}
	}
	return nil
}

// expire deletes finished tasks of a campaign that is over once their time is; Asynq does so only while it serves a queue.
func (r *Reconciler) expire(ctx context.Context, rd *round, name string) error {
	var next time.Time
	for _, queue := range r.Tasks.Queues(name) {
		reply, err := expireScript.Run(ctx, r.Redis, []string{asynqkeys.Completed(queue)}, asynqkeys.Tasks(queue), expirePage).Int64Slice()
		if err != nil {
			return fmt.Errorf("expire finished tasks of %s: %w", queue, err)
		}
		if len(reply) != 2 {
			return errors.New("expire finished tasks: unexpected reply")
		}
		if reply[0] == expirePage {
			return nil // there are more: the next round goes on
		}
		if at := time.Unix(reply[1], 0); reply[1] > 0 && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if soonest := rd.now.Add(endedPause); !next.IsZero() && next.Before(soonest) {
		next = soonest
	}
	return r.Ledger.LookAgain(ctx, name, next)
}

// eraseLate deletes what was enqueued for a campaign after its deletion.
func (r *Reconciler) eraseLate(ctx context.Context, rd *round, d ledger.Deletion) error {
	_, err := r.Ledger.Campaign(ctx, d.Name)
	switch {
	case err == nil: // another campaign of the name: what is left is found as its own
		return r.Ledger.ForgetDeleted(ctx, d.Name)
	case !errors.Is(err, ledger.ErrNoCampaign):
		return err
	}
	left := int64(0)
	for _, queue := range r.Tasks.Queues(d.Name) {
		n, err := r.Redis.Exists(ctx, asynqkeys.Sets(queue)...).Result()
		if err != nil {
			return fmt.Errorf("read queue %s: %w", queue, err)
		}
		left += n
	}
	if left > 0 {
		if err := r.Tasks.EraseQueues(ctx, d.Name); err != nil {
			return err
		}
	}
	if rd.now.Sub(d.At) > deletedFor {
		return r.Ledger.ForgetDeleted(ctx, d.Name)
	}
	return nil
}
