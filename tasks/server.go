package tasks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// shutdownTimeout is beyond any call: our own context ends the handlers, so that Asynq's abort, which gives running tasks
// to the next worker, never fires.
const shutdownTimeout = 48 * time.Hour

// Server runs one Asynq server per campaign that has work and a team with lines of this worker. Asynq fixes queues and
// concurrency when a server starts; one server per campaign lets campaigns come and go without touching one another.
type Server struct {
	rdb     redis.UniversalClient
	ledger  *ledger.Ledger
	pool    *line.Pool
	pauses  *Pauses
	handler *Handler
	log     zerolog.Logger
	every   time.Duration
	running map[string]*served
	wg      sync.WaitGroup // servers that are shutting down, and deletions

	deleting  map[string]ledger.Incarnation // campaigns whose deletion this process has tried to finish
	abandoned time.Duration                 // after which a deletion that is not finished was interrupted
}

// served is a campaign's Asynq server; cancel makes its handlers hand over.
type served struct {
	*asynq.Server
	cancel context.CancelFunc
}

// NewServer returns a server that looks for campaigns every so often (0: each second).
func NewServer(rdb redis.UniversalClient, l *ledger.Ledger, pool *line.Pool, pauses *Pauses, h *Handler, log zerolog.Logger, every time.Duration) *Server {
	if every == 0 {
		every = time.Second
	}
	return &Server{
		rdb: rdb, ledger: l, pool: pool, pauses: pauses, handler: h, log: log, every: every,
		running: map[string]*served{}, deleting: map[string]ledger.Incarnation{}, abandoned: time.Minute,
	}
}

// Run serves campaigns until ctx ends, then waits until all handlers have returned.
func (s *Server) Run(ctx context.Context) {
	defer func() {
		for name := range s.running {
			s.stop(name)
		}
		s.wg.Wait()
	}()
	s.wg.Go(func() { NewSweeper(s.rdb, s.ledger, s.handler.producer, s.log, SweepTiming{}).Run(ctx) })
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	away := false
	for {
		switch err := s.look(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			away = true
			s.log.Error().Err(err).Msg("Redis does not answer; trying on")
		case err == nil && away:
			away = false
			s.log.Info().Msg("Redis answers again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look starts and stops servers as campaigns and lines demand.
func (s *Server) look(ctx context.Context) error {
	campaigns, err := s.ledger.Campaigns(ctx)
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(campaigns))
	unwanted := map[string]bool{}
	for _, c := range campaigns {
		name := c.Rules.Name
		seen[name] = c.Deleting.IsZero()
		if !c.Deleting.IsZero() {
			s.finishDelete(ctx, c)
			continue
		}
		if c.Cancelled && c.Counts.Waiting > 0 {
			if err := s.finishCancel(ctx, name); err != nil {
				return err
			}
		}
		if c.Cancelled && c.Counts.Live > 0 {
			unwanted[name] = true
		}
		_, runs := s.running[name]
		open := c.Counts.Open()
		if runs && !open {
			// Its last tasks may still wait to be told that their contacts are done.
			if open, err = s.unfinished(ctx, name); err != nil {
				return err
			}
		}
		wanted := open && s.pool.HeldBy(c.Rules.Team) > 0
		switch {
		case wanted && !runs:
			if err := s.start(ctx, name, s.pool.Size(c.Rules.Team)); err != nil {
				return err
			}
		case !wanted && runs:
			s.stop(name)
		}
	}
	for name := range s.running {
		if !seen[name] {
			s.stop(name)
		}
	}
	s.pool.CancelRinging(unwanted)
	return nil
}

// unfinished says whether Asynq has tasks of a campaign that have not come to their end.
func (s *Server) unfinished(ctx context.Context, name string) (bool, error) {
	l, err := ReadLoad(ctx, s.rdb, name)
	if err != nil {
		return false, err
	}
	paused, err := s.pauses.Paused(ctx, name)
	return l.Active > 0 || !paused && l.Open() > 0, err
}

// finishCancel ends what a cancelled campaign still has waiting, where the command that cancelled it was interrupted.
func (s *Server) finishCancel(ctx context.Context, name string) error {
	if _, err := s.ledger.CancelWaiting(ctx, name); err != nil {
		return err
	}
	return Clear(ctx, s.rdb, name)
}

// finishDelete deletes what a command that was interrupted has left of a campaign.
func (s *Server) finishDelete(ctx context.Context, c ledger.Campaign) {
	name, which := c.Rules.Name, c.Incarnation()
	if time.Since(c.Deleting) < s.abandoned || s.deleting[name] == which {
		return
	}
	s.deleting[name] = which
	s.wg.Go(func() {
		if _, err := finishDelete(ctx, s.rdb, name, which); err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Str("campaign", name).Msg("delete the rest of a campaign")
		}
	})
}

func (s *Server) start(ctx context.Context, name string, lines int) error {
	stop, cancel := context.WithCancel(ctx)
	first, again := Queues(name)
	// Producers tell Asynq of a queue once in their life, which may have been for a campaign of this name that was deleted.
	if err := s.rdb.SAdd(ctx, asynqkeys.Queues, first, again).Err(); err != nil {
		cancel()
		return fmt.Errorf("serve campaign %s: %w", name, err)
	}
	srv := asynq.NewServerFromRedisClient(s.rdb, asynq.Config{
		Concurrency:              lines,
		Queues:                   map[string]int{again: 2, first: 1},
		StrictPriority:           true,
		RetryDelayFunc:           RetryDelay,
		IsFailure:                IsFailure,
		ShutdownTimeout:          shutdownTimeout,
		DelayedTaskCheckInterval: time.Second,
		TaskCheckInterval:        200 * time.Millisecond,
		BaseContext:              func() context.Context { return s.log.WithContext(context.Background()) },
		Logger:                   asynqLog{s.log.With().Str("campaign", name).Str("component", "asynq").Logger()},
		LogLevel:                 asynq.WarnLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(TypeCall, s.handler.until(stop).HandleCall)
	if err := srv.Start(mux); err != nil {
		cancel()
		return fmt.Errorf("serve campaign %s: %w", name, err)
	}
	s.running[name] = &served{Server: srv, cancel: cancel}
	s.log.Info().Str("campaign", name).Int("concurrency", lines).Msg("campaign served")
	return nil
}

func (s *Server) stop(name string) {
	srv := s.running[name]
	delete(s.running, name)
	srv.cancel()
	s.wg.Go(func() {
		srv.Shutdown()
		s.log.Info().Str("campaign", name).Msg("campaign no longer served")
	})
}

// asynqLog is Asynq's Logger on zerolog.
type asynqLog struct{ log zerolog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }

// Fatal is an error here: Asynq would like to end the process, which must hand its calls over first.
func (l asynqLog) Fatal(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
