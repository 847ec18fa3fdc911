package tasks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/ledger"
)

// shutdownTimeout is beyond any call: our own context ends the handlers, so that Asynq's abort, which gives running tasks
// to the next worker, never fires.
const shutdownTimeout = 48 * time.Hour

// ServerConfig is what a Server is made of.
type ServerConfig struct {
	Redis  redis.UniversalClient
	Ledger *ledger.Ledger
	Lines  Lines
	Size   int // how many lines the worker may have at most
	Rounds Rounds
	Skew   func() time.Duration // by which this process's clock is ahead of Redis's
	Log    zerolog.Logger
	Every  time.Duration // between two looks at which campaigns are due; 0: half a second
}

// Server takes tasks of campaigns that are due, for lines that are free, and has them handled. It is one Asynq server,
// whatever campaigns and lines come and go.
type Server struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	lines  Lines
	rounds Rounds
	feed   *feed
	log    zerolog.Logger
	size   int
	skew   func() time.Duration
	every  time.Duration
}

// NewServer returns a server; Run runs it.
func NewServer(cfg ServerConfig) *Server {
	if cfg.Every == 0 {
		cfg.Every = 500 * time.Millisecond
	}
	if cfg.Skew == nil {
		cfg.Skew = func() time.Duration { return 0 }
	}
	return &Server{
		rdb: cfg.Redis, ledger: cfg.Ledger, lines: cfg.Lines, rounds: cfg.Rounds, log: cfg.Log, size: cfg.Size, skew: cfg.Skew, every: cfg.Every,
		feed: newFeed(cfg.Redis, cfg.Ledger, NewPauses(cfg.Redis), cfg.Lines, cfg.Log, cfg.Every),
	}
}

// Run serves campaigns until ctx ends, then waits until all handlers have returned.
func (s *Server) Run(ctx context.Context) {
	srv, err := s.start(ctx)
	for pause := s.every; err != nil; pause = min(2*pause, 5*time.Second) {
		s.log.Error().Err(err).Msg("no tasks are taken yet; trying on")
		if sleep(ctx, pause) != nil {
			return
		}
		srv, err = s.start(ctx)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.wakeAll(ctx) })
	wg.Go(func() { s.watchCancelled(ctx) })
	<-ctx.Done()
	srv.Shutdown()
}

func (s *Server) start(ctx context.Context) (*asynq.Server, error) {
	client := &held{UniversalClient: s.rdb, stop: ctx, feed: s.feed, open: s.open, skew: s.skew}
	srv := asynq.NewServerFromRedisClient(client, asynq.Config{
		// A call may still be confirmed when its line has the next one.
		Concurrency: 2*s.size + 8,
		Queues:      map[string]int{heldQueue: 1},
		RetryDelayFunc: func(n int, err error, t *asynq.Task) time.Duration {
			return RetryDelay(n, err, t) - s.skew()
		},
		IsFailure:                IsFailure,
		ShutdownTimeout:          shutdownTimeout,
		DelayedTaskCheckInterval: time.Hour, // the feed does that
		TaskCheckInterval:        time.Millisecond,
		BaseContext:              func() context.Context { return s.log.WithContext(context.Background()) },
		Logger:                   asynqLog{s.log.With().Str("component", "asynq").Logger()},
		LogLevel:                 asynq.WarnLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(TypeCall, s.serve(ctx))
	if err := srv.Start(mux); err != nil {
		return nil, fmt.Errorf("take tasks: %w", err)
	}
	return srv, nil
}

// open lists the campaigns that are open.
func (s *Server) open(ctx context.Context) ([]string, error) {
	all, err := s.ledger.OpenCampaigns(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	names := make([]string, 0, len(all))
	for _, c := range all {
		names = append(names, c.Rules.Name)
	}
	return names, nil
}

// wakeEvery is how long a campaign whose waking was lost, with the process that should have done it, stays unserved at most.
const wakeEvery = time.Minute

// wakeAll wakes every open campaign now and then, one worker for all.
func (s *Server) wakeAll(ctx context.Context) {
	for {
		if mine, err := s.ledger.WakeTurn(ctx, wakeEvery); err == nil && mine {
			if err := s.wakeOpen(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn().Err(err).Msg("open campaigns not woken")
			}
		}
		if sleep(ctx, wakeEvery/4) != nil {
			return
		}
	}
}

func (s *Server) wakeOpen(ctx context.Context) error {
	names, err := s.open(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.ledger.Wake(ctx, name, 0); err != nil {
			return err //nolint:wrapcheck // it says what is wrong
		}
	}
	return nil
}

// watchCancelled gives up calls that only ring an agent once their campaign is cancelled.
func (s *Server) watchCancelled(ctx context.Context) {
	for sleep(ctx, 2*s.every) == nil {
		names := s.lines.Calling()
		if len(names) == 0 {
			continue
		}
		cancelled, err := s.ledger.Cancelled(ctx, names)
		if err != nil {
			continue // whoever needs Redis says that it fails
		}
		s.lines.CancelRinging(cancelled)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// asynqLog is Asynq's Logger on zerolog.
type asynqLog struct{ log zerolog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }

// Fatal is an error here: Asynq would like to end the process, which must hand its calls over first.
func (l asynqLog) Fatal(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
