package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Rounds brings rounds to their end; *dial.Dialer is one.
type Rounds interface {
	Round(ctx context.Context, r dial.Round) dial.Result
}

// Result is what a finished task leaves in Asynq's monitor.
type Result struct {
	Result  string `json:"result"` // readable, nothing personal
	Attempt int    `json:"attempt,omitempty"`
	Line    string `json:"line,omitempty"`
}

// HandleCall returns the handler of call tasks. It returns nil when the round is over (or was over before), a *DeferError when
// it is not over yet, and an error with asynq.SkipRetry, which puts the task into Asynq's archive, for what a person must
// look at.
func HandleCall(rounds Rounds) asynq.HandlerFunc {
	return func(ctx context.Context, t *asynq.Task) error {
		p, err := parsePayload(t)
		if err != nil {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		switch r := rounds.Round(ctx, dial.Round{Campaign: p.Campaign, Contact: p.Contact, N: p.Round}).(type) {
		case dial.Over:
			return writeResult(t, Result{Result: r.Text, Attempt: r.Attempt, Line: r.Line})
		case dial.PutOff:
			return &DeferError{After: r.After, Reason: r.Reason, Campaign: r.Campaign}
		case dial.NeedsPerson:
			return fmt.Errorf("%s: %w", r.Reason, asynq.SkipRetry)
		}
		return errors.New("a round without a result")
	}
}

func writeResult(t *asynq.Task, r Result) error {
	src, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	if w := t.ResultWriter(); w != nil {
		// The ledger has the outcome; a result that the monitor lacks is no reason to run the task again.
		_, _ = w.Write(src)
	}
	return nil
}

// serve is the handler as the server runs it: it ends with stop, keeps the feed's promises, and wakes the campaign of a task
// that is put off.
func (s *Server) serve(stop context.Context) asynq.HandlerFunc {
	handle := HandleCall(s.rounds)
	return func(ctx context.Context, t *asynq.Task) error {
		p, err := parsePayload(t)
		if err != nil {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		kept := s.feed.arrive(p.Campaign)
		defer kept()
		// Until the POST, both Asynq (its cancel button) and the process may stop a handler.
		ctx, cancel := context.WithCancel(context.WithValue(ctx, promiseKey{}, kept))
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		err = handle(ctx, t)
		if d, ok := errors.AsType[*DeferError](err); ok {
			if d.Campaign > 0 {
				s.feed.hold(p.Campaign, d.Campaign)
				if err := s.ledger.Note(context.WithoutCancel(ctx), p.Campaign, d.Reason, d.Campaign); err != nil {
					zerolog.Ctx(ctx).Warn().Err(err).Str("campaign", p.Campaign).Msg("it is not shown why the campaign waits")
				}
			}
			if err := s.ledger.Wake(context.WithoutCancel(ctx), p.Campaign, ceilDuration(max(d.After, time.Second))); err != nil {
				zerolog.Ctx(ctx).Warn().Err(err).Str("campaign", p.Campaign).Msg("campaign not woken for a call that was put off; it is within a minute")
			}
		}
		return err
	}
}

// gone says that the campaign was deleted.
func gone(err error) bool {
	return errors.Is(err, ledger.ErrNoContact) || errors.Is(err, ledger.ErrNoCampaign)
}
