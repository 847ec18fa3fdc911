package schedule

import (
	"context"
	"errors"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// trim deletes the oldest ended runs of a schedule, campaign and queues and all, so that as many are left as it keeps. Runs
// that hold something and records of those that never took place are counted apart: an outage of two days must not
// push out results. One with a contact that waits for a person, or that was given another round, stays. A schedule that was
// removed keeps its campaigns, and needs no record of them.
func (r *Runner) trim(ctx context.Context, name string) error {
	one, err := r.store.Get(ctx, name)
	removed := errors.Is(err, ErrNone)
	if err != nil && !removed {
		return err
	}
	runs, err := r.store.Runs(ctx, name)
	if err != nil {
		return err
	}
	ended := map[bool]int{}
	for _, run := range runs {
		if run.Open() {
			continue
		}
		holds := run.began || run.State == StateDone
		if ended[holds]++; ended[holds] <= one.Keep {
			continue
		}
		if !removed {
			gone, err := r.delete(ctx, run.Name)
			if err != nil {
				return err
			}
			if !gone {
				continue
			}
		}
		if err := r.store.forget(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// delete deletes a run's campaign; false if it is still needed.
func (r *Runner) delete(ctx context.Context, name string) (bool, error) {
	camp, err := r.ledger.Campaign(ctx, name)
	if errors.Is(err, ledger.ErrNoCampaign) {
		return true, nil
	}
	if err != nil || camp.Counts.Open() || camp.Counts.Unconfirmed > 0 {
		return false, err
	}
	_, err = tasks.Delete(ctx, r.rdb, name)
	if errors.Is(err, ledger.ErrLive) {
		return false, nil
	}
	if err == nil {
		r.log.Info().Str("campaign", name).Msg("old run deleted")
	}
	return err == nil, err
}
