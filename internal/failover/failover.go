package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// Config is when a guard looks. Zero values get the defaults that are named.
type Config struct {
	Every  time.Duration // between two looks at Redis; 5 s
	LogLag time.Duration // after a change was noticed, until RingCentral's records have all calls from before it; 45 s
	Retry  time.Duration // after a comparison that was not conclusive; 15 s
	Slack  time.Duration // how far clocks and records may be off; 60 s
	Recent time.Duration // a line that no worker has asked for in this time is not waited for; 10 min
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Every, 5*time.Second)
	set(&c.LogLag, 45*time.Second)
	set(&c.Retry, 15*time.Second)
	set(&c.Slack, time.Minute)
	set(&c.Recent, 10*time.Minute)
	return c
}

// Guard watches Redis for one worker.
type Guard struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	pool   *line.Pool
	log    zerolog.Logger
	cfg    Config
}

// New returns a guard. The ledger must be the one that the worker claims with: it remembers for both what was approved.
func New(rdb redis.UniversalClient, l *ledger.Ledger, pool *line.Pool, log zerolog.Logger, cfg Config) *Guard {
	return &Guard{rdb: rdb, ledger: l, pool: pool, log: log, cfg: cfg.withDefaults()}
}

// change is a Redis that is not the approved one.
type change struct {
	runID   string
	noticed time.Time
	busy    atomic.Bool // a comparison runs

	// The comparison's own:
	renewed map[string]bool // lines that were begun anew, by number
	waiting string          // the lines that were waited for last
}

// Run watches until ctx ends. It must end before the pool does.
func (g *Guard) Run(ctx context.Context) {
	var (
		wg      sync.WaitGroup
		current *change
	)
	defer wg.Wait()
	for ; ctx.Err() == nil; sleep(ctx, g.cfg.Every) {
		a, err := g.ledger.Beat(ctx)
		switch {
		case err != nil: // the pool says that Redis is away
			continue
		case !a.Changed():
			if current != nil {
				g.log.Info().Msg("RingCentral's records were compared with the ledger: dialling goes on")
				current = nil
			}
			continue
		case current == nil || current.runID != a.RunID:
			current = &change{runID: a.RunID, noticed: time.Now(), renewed: map[string]bool{}}
			g.log.Warn().Time("last_seen", a.Seen).Dur("wait", g.cfg.LogLag).
				Msg(ledger.RedisChanged + "; nothing is dialled meanwhile, live calls are tracked on")
		}
		// The ledger refuses anyway; this spares the quota of reservations and tells people why.
		for _, l := range g.pool.Held() {
			l.Extension.Hold(g.cfg.Every+g.cfg.Every/2, ledger.RedisChanged)
		}
		if time.Since(current.noticed) < g.cfg.LogLag || !current.busy.CompareAndSwap(false, true) {
			continue
		}
		c := current
		wg.Go(func() {
			defer c.busy.Store(false)
			if err := g.compare(ctx, c, a); err != nil && ctx.Err() == nil {
				g.log.Error().Err(err).Dur("again_in", g.cfg.Retry).Msg("RingCentral's records not compared with the ledger yet; nothing is dialled")
				sleep(ctx, g.cfg.Retry)
			}
		})
	}
}

// compare compares the lines that this worker has, and approves Redis if all others were compared too.
func (g *Guard) compare(ctx context.Context, c *change, a ledger.Approval) error {
	if err := Check(ctx, g.rdb, zerolog.Nop()); err != nil {
		return err
	}
	lines, err := line.List(ctx, g.rdb)
	if err != nil {
		return err
	}
	var own []line.Line
	for _, l := range g.pool.Held() {
		agreed := slices.ContainsFunc(lines, func(i line.Info) bool { return i.Number == l.Number && i.Agreed == c.runID })
		if !agreed {
			own = append(own, l)
		}
	}
	if len(own) > 0 {
		if err := g.reconcile(ctx, own, c, a); err != nil {
			return err
		}
		if lines, err = line.List(ctx, g.rdb); err != nil {
			return err
		}
	}
	var missing []string
	for _, l := range lines {
		if l.Agreed != c.runID && a.Now.Sub(l.Seen) < g.cfg.Recent {
			missing = append(missing, l.Name)
		}
	}
	if len(missing) > 0 {
		if waiting := strings.Join(missing, ", "); waiting != c.waiting {
			c.waiting = waiting
			g.log.Info().Str("lines", waiting).Msg("waiting until these lines' workers have compared RingCentral's records too")
		}
		return nil
	}
	_, err = g.ledger.Approve(ctx, c.runID)
	return err
}

// reconcile compares the records of the lines' extensions with the ledger and marks the lines as agreed. A line whose
// extension could not be asked is left out; none is marked while a contact's call is still being found out about.
func (g *Guard) reconcile(ctx context.Context, own []line.Line, c *change, a ledger.Approval) error {
	surveys, failed := g.survey(ctx, own, a)
	// What this worker remembers of its lines comes first: calls that only it knows of would never end.
	for _, s := range surveys {
		for _, l := range s.lines {
			if err := g.renew(ctx, l, s.Busy(l), c); err != nil {
				return errors.Join(failed, err)
			}
		}
	}
	if err := g.adopt(ctx, surveys); err != nil {
		return errors.Join(failed, err)
	}
	for _, s := range surveys {
		for _, l := range s.lines {
			if err := g.pool.Agree(ctx, l.Number, c.runID); err != nil {
				return errors.Join(failed, err)
			}
		}
	}
	return failed
}

// renew begins a line anew from its record, once; one whose agent is on a call is blocked if its record does not say so.
func (g *Guard) renew(ctx context.Context, l line.Line, busy bool, c *change) error {
	blocked := false
	if busy {
		var err error
		if blocked, err = g.pool.Block(ctx, l.Number); err != nil {
			return err
		}
	}
	if c.renewed[l.Number] && !blocked {
		return nil
	}
	if err := g.pool.Renew(ctx, l.Number); err != nil {
		return err
	}
	c.renewed[l.Number] = true
	return nil
}

// survey is an extension's survey with what is needed to compare it.
type survey struct {
	line.Survey
	extension *line.Extension
	lines     []line.Line
	off       time.Duration // RingCentral's clock less Redis's
}

// survey asks RingCentral for all extensions at once. Its error is for those that did not answer.
func (g *Guard) survey(ctx context.Context, own []line.Line, a ledger.Approval) ([]*survey, error) {
	now, err := g.rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read Redis's clock: %w", err)
	}
	read := time.Now()
	var all []*survey
	for _, l := range own {
		i := slices.IndexFunc(all, func(s *survey) bool { return s.extension == l.Extension })
		if i < 0 {
			i = len(all)
			all = append(all, &survey{extension: l.Extension})
		}
		all[i].lines = append(all[i].lines, l)
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			s.Survey, errs[i] = s.extension.Survey(ctx, func(server time.Time) time.Time {
				s.off = server.Sub(now.Add(time.Since(read)))
				return a.Seen.Add(s.off - g.cfg.Slack)
			})
		})
	}
	wg.Wait()
	var answered []*survey
	for i, s := range all {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("line %s: %w", s.lines[0].Name, errs[i])
			continue
		}
		answered = append(answered, s)
		if len(s.Gaps) > 0 {
			g.log.Error().Str("line", s.lines[0].Name).Str("why", strings.Join(s.Gaps, "; ")).
				Msg("calls that Redis may have lost cannot be looked for on this line: somebody whom it has just called may be called again")
		}
	}
	return answered, errors.Join(errs...)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
