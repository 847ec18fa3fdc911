package schedule

import (
	"context"
	"errors"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// begin starts a run's campaign once its predecessors let it.
func (r *Runner) begin(ctx context.Context, c *claim) error {
	earlier, err := r.earlier(ctx, c)
	if err != nil {
		return err
	}
	for _, run := range earlier {
		waits, replaces := c.rule.Overlap.before(run)
		if waits != "" {
			return r.step(ctx, c, StateListed, 2*r.cfg.Every, "", map[string]any{"detail": waits})
		}
		if replaces {
			if _, err := tasks.Cancel(ctx, r.rdb, run.Name); err != nil {
				return err //nolint:wrapcheck // it says what
			}
			r.log.Info().Str("schedule", c.Schedule).Str("run", run.Name).Str("by", c.Name).Msg("run replaced")
		}
	}
	if err := r.leaveOut(ctx, c); err != nil {
		return err
	}
	return r.step(ctx, c, StateImporting, keep, "", map[string]any{"detail": ""})
}

// before says what a run does about an earlier one that is still open: why it waits for it, or that it replaces it.
func (o Overlap) before(earlier Run) (waits string, replaces bool) {
	switch {
	case o != OverlapReplace:
		return "waits for the run before, " + earlier.Name, false
	case earlier.State != StateRunning: // it has no campaign yet, or is filling it
		return "waits to replace the run before, " + earlier.Name, false
	}
	return "", true
}

// earlier lists the open runs of the same schedule that were fired before, newest first.
func (r *Runner) earlier(ctx context.Context, c *claim) ([]Run, error) {
	runs, err := r.store.Runs(ctx, c.Schedule)
	if err != nil {
		return nil, err
	}
	var list []Run
	for _, run := range runs {
		if run.Name == c.Name || !run.Open() || run.Instant.After(c.Instant) {
			continue
		}
		if run.State == StateRunning {
			over, err := r.over(ctx, run.Name)
			if err != nil {
				return nil, err
			}
			if over {
				continue
			}
		}
		list = append(list, run)
	}
	return list, nil
}

// over says whether nothing more will be dialled in a run's campaign.
func (r *Runner) over(ctx context.Context, name string) (bool, error) {
	camp, err := r.ledger.Campaign(ctx, name)
	if errors.Is(err, ledger.ErrNoCampaign) {
		return true, nil
	}
	return err == nil && (camp.Cancelled || !camp.Counts.Open()), err
}

// leaveOut notes the numbers that are still open in the schedule's kept runs: they are not called twice. It is decided
// once for the run, before its first contact is imported.
func (r *Runner) leaveOut(ctx context.Context, c *claim) error {
	runs, err := r.store.Runs(ctx, c.Schedule)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.Name == c.Name {
			continue
		}
		camp, err := r.ledger.Campaign(ctx, run.Name)
		if errors.Is(err, ledger.ErrNoCampaign) || err == nil && !camp.Counts.Open() && camp.Counts.Unconfirmed == 0 {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.noteOpen(ctx, run.Name, keyLeftOut(c.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) noteOpen(ctx context.Context, name, key string) error {
	const page = 500
	for from := 0; ; from += page {
		ids, err := r.ledger.Page(ctx, name, from, page)
		if err != nil || len(ids) == 0 {
			return err
		}
		stand, err := r.ledger.Stand(ctx, name, ids)
		if err != nil {
			return err
		}
		for _, s := range stand {
			if s.State == "" || s.State == campaign.Done {
				continue
			}
			rec, err := r.ledger.Contact(ctx, name, s.Contact)
			if err != nil {
				return err
			}
			if err := r.rdb.SAdd(ctx, key, rec.Contact.Number()).Err(); err != nil {
				return wrap("note open contacts", err)
			}
		}
	}
}
