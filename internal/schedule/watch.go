package schedule

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ringqueue/ringqueue/internal/ledger"
)

// watch ends a run whose campaign is over.
func (r *Runner) watch(ctx context.Context, c *claim) error {
	camp, err := r.ledger.Campaign(ctx, c.Name)
	switch {
	case errors.Is(err, ledger.ErrNoCampaign):
		return r.end(ctx, c, StateDone, "its campaign was deleted")
	case err != nil:
		return err
	case camp.Counts.Open():
		return r.step(ctx, c, StateRunning, 2*r.cfg.Every, "", nil)
	}
	outcomes, err := json.Marshal(camp.Counts.Outcomes)
	if err != nil {
		return wrap("end a run", err)
	}
	r.log.Info().Str("schedule", c.Schedule).Str("run", c.Name).Msg("run done")
	if err := r.step(ctx, c, StateDone, 0, "", map[string]any{"outcomes": outcomes}); err != nil {
		return err
	}
	return r.rdb.Unlink(ctx, keyLeftOut(c.Name)).Err()
}
