// Package worker wires one worker of its parts: RingCentral's clients, quotas, lines, and the server of the campaigns'
// tasks.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/failover"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/metrics"
	"github.com/ringqueue/ringqueue/internal/reconcile"
	"github.com/ringqueue/ringqueue/internal/redisclock"
	"github.com/ringqueue/ringqueue/internal/schedule"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/version"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/tasks"
)

// Worker is one worker: the parts, wired.
type Worker struct {
	name     string
	rdb      redis.UniversalClient
	log      zerolog.Logger
	pool     *line.Pool
	failover *failover.Watcher
	runner   *schedule.Runner
	server   *tasks.Server
	clock    *redisclock.Clock

	reconciler *reconcile.Reconciler

	logins  *logins
	numbers map[string]bool // of the settings' lines

	mu      sync.Mutex
	probing *probe // the look at Redis that is under way; nil for none

	// Metrics are what the worker counts.
	Metrics *metrics.Metrics
}

// New wires a worker. scale is how many times faster than real time RingCentral runs: a simulator may. An error is one in
// the settings.
func New(rdb redis.UniversalClient, set settings.Worker, log zerolog.Logger, scale int) (*Worker, error) {
	scaled := func(d time.Duration) time.Duration { return d / time.Duration(scale) }
	limits := Limits(scale)
	limiter := ratelimit.New(ratelimit.Config{Redis: rdb, Limits: limits, Penalty: scaled(30 * time.Second)})
	name := newName()
	keys := make([]string, 0, len(set.Lines))
	for _, l := range set.Lines {
		if key := ringout.ExtensionKey(set.Credentials.ClientID, l.JWT.Reveal()); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	counts := metrics.New(metrics.Config{Redis: rdb, Worker: name, Limiter: limiter, Extensions: keys, Log: log})
	extensions := map[string]*line.Extension{}
	lines := make([]line.Line, 0, len(set.Lines))
	numbers := map[string]bool{}
	for _, l := range set.Lines {
		jwt := l.JWT.Reveal()
		ext := extensions[jwt]
		if ext == nil {
			var err error
			if ext, err = NewExtension(set.Credentials, jwt, limiter, limits, log); err != nil {
				return nil, fmt.Errorf("line %s: %w", l.Name, cli.Usage(err))
			}
			ext.Breaker, ext.OnWait, ext.OnRequest = scaled(30*time.Second), counts.QuotaWait, counts.Request
			extensions[jwt] = ext
		}
		lines = append(lines, line.Line{Name: l.Name, Number: l.Number, Team: l.Team, Extension: ext})
		numbers[l.Number] = true
	}
	led := ledger.New(rdb)
	clock := redisclock.New(rdb)
	producer := tasks.NewProducer(rdb)
	book := dial.NewBook(led, producer, clock.Now)
	book.Scale = scale
	pool := line.NewPool(rdb, book, log, line.Config{
		Worker: name, Lines: lines, MaxLines: set.MaxLines, PollInterval: scaled(set.PollInterval), CoolDown: scaled(set.CoolDown),
		Lease:         max(scaled(15*time.Second), time.Second), // a shorter one lapses whenever the machine is busy
		SettleUnknown: scaled(15 * time.Second), PresenceEvery: scaled(15 * time.Second), LogLag: scaled(45 * time.Second),
		OnWait: counts.LineWait, OnSettled: counts.Settled, Now: clock.Now, BlockLimit: scaled(10 * time.Minute), MaxCoolDown: scaled(time.Hour),
		RecordSlack: max(scaled(30*time.Second), 1500*time.Millisecond), // the Date header has whole seconds
	})
	dialer := dial.New(dial.Config{
		Ledger: led, Follower: producer, Settler: book, Pauses: tasks.NewPauses(rdb), Lines: tasks.KeepPromises(dial.PoolLines(pool)),
		Now: clock.Now, Timing: dial.Timing{LineRest: scaled(set.CoolDown), Scale: scale},
	})
	w := &Worker{
		Metrics: counts,
		name:    name, rdb: rdb, log: log, pool: pool, numbers: numbers,
		logins: newLogins(log, set.Credentials.Server, lines, pool.Held, scaled),
		failover: failover.New(rdb, led, pool, log, failover.Config{
			Every: max(scaled(5*time.Second), 250*time.Millisecond), LogLag: scaled(45 * time.Second), Retry: scaled(15 * time.Second),
			Slack: max(scaled(time.Minute), 3*time.Second), Recent: max(scaled(10*time.Minute), 30*time.Second),
			HoldFor: scaled(cmp.Or(set.FailoverHold, settings.DefaultFailoverHold)), Answer: max(scaled(5*time.Minute), 30*time.Second),
			OnChange: func(ctx context.Context) {
				if err := limiter.Restore(ctx); err != nil && ctx.Err() == nil {
					log.Warn().Err(err).Msg("Redis may lack requests of the last minute that count against RingCentral's quotas")
				}
			},
		}),
		runner: schedule.NewRunner(rdb, log, schedule.Config{}),
		clock:  clock,
		server: tasks.NewServer(tasks.ServerConfig{
			Redis: rdb, Ledger: led, Lines: pool, Size: len(lines), Rounds: dialer, Skew: clock.Skew, Log: log,
			Every: max(scaled(500*time.Millisecond), 50*time.Millisecond),
		}),
		reconciler: reconcile.New(reconcile.Config{
			Redis: rdb, Ledger: led, Tasks: tasks.NewInspector(rdb, producer), Settler: book, Log: log,
			Held: func(ctx context.Context) ([]campaign.Ref, error) { return line.Held(ctx, rdb) },
		}),
	}
	counts.WatchHeld(w.heldLines)
	return w, nil
}

// Limits are RingCentral's usual quotas with windows shorter by scale.
func Limits(scale int) map[string]ratelimit.Limit {
	limits := ratelimit.Defaults()
	for group, l := range limits {
		limits[group] = ratelimit.Limit{N: l.N, Window: l.Window / time.Duration(scale)}
	}
	return limits
}

// NewExtension makes the client of one RingCentral user and ties it to the user's quotas, which start from limits.
func NewExtension(creds settings.Credentials, jwt string, limiter *ratelimit.Limiter, limits map[string]ratelimit.Limit,
	log zerolog.Logger,
) (*line.Extension, error) {
	key := ringout.ExtensionKey(creds.ClientID, jwt)
	var ext *line.Extension
	quota := func(g ringout.Group) ratelimit.Key { return ratelimit.Key{Owner: key, Group: string(g)} }
	client, err := ringout.New(ringout.Config{
		Server: creds.Server, ClientID: creds.ClientID, ClientSecret: creds.ClientSecret.Reveal(), JWT: jwt, UserAgent: version.UserAgent(),
		Admit: func(ctx context.Context, g ringout.Group) error {
			_, err := limiter.Wait(ctx, quota(g))
			return err
		},
		Observe: func(ctx context.Context, q ringout.Quota) {
			ext.Observe(q)
			if err := limiter.Observe(ctx, quota(q.Group), ratelimit.Observation{
				Limit: q.Limit, Remaining: q.Remaining, Window: q.Window, Limited: q.Limited, RetryAfter: q.RetryAfter, Sent: q.Sent,
			}); err != nil && ctx.Err() == nil {
				log.Warn().Err(err).Msg("rate-limit facts not shared with the other workers")
			}
		},
		OnRequest: func(e ringout.Exchange) {
			if ext.OnRequest != nil {
				ext.OnRequest(e)
			}
		},
		UnknownStatus: func(_ context.Context, field, value string) {
			log.Warn().Str("field", field).Str("value", value).Msg("RingCentral sent a status that ringqueue does not know")
		},
	})
	if err != nil {
		return nil, err
	}
	ext = line.NewExtension(key, client, limiter, limits[string(ringout.Light)])
	return ext, nil
}

// Name is unique among processes, also after a restart.
func (w *Worker) Name() string { return w.name }

// Run works until ctx ends: first the handlers hand over, then the lines. An error means that it cannot work at all.
func (w *Worker) Run(ctx context.Context) error {
	if err := failover.Check(ctx, w.rdb, w.log); err != nil {
		return err
	}
	if err := w.clock.Sync(ctx); err != nil {
		return err //nolint:wrapcheck // it says what is wrong
	}
	linesCtx, stopLines := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { w.pool.Run(linesCtx) })
	wg.Go(func() { w.clock.Run(linesCtx, w.log) })
	defer wg.Wait()
	defer stopLines()
	select {
	case <-w.pool.Started():
	case <-ctx.Done():
		return nil
	}
	var guarding sync.WaitGroup
	guardCtx, stopGuard := context.WithCancel(ctx)
	guarding.Go(func() { w.failover.Run(guardCtx) })
	guarding.Go(func() { w.logins.run(guardCtx) })
	defer guarding.Wait() // before the lines end
	defer stopGuard()
	// A line that cannot log in holds up nobody else: most are known of at once, and none is waited for for long.
	select {
	case <-w.logins.tried:
	case <-time.After(firstLogins):
	case err := <-w.logins.refused:
		return err
	case <-ctx.Done():
		return nil
	}
	serveCtx, stopServing := context.WithCancelCause(ctx)
	defer stopServing(nil)
	guarding.Go(func() {
		select {
		case err := <-w.logins.refused:
			stopServing(err)
		case <-guardCtx.Done():
		}
	})
	guarding.Go(func() { w.checkPermissions(guardCtx) })
	guarding.Go(func() { w.runner.Run(guardCtx) })
	guarding.Go(func() { w.reconciler.Run(guardCtx) })
	if len(w.pool.Held()) == 0 {
		w.log.Info().Msg("other workers have all lines; standing by")
	}
	w.server.Run(serveCtx)
	if err := context.Cause(serveCtx); ctx.Err() == nil && err != nil {
		return err
	}
	w.log.Info().Msg("worker stops; live calls go on and the next worker takes them over")
	return nil
}

// firstLogins is how long the start waits for the first logins.
const firstLogins = 5 * time.Second

// checkPermissions says once if RingCentral's records may not be read: then every call whose answer is lost needs a person.
func (w *Worker) checkPermissions(ctx context.Context) {
	for _, l := range w.pool.Held() {
		if _, err := l.Extension.Wait(ctx, ringout.Heavy); err != nil {
			return
		}
		_, logErr := l.Extension.Calls.ActiveCalls(ctx)
		if _, err := l.Extension.Wait(ctx, ringout.Light); err != nil {
			return
		}
		_, presenceErr := l.Extension.Calls.Presence(ctx)
		for permission, err := range map[string]error{"ReadCallLog": logErr, "ReadPresence": presenceErr} {
			if errors.Is(err, ringout.ErrForbidden) {
				w.log.Warn().Str("line", l.Name).Str("permission", permission).Msg("the app lacks a permission: a call whose answer " +
					"is lost cannot be looked up and will be unconfirmed; add the permission to the app at RingCentral")
				return
			}
		}
		if ctx.Err() != nil || logErr == nil && presenceErr == nil {
			return // extensions of one app have its permissions
		}
	}
}

func newName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s-%d-%x", host, os.Getpid(), time.Now().UnixNano()&0xffffff)
}
