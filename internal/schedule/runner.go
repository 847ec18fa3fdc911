package schedule

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// Config is when a runner looks and how long it waits. Zero values get the defaults that are named.
type Config struct {
	Every    time.Duration // between two looks; 1 s
	Lease    time.Duration // of a run that a worker brings forward; 30 s
	Quiet    time.Duration // a list that changed less than this ago is still being written; 30 s
	Retry    time.Duration // until a list that cannot be used is read again; 30 s
	Patience time.Duration // after a run was fired, until a list that cannot be used is given up; 1 h

	Now func(context.Context) (time.Time, error) // by which instants come; Redis's time, since workers' clocks may differ
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Every, time.Second)
	set(&c.Lease, 30*time.Second)
	set(&c.Quiet, 30*time.Second)
	set(&c.Retry, 30*time.Second)
	set(&c.Patience, time.Hour)
	return c
}

const (
	// late is how late an instant may be and still count as on time: a worker was being restarted.
	late     = time.Minute
	maxBytes = 256 << 20 // of one file of a call list
	maxFetch = 2 * time.Minute
	atOnce   = 16 // runs that one worker brings forward together
)

// Runner fires schedules and brings their runs to their end. Any number of workers may run one.
type Runner struct {
	store    *Store
	rdb      redis.UniversalClient
	ledger   *ledger.Ledger
	producer *tasks.Producer
	source   source
	log      zerolog.Logger
	cfg      Config
	token    string

	slots chan struct{}
	busy  sync.Map // names of the runs that this worker brings forward now
	wg    sync.WaitGroup
}

// NewRunner returns a runner on a Redis client, which stays the caller's to close.
func NewRunner(rdb redis.UniversalClient, log zerolog.Logger, cfg Config) *Runner {
	cfg = cfg.withDefaults()
	store := NewStore(rdb)
	if cfg.Now == nil {
		cfg.Now = store.Now
	}
	return &Runner{
		store: store, rdb: rdb, ledger: ledger.New(rdb), producer: tasks.NewProducer(rdb), log: log, cfg: cfg,
		source: source{rdb: rdb, client: newClient(), quiet: cfg.Quiet, most: maxBytes, longest: maxFetch},
		token:  rand.Text(), slots: make(chan struct{}, atOnce),
	}
}

// Run works until ctx ends. What it was doing is gone on with by another worker, or by the next start.
func (r *Runner) Run(ctx context.Context) {
	defer r.wg.Wait()
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for failures := 0; ; {
		switch err := r.turn(ctx); {
		case err != nil && ctx.Err() == nil:
			if failures++; failures == 1 {
				r.log.Error().Err(err).Msg("schedules wait; trying again")
			}
		case err == nil && failures > 0:
			r.log.Info().Int("failures", failures).Msg("schedules go on")
			failures = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn fires what is due and takes the runs that nobody brings forward.
func (r *Runner) turn(ctx context.Context) error {
	if err := r.fireDue(ctx); err != nil {
		return err
	}
	return r.takeOpen(ctx)
}
