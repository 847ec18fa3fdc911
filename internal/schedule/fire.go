package schedule

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/crash"
)

// fireDue fires the schedules whose instants have come.
func (r *Runner) fireDue(ctx context.Context) error {
	now, err := r.cfg.Now(ctx)
	if err != nil {
		return err
	}
	all, err := r.store.All(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if !one.due(now) {
			continue
		}
		if err := r.fire(ctx, one, now); err != nil {
			return err
		}
	}
	return nil
}

// due says whether an instant of the schedule has come.
func (s Schedule) due(now time.Time) bool {
	return !s.Paused && !s.Next.IsZero() && !s.Next.After(now)
}

// fire records the runs of the instants that have come.
func (r *Runner) fire(ctx context.Context, one Schedule, now time.Time) error {
	firings, total := one.firings(now)
	next, _ := one.When.Next(now)
	ours, err := r.store.record(ctx, one, next, firings, false)
	if err != nil || !ours {
		return err
	}
	crash.Point("fired")
	level := zerolog.InfoLevel
	if n := len(firings); n == 0 || firings[n-1].state == StateMissed || total > 1 {
		level = zerolog.WarnLevel
	}
	r.log.WithLevel(level).Str("schedule", one.Name).Int("instants", total).Time("next", next).Msg("schedule fired")
	return nil
}

// firings are the runs of the instants that have come by now, oldest first, and how many instants there were: only the
// newest are kept. The newest one runs if it is not too late, the others were missed.
func (s Schedule) firings(now time.Time) (firings []firing, total int) {
	instants, more := s.When.Between(s.Next, now, s.Keep)
	if len(instants) < s.Keep {
		instants = append([]time.Time{s.Next}, instants...)
	}
	for i, at := range instants {
		f := firing{run: RunName(s.Name, s.When, at), instant: at, state: StateMissed, detail: "no worker was up at its instant"}
		if lateBy := now.Sub(at); i == len(instants)-1 && lateBy <= max(s.CatchUp, late) {
			f.state, f.detail = StateDue, ""
			if lateBy > late {
				f.detail = "late by " + lateBy.Round(time.Second).String()
			}
		}
		firings = append(firings, f)
	}
	return firings, 1 + more
}
