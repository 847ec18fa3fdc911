package schedule

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/rs/zerolog"
)

// takeOpen brings forward the runs that are not at their end and that nobody else has, as many as this worker may.
func (r *Runner) takeOpen(ctx context.Context) error {
	names, err := r.rdb.SMembers(ctx, keyOpen).Result()
	if err != nil {
		return wrap("list open runs", err)
	}
	open, err := r.store.runs(ctx, names)
	if err != nil || len(open) == 0 {
		return err
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	for _, run := range open {
		if !run.takeable(now) {
			continue
		}
		select {
		case r.slots <- struct{}{}:
		default:
			return nil
		}
		r.wg.Go(func() {
			defer func() { <-r.slots }()
			if err := r.bring(ctx, run); err != nil && ctx.Err() == nil {
				r.log.Error().Err(err).Str("run", run.Name).Msg("run put off; trying again")
			}
		})
	}
	return nil
}

// takeable says whether no worker has the run, and its time to be looked at has come.
func (r Run) takeable(now time.Time) bool { return !r.lease.After(now) && !r.retry.After(now) }

// claim is a run that this worker brings forward.
type claim struct {
	Run
	token string
}

// errLost says that the run is another worker's by now.
var errLost = errors.New("the run is another worker's by now")

// bring takes a run as far as it goes now, under a lease that is renewed meanwhile.
func (r *Runner) bring(ctx context.Context, run Run) error {
	if _, busy := r.busy.LoadOrStore(run.Name, true); busy {
		return nil
	}
	defer r.busy.Delete(run.Name)
	c := claim{Run: run, token: r.token + "." + rand.Text()}
	if ours, err := r.lease(ctx, c); err != nil || !ours {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewed := make(chan struct{})
	go func(taken claim) { // as it is now: c goes on
		defer close(renewed)
		r.renew(ctx, taken, cancel)
	}(c)
	// The run was read before its lease was taken.
	runs, err := r.store.runs(ctx, []string{run.Name})
	if err == nil && len(runs) == 1 {
		c.Run = runs[0]
		err = r.proceed(ctx, &c)
	}
	if err == nil && !c.Open() {
		err = r.trim(ctx, c.Schedule)
	}
	cancel()
	<-renewed
	switch {
	case errors.Is(err, errLost):
		return nil
	case err != nil:
		again, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer stop()
		return errors.Join(err, r.step(again, &c, c.State, 5*time.Second, "", nil))
	}
	return nil
}

// renew keeps the lease of a run until ctx ends, and calls lost if it is another worker's.
func (r *Runner) renew(ctx context.Context, c claim, lost func()) {
	tick := time.NewTicker(r.cfg.Lease / 3)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch ours, err := r.lease(ctx, c); {
		case err == nil && ours:
			last = time.Now()
		case err == nil || time.Since(last) > r.cfg.Lease:
			lost()
			return
		}
	}
}

func (r *Runner) lease(ctx context.Context, c claim) (bool, error) {
	n, err := r.store.take.Run(ctx, r.rdb, []string{keyRun(c.Name)}, c.token, r.cfg.Lease.Milliseconds()).Int()
	return n == 1, wrap("lease a run", err)
}

func (r *Runner) proceed(ctx context.Context, c *claim) error {
	for {
		before := c.State
		var err error
		switch c.State {
		case StateDue:
			err = r.read(ctx, c)
		case StateListed:
			err = r.begin(ctx, c)
		case StateImporting:
			err = r.fill(ctx, c)
		case StateRunning:
			err = r.watch(ctx, c)
		default:
			return nil
		}
		if err != nil || c.State == before {
			return err
		}
	}
}

// step stores where the run stands. With retry the lease is given back and somebody looks again then; below zero it is kept.
func (r *Runner) step(ctx context.Context, c *claim, state State, retry time.Duration, list string, fields map[string]any) error {
	c.State = state
	wait := retry.Milliseconds()
	if retry < 0 {
		wait = -1
	}
	reading := list
	if reading == "" {
		reading = "ringqueue:{schedule}:reading:none"
	}
	args := []any{c.Name, c.token, string(state), flag(!c.Open()), wait, flag(list != "")}
	for field, value := range fields {
		args = append(args, field, value)
	}
	n, err := r.store.step.Run(ctx, r.rdb, []string{keyRun(c.Name), keyOpen, reading, keyList(c.Name)}, args...).Int()
	if err == nil && n == 0 {
		return errLost
	}
	return wrap("store a run", err)
}

// keep is a retry that keeps the lease.
const keep = -1 * time.Millisecond

func (r *Runner) end(ctx context.Context, c *claim, state State, detail string) error {
	level := zerolog.InfoLevel
	if state == StateFailed {
		level = zerolog.ErrorLevel
	}
	r.log.WithLevel(level).Str("schedule", c.Schedule).Str("run", c.Name).Str("state", string(state)).Str("detail", detail).Msg("run ended")
	return r.step(ctx, c, state, 0, "", map[string]any{"detail": detail})
}
