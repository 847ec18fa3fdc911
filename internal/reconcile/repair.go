package reconcile

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
)

//go:embed scripts/dangling.lua
var danglingSource string

var danglingScript = redis.NewScript(danglingSource)

const lostRecord = "the line's record was lost"

// repair carries out a rule, and wakes the campaign if it has a task now.
func (r *Reconciler) repair(ctx context.Context, rd *round, name, contact string, f fault) error {
	log := func(what string) {
		r.Log.Warn().Str("campaign", name).Str("contact", contact).Int("round", f.round).Str("rule", string(f.kind)).Msg(what)
	}
	switch f.kind {
	case faultStuck:
		log("no worker has any of a waiting contact's tasks; not enqueued again")
		return nil
	case faultUntracked:
		return r.giveUp(ctx, rd, name, contact, f, log)
	}
	if err := r.requeue(ctx, name, contact, f); err != nil {
		return fmt.Errorf("repair %s task of %s in %s: %w", f.kind, contact, name, err)
	}
	switch n := &rd.repairs; f.kind {
	case faultMissing:
		n.Missing++
		log("repaired: a waiting contact had no task; enqueued")
	case faultArchived:
		n.Archived++
		log("repaired: a waiting contact's task was archived; run again")
	case faultCompleted:
		n.Completed++
		log("repaired: a waiting contact's task had ended; enqueued anew")
	case faultOrphaned:
		n.Orphaned++
		log("repaired: no worker had a waiting contact's task; another one enqueued")
	}
	return r.Ledger.Wake(ctx, name, 0)
}

// requeue gives a waiting contact a task that will come to a handler.
func (r *Reconciler) requeue(ctx context.Context, name, contact string, f fault) error {
	if f.husk {
		if _, err := r.removeDangling(ctx, asynqkeys.Active(f.task.queue), f.task); err != nil {
			return err
		}
	}
	switch f.kind {
	case faultMissing:
		return r.Tasks.Follow(ctx, name, contact)
	case faultArchived:
		return r.Tasks.Run(ctx, f.task.queue, f.task.id)
	case faultCompleted:
		if err := r.Tasks.Remove(ctx, f.task.queue, f.task.id); err != nil {
			return err
		}
	}
	return r.Tasks.Enqueue(ctx, name, contact, f.round, f.task.id)
}

// removeDangling removes an id from a list or set if its task is gone, with what is left of that.
func (r *Reconciler) removeDangling(ctx context.Context, set string, task taskRef) (bool, error) {
	n, err := danglingScript.Run(ctx, r.Redis, []string{
		asynqkeys.Task(task.queue, task.id), set, asynqkeys.Lease(task.queue),
	}, task.id).Int()
	if err != nil {
		return false, fmt.Errorf("remove an id without a task: %w", err)
	}
	return n == 1, nil
}

// giveUp leaves an attempt that nobody tracks to a person. Whatever it comes to, it is not dialled again.
func (r *Reconciler) giveUp(ctx context.Context, rd *round, name, contact string, f fault, log func(string)) error {
	rec, err := r.Ledger.Contact(ctx, name, contact)
	if err != nil {
		return err
	}
	a, ok := rec.Attempt(f.token)
	if !ok || !a.EndedAt.IsZero() {
		return nil
	}
	v := campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: lostRecord}
	a, err = r.Settler.Settle(ctx, campaign.Ref{Campaign: name, Contact: contact, Token: f.token}, v, a.Seen)
	if err != nil {
		return fmt.Errorf("give up the call of %s in %s: %w", contact, name, err)
	}
	if a.Detail == lostRecord { // otherwise somebody settled it first, and that stands
		rd.repairs.Untracked++
		log("unconfirmed: no line had the call, so nobody tracked it; decide with campaign unconfirmed")
	}
	return nil
}
