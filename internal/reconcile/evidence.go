package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// survey reads what concerns all campaigns.
func (r *Reconciler) survey(ctx context.Context, rd *round) error {
	var err error
	if rd.served, rd.working, err = r.Tasks.Servers(ctx); err != nil {
		return err
	}
	held, err := r.Held(ctx)
	if err != nil {
		return err
	}
	for _, ref := range held {
		rd.held[ref.Token] = ref
		rd.lines[ref.Campaign] = append(rd.lines[ref.Campaign], ref.Contact)
	}
	return nil
}

// load is what a campaign's queues hold.
type load struct {
	alive  int // tasks that will come to a handler
	ending int // those of them that are active
	active int // all that are active
	open   int // all that have not come to their end
}

// load counts a campaign's tasks, and names the contacts of those that nobody will end.
func (r *Reconciler) load(ctx context.Context, rd *round, w *walk, name string) (l load, abandoned []string, err error) {
	queues := r.Tasks.Queues(name)
	counts := make([]struct{ pending, active, scheduled, retry *redis.IntCmd }, len(queues))
	if _, err := r.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, q := range queues {
			c := &counts[i]
			c.pending, c.active = p.LLen(ctx, asynqkeys.Pending(q)), p.LLen(ctx, asynqkeys.Active(q))
			c.scheduled, c.retry = p.ZCard(ctx, asynqkeys.Scheduled(q)), p.ZCard(ctx, asynqkeys.Retry(q))
		}
		return nil
	}); err != nil {
		return load{}, nil, fmt.Errorf("read queues of %s: %w", name, err)
	}
	for _, c := range counts {
		waiting := int(c.pending.Val() + c.scheduled.Val() + c.retry.Val())
		l.alive += waiting
		l.active += int(c.active.Val())
		l.open += waiting + int(c.active.Val())
	}
	if l.active == 0 {
		return l, nil, nil
	}
	for i, q := range queues {
		if counts[i].active.Val() == 0 {
			continue
		}
		alive, contacts, err := r.active(ctx, rd, w, name, q)
		if err != nil {
			return load{}, nil, err
		}
		l.alive += alive
		l.ending += alive
		abandoned = append(abandoned, contacts...)
	}
	return l, abandoned, nil
}

// active counts a queue's active tasks that will come to their end, and names the contacts of the others.
func (r *Reconciler) active(ctx context.Context, rd *round, w *walk, name, queue string) (alive int, abandoned []string, err error) {
	ids, err := r.Redis.LRange(ctx, asynqkeys.Active(queue), 0, -1).Result()
	if err != nil {
		return 0, nil, fmt.Errorf("list active tasks of %s: %w", queue, err)
	}
	if !rd.served(queue) {
		lapsed, err := r.Redis.ZRangeByScore(ctx, asynqkeys.Lease(queue), &redis.ZRangeBy{
			Min: "-inf", Max: strconv.FormatInt(rd.now.Unix(), 10),
		}).Result()
		if err != nil {
			return 0, nil, fmt.Errorf("list leases of %s: %w", queue, err)
		}
		for _, id := range lapsed {
			rd.lapsed[taskRef{queue, id}] = true
		}
	}
	var loose []string // in no worker's hands
	for _, id := range ids {
		if r.ending(rd, w, taskRef{queue, id}) {
			alive++
		} else {
			abandoned = append(abandoned, contactsOf(name, id)...)
		}
		if !rd.working[queue][id] {
			loose = append(loose, id)
		}
	}
	_, err = r.removeAllDangling(ctx, rd, queue, asynqkeys.Active(queue), loose)
	return alive, abandoned, err
}

// ending says whether an active task will come to its end: a worker has it, or Asynq still has time to recover it. A task
// that has lost its lease is in no list of Asynq's: that no server counts it among its work is what gives it away.
func (r *Reconciler) ending(rd *round, w *walk, task taskRef) bool {
	if rd.working[task.queue][task.id] || rd.lapsed[task] {
		delete(w.idle, task)
		return true
	}
	w.seen[task] = true
	since, ok := w.idle[task]
	if !ok {
		since = rd.now
		w.idle[task] = since
	}
	return rd.now.Sub(since) < r.Timing.Orphaned
}

// examine judges contacts, a page at a time, and repairs those that were seen in need of it before.
func (r *Reconciler) examine(ctx context.Context, rd *round, c ledger.Campaign, w *walk, ids []string) error {
	for len(ids) > 0 {
		page := ids[:min(len(ids), r.Timing.Page)]
		ids = ids[len(page):]
		if err := r.keep(ctx); err != nil {
			return err
		}
		faults, err := r.faults(ctx, rd, c, w, page)
		if err != nil {
			return err
		}
		for i, id := range page {
			if !w.suspected(id, faults[i], rd.now) || !w.suspects[id].due(rd.now, r.Timing) {
				continue
			}
			if err := r.repair(ctx, rd, c.Rules.Name, id, faults[i]); err != nil {
				if ctx.Err() != nil {
					return err
				}
				if rd.errs = append(rd.errs, err); len(rd.errs) >= maxErrors {
					return errors.New("too many repairs did not succeed")
				}
				continue
			}
			delete(w.suspects, id)
		}
	}
	return nil
}

// faults says what is wrong with contacts, if anything. The reply has one fault per id, in order.
func (r *Reconciler) faults(ctx context.Context, rd *round, c ledger.Campaign, w *walk, ids []string) ([]fault, error) {
	name := c.Rules.Name
	stand, err := r.Ledger.Stand(ctx, name, ids)
	if err != nil {
		return nil, err
	}
	faults := make([]fault, len(ids))
	var waiting []int
	for i, x := range stand {
		if x.State == campaign.Waiting && !c.Cancelled { // otherwise it is about to be ended
			waiting = append(waiting, i)
			continue
		}
		faults[i] = judgeCall(x, rd.held, rd.now, r.Timing)
	}
	own := make([]taskRef, len(waiting))
	for j, i := range waiting {
		own[j] = r.task(name, stand[i])
	}
	seen, err := r.tasks(ctx, rd, w, own)
	if err != nil {
		return nil, err
	}
	// Most contacts' own task is all right, and the ones beside it need not be read.
	var doubtful []int
	var beside []taskRef
	for j := range waiting {
		if judgeTasks(seen[j:j+1]).kind == "" {
			continue
		}
		doubtful = append(doubtful, j)
		for n := range sideTasks {
			beside = append(beside, own[j].beside(n))
		}
	}
	others, err := r.tasks(ctx, rd, w, beside)
	if err != nil {
		return nil, err
	}
	for d, j := range doubtful {
		all := append([]taskSeen{seen[j]}, others[d*sideTasks:(d+1)*sideTasks]...)
		f := judgeTasks(all)
		f.round = stand[waiting[j]].Round
		faults[waiting[j]] = f
	}
	return faults, r.acquit(ctx, name, ids, stand, faults)
}

// acquit drops the faults of contacts that moved on while they were judged.
func (r *Reconciler) acquit(ctx context.Context, name string, ids []string, before []ledger.Standing, faults []fault) error {
	var at []int
	var again []string
	for i, f := range faults {
		if f.kind != "" {
			at, again = append(at, i), append(again, ids[i])
		}
	}
	now, err := r.Ledger.Stand(ctx, name, again)
	if err != nil {
		return err
	}
	for j, i := range at {
		if moved(before[i], now[j]) {
			faults[i] = fault{}
		}
	}
	return nil
}

func (r *Reconciler) task(name string, x ledger.Standing) taskRef {
	queue, id := r.Tasks.Task(name, x.Contact, x.Round)
	return taskRef{queue, id}
}

// tasks reads tasks in one round trip, in order.
func (r *Reconciler) tasks(ctx context.Context, rd *round, w *walk, tasks []taskRef) ([]taskSeen, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.SliceCmd, len(tasks))
	if _, err := r.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, t := range tasks {
			cmds[i] = p.HMGet(ctx, asynqkeys.Task(t.queue, t.id), asynqkeys.State, asynqkeys.Message)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	seen := make([]taskSeen, len(tasks))
	for i, cmd := range cmds {
		seen[i].ref = tasks[i]
		v := cmd.Val()
		if len(v) != 2 {
			return nil, fmt.Errorf("read tasks: %d values for 2 fields", len(v))
		}
		state, _ := v[0].(string)
		if seen[i].husk = v[1] == nil && v[0] != nil; !seen[i].husk {
			seen[i].state = state
		}
		if seen[i].state == asynqkeys.StateActive {
			seen[i].ending = r.ending(rd, w, tasks[i])
		}
	}
	return seen, nil
}
