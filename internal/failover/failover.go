package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// Config is when a watcher looks, and for how long it holds what. Zero values get the defaults that are named.
type Config struct {
	Every   time.Duration // between two looks at Redis; 5 s
	LogLag  time.Duration // after a change was noticed, until RingCentral's records have all calls from before it; 45 s
	Retry   time.Duration // after a comparison that was not conclusive; 15 s. Each further one doubles it, up to 16 times
	Slack   time.Duration // how far clocks and records may be off; 60 s
	Recent  time.Duration // a line that nobody asked for since so long before the change had no call then; 10 min
	HoldFor time.Duration // contacts wait for lines that may have called them; 10 min
	Forget  time.Duration // a line that nobody has asked for in this time is not waited for any more; 24 h
	Answer  time.Duration // RingCentral may take to tell of one extension's calls, with the waits for its quotas; 5 min

	// OnChange is called once when this worker notices that Redis was restarted or replaced. May be nil.
	OnChange func(ctx context.Context)
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
	set(&c.HoldFor, 10*time.Minute)
	set(&c.Forget, 24*time.Hour)
	set(&c.Answer, 5*time.Minute)
	return c
}

// Watcher watches Redis for one worker.
type Watcher struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	pool   *line.Pool
	log    zerolog.Logger
	cfg    Config

	mu   sync.Mutex
	held map[string]string // by line's number: why it is held
}

// New returns a watcher. The ledger must be the one that the worker claims with: it remembers for both what was approved.
func New(rdb redis.UniversalClient, l *ledger.Ledger, pool *line.Pool, log zerolog.Logger, cfg Config) *Watcher {
	return &Watcher{rdb: rdb, ledger: l, pool: pool, log: log, cfg: cfg.withDefaults(), held: map[string]string{}}
}

// Held says why a line of this worker does not dial, as far as Redis is concerned; "" if nothing speaks against it.
func (w *Watcher) Held(number string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[number]
}

// Run watches until ctx ends. It must end before the pool does.
func (w *Watcher) Run(ctx context.Context) {
	var (
		wg      sync.WaitGroup
		current *change
	)
	defer wg.Wait()
	for ; ctx.Err() == nil; sleep(ctx, w.cfg.Every) {
		a, err := w.ledger.Beat(ctx)
		switch {
		case err != nil: // the pool says that Redis is away
			continue
		case !a.Changed():
			if current != nil {
				w.log.Info().Msg("RingCentral's records were compared with the ledger: all lines dial again")
				current = nil
			}
			w.holdLines(current, a)
			continue
		case current == nil || current.runID != a.RunID:
			current = newChange(a.RunID, w.pool.Held())
			w.log.Warn().Time("last_seen", a.Seen).Dur("wait", w.cfg.LogLag).
				Msg(ledger.RedisChanged + "; no line dials until its own calls were compared, live calls are tracked on")
			if w.cfg.OnChange != nil {
				w.cfg.OnChange(ctx)
			}
		}
		if a.Noticed.IsZero() {
			if a, err = w.notice(ctx, a); err != nil {
				if ctx.Err() == nil {
					w.log.Error().Err(err).Msg("RingCentral's records not compared with the ledger yet; nothing is dialled")
				}
				continue
			}
		}
		w.holdLines(current, a)
		if a.Now.Sub(a.Noticed) < w.cfg.LogLag {
			continue
		}
		c := current
		w.ask(ctx, &wg, c, a)
		if err := w.conclude(ctx, c, a); err != nil && ctx.Err() == nil {
			w.log.Error().Err(err).Msg("what was compared is not recorded yet")
		}
	}
}

// notice records the change, and this worker's lines in a Redis that may have lost them, for all workers to wait for.
func (w *Watcher) notice(ctx context.Context, a ledger.Approval) (ledger.Approval, error) {
	if err := w.pool.Publish(ctx); err != nil {
		return a, err
	}
	if err := w.ledger.Notice(ctx, a.RunID, w.cfg.Slack, w.cfg.HoldFor); err != nil {
		return a, err
	}
	return w.ledger.Approval(ctx)
}

// holdLines keeps the lines from being given out that the ledger would refuse: it spares the quota of reservations and tells
// people why.
func (w *Watcher) holdLines(c *change, a ledger.Approval) {
	held := map[string]string{}
	free := map[*line.Extension]bool{} // of its lines one dials
	lines := w.pool.Held()
	for _, l := range lines {
		if a.LineAgreed(l.Number) {
			free[l.Extension] = true
		} else {
			held[l.Number] = c.why(l)
		}
	}
	for _, l := range lines {
		if why := held[l.Number]; why != "" && !free[l.Extension] {
			l.Extension.Hold(w.cfg.Every+w.cfg.Every/2, why)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = held
}

// conclude lets go what needs not wait any more: the contacts of teams whose lines were all compared or whose time is up,
// and all of Redis once every line was compared.
func (w *Watcher) conclude(ctx context.Context, c *change, a ledger.Approval) error {
	lines, err := line.List(ctx, w.rdb)
	if err != nil {
		return err
	}
	missing := map[string][]string{} // names of the lines that are waited for, by team
	for _, l := range lines {
		names := missing[l.Team]
		if w.waitsFor(l, a) {
			names = append(names, l.Name)
		}
		missing[l.Team] = names
	}
	waiting := 0
	for team, names := range missing {
		waiting += len(names)
		if a.TeamAgreed(team) || len(names) > 0 && a.Now.Before(a.Until) {
			continue
		}
		fresh, err := w.ledger.AgreeTeam(ctx, c.runID, team)
		if err != nil {
			return err
		}
		if fresh && len(names) > 0 {
			w.log.Error().Str("team", team).Strs("lines", names).Dur("after", w.cfg.HoldFor).
				Msg("these lines' calls could not be compared with RingCentral's records in time: the contacts that they may have called are let go, " +
					"and somebody whom they had just called may be called again; the lines stay held until RingCentral tells of their calls, or " +
					"`campaign lines approve NAME`")
		}
	}
	if waiting > 0 {
		c.tell(w.log, missing)
		return nil
	}
	_, err = w.ledger.Approve(ctx, c.runID)
	return err
}

// waitsFor says whether a line may have called somebody of whom Redis does not know, and can still tell.
func (w *Watcher) waitsFor(l line.Info, a ledger.Approval) bool {
	return !a.LineAgreed(l.Number) && !l.Seen.Before(a.Seen.Add(-w.cfg.Recent)) && a.Now.Sub(l.Seen) < w.cfg.Forget
}

// reconcile compares surveys with the ledger and lets their lines dial. It returns those that were not conclusive yet, since
// a contact's call is still being found out about.
func (w *Watcher) reconcile(ctx context.Context, c *change, surveys []*survey) (later []*survey, err error) {
	if err := Check(ctx, w.rdb, zerolog.Nop()); err != nil {
		return nil, err
	}
	// What this worker remembers of its lines comes first: calls that only it knows of would never end.
	for _, s := range surveys {
		for _, l := range s.lines {
			if err := w.renew(ctx, l, s.Busy(l), c); err != nil {
				return nil, err
			}
		}
	}
	if later, err = w.adopt(ctx, surveys); err != nil {
		return nil, err
	}
	var numbers []string
	for _, s := range surveys {
		for _, l := range s.lines {
			if !slices.Contains(later, s) {
				numbers = append(numbers, l.Number)
			}
		}
	}
	if len(numbers) == 0 {
		return later, nil
	}
	return later, w.ledger.AgreeLines(ctx, c.runID, numbers...)
}

// renew begins a line anew from its record, once; one whose agent is on a call is blocked if its record does not say so.
func (w *Watcher) renew(ctx context.Context, l line.Line, busy bool, c *change) error {
	blocked := false
	if busy {
		var err error
		if blocked, err = w.pool.Block(ctx, l.Number); err != nil {
			return err
		}
	}
	if !c.isStale(l.Number) && !blocked {
		return nil
	}
	if err := w.pool.Renew(ctx, l.Number); err != nil {
		return err
	}
	c.renewed(l.Number)
	return nil
}

// survey is an extension's survey with what is needed to compare it.
type survey struct {
	line.Survey
	extension *line.Extension
	lines     []line.Line
	off       time.Duration // RingCentral's clock less Redis's
}

// survey asks RingCentral for the calls of an extension's lines.
func (w *Watcher) survey(ctx context.Context, lines []line.Line, a ledger.Approval) (*survey, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.Answer, fmt.Errorf("RingCentral has not told within %s", w.cfg.Answer))
	defer cancel()
	s := &survey{extension: lines[0].Extension, lines: lines}
	now, err := w.ledger.Approval(ctx) // for Redis's clock
	if err != nil {
		return nil, err
	}
	read := time.Now()
	s.Survey, err = s.extension.Survey(ctx, func(server time.Time) time.Time {
		s.off = server.Sub(now.Now.Add(time.Since(read)))
		return a.Seen.Add(s.off - w.cfg.Slack)
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.DeadlineExceeded) {
			err = cause
		}
		return nil, err
	}
	if len(s.Gaps) > 0 {
		w.log.Error().Str("line", lines[0].Name).Str("why", strings.Join(s.Gaps, "; ")).
			Msg("calls that Redis may have lost cannot be looked for on this line: somebody whom it has just called may be called again")
	}
	return s, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
