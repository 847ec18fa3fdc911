package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/ringqueue/ringqueue/internal/crash"
)

// read stores a snapshot of the run's list.
func (r *Runner) read(ctx context.Context, c *claim) error {
	if c.rule.Overlap == OverlapSkip {
		earlier, err := r.earlier(ctx, c)
		if err != nil {
			return err
		}
		if len(earlier) > 0 {
			return r.end(ctx, c, StateSkipped, "the run before, "+earlier[0].Name+", is not done")
		}
	}
	snap, err := r.source.snapshot(ctx, c.rule)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return r.unreadable(ctx, c, err)
	}
	crash.Point("list_read")
	return r.step(ctx, c, StateListed, keep, snap.key, map[string]any{"detail": ""})
}

// unreadable puts a run off whose list cannot be used now, or gives it up.
func (r *Runner) unreadable(ctx context.Context, c *claim, cause error) error {
	now, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	one, err := r.store.Get(ctx, c.Schedule)
	newer := err == nil && one.Last != nil && one.Last.Instant.After(c.Instant)
	wait, last := r.cfg.readAgain(cause, now.Sub(c.FiredAt), newer)
	if last {
		return r.end(ctx, c, StateFailed, cause.Error())
	}
	if !errors.Is(cause, errWriting) {
		r.log.Warn().Err(cause).Str("schedule", c.Schedule).Str("run", c.Name).Msg("the list cannot be used; trying again")
	}
	return r.step(ctx, c, StateDue, wait, "", map[string]any{"detail": cause.Error()})
}

// readAgain says after what wait a list that cannot be used is read again, or that this was the last time: the run was fired
// so long ago, or there is a newer one.
func (c Config) readAgain(cause error, fired time.Duration, newer bool) (wait time.Duration, last bool) {
	switch {
	case newer || fired > c.Patience:
		return 0, true
	case errors.Is(cause, errWriting):
		return min(c.Retry, max(c.Quiet/3, 10*time.Millisecond)), false
	}
	return c.Retry, false
}
