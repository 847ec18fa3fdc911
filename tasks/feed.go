package tasks

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// Lines is what the feed must know of the agents' phones; *line.Pool is one.
type Lines interface {
	Free(team string) int   // how many of a team's lines could be given out now
	Freed() <-chan struct{} // closed when one comes free next
	Calling() []string      // the campaigns whose calls this worker tracks
	CancelRinging(campaigns map[string]bool)
}

const (
	maxDue     = 10_000
	pausedRest = 2 * time.Second // between two looks at a campaign that is paused
	activeRest = 5 * time.Second // and at one whose tasks are all in somebody's hands
	freshRules = 5 * time.Second // how old what is known of a campaign's team and priority may be
	freshQueue = time.Second     // and of what is due in its queues
)

// feed decides which task is taken next: one of a campaign that has a call to place now, whose team has a line that is free
// now. Campaigns of one team share its lines by weight (stride scheduling); later rounds go before first calls.
type feed struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	pauses *Pauses
	lines  Lines
	log    zerolog.Logger
	every  time.Duration // between two looks at which campaigns are due

	mu       sync.Mutex
	promises []*promise           // lines for which tasks were taken whose handlers have none yet, the oldest first
	held     map[string]time.Time // by campaign: until when none of its tasks is taken

	kept chan struct{} // has one element once a promise was kept: a line that came free meanwhile has no task yet

	// What only the one goroutine that takes tasks touches:
	due    map[string]*source
	looked time.Time
	clock  float64 // the pass of the campaign served last; newcomers start there
	fails  int     // of Redis, in a row
}

// source is a campaign that is due.
type source struct {
	ledger.Due
	team     string
	weight   int
	pass     float64 // how much it had, divided by its weight
	known    time.Time
	advanced time.Time
	again    bool // its later rounds have a task
}

func newFeed(rdb redis.UniversalClient, l *ledger.Ledger, pauses *Pauses, lines Lines, log zerolog.Logger, every time.Duration) *feed {
	return &feed{
		rdb: rdb, ledger: l, pauses: pauses, lines: lines, log: log, every: every,
		held: map[string]time.Time{}, due: map[string]*source{}, kept: make(chan struct{}, 1),
	}
}

// take takes a task off one of Asynq's queues; false if it has none.
type take func(queue string) (bool, error)

// next takes the next task there is a line for, waiting until there is one; false when ctx ends. While Redis fails it tries
// again, more slowly each time: Asynq would ask without a pause.
func (f *feed) next(ctx context.Context, take take) bool {
	for ctx.Err() == nil {
		freed, kept := f.lines.Freed(), f.kept
		found, err := f.try(ctx, take)
		pause := f.every
		switch {
		case found:
			f.answers()
			return true
		case errors.Is(err, errUnknownScript):
			return false
		case err != nil && ctx.Err() == nil:
			f.fails++
			if pause = min(f.every<<min(f.fails, 6), 5*time.Second); f.fails == 1 {
				f.log.Error().Err(err).Msg("Redis does not answer, or refuses: no tasks are taken; trying on")
			}
			freed, kept = nil, nil
		case err == nil:
			f.answers()
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-freed:
		case <-kept:
		case <-t.C:
		}
		t.Stop()
	}
	return false
}

func (f *feed) answers() {
	if f.fails > 0 {
		f.log.Info().Int("failures", f.fails).Msg("Redis answers again")
	}
	f.fails = 0
}

// try takes one task, if a campaign has one for a line that is free.
func (f *feed) try(ctx context.Context, take take) (bool, error) {
	if time.Since(f.looked) >= f.every {
		if err := f.readDue(ctx); err != nil {
			return false, err
		}
	}
	for {
		s, err := f.turn(ctx)
		if s == nil || err != nil {
			return false, err
		}
		found, err := f.takeFrom(ctx, s, take)
		if found || err != nil {
			return found, err
		}
	}
}

// readDue finds out which campaigns are due.
func (f *feed) readDue(ctx context.Context) error {
	list, err := f.ledger.Due(ctx, maxDue)
	if err != nil {
		return err //nolint:wrapcheck // it says what is wrong
	}
	due := make(map[string]*source, len(list))
	for _, d := range list {
		s := f.due[d.Name]
		if s == nil {
			s = &source{pass: f.clock}
		}
		s.Due = d
		due[d.Name] = s
	}
	f.due, f.looked = due, time.Now()
	return nil
}

// turn is the due campaign whose turn it is among those whose team has a free line; nil if there is none.
func (f *feed) turn(ctx context.Context) (*source, error) {
	free := map[string]int{}
	var best *source
	for name, s := range f.due {
		if time.Since(s.known) >= freshRules {
			c, err := f.ledger.Campaign(ctx, name)
			if gone(err) {
				delete(f.due, name)
				if err := f.ledger.Rest(ctx, s.Due, ledger.Never); err != nil {
					return nil, err //nolint:wrapcheck // it says what is wrong
				}
				continue
			}
			if err != nil {
				return nil, err //nolint:wrapcheck // as above
			}
			s.team, s.weight, s.known = c.Rules.Team, max(c.Rules.Priority, 1), time.Now()
		}
		if f.isHeld(name) {
			continue
		}
		n, known := free[s.team]
		if !known {
			n = f.free(s.team)
			free[s.team] = n
		}
		if n > 0 && (best == nil || s.pass < best.pass || s.pass == best.pass && s.Name < best.Name) {
			best = s
		}
	}
	return best, nil
}

// hold keeps a campaign's tasks from being taken for a while.
func (f *feed) hold(campaign string, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held[campaign] = time.Now().Add(d)
}

func (f *feed) isHeld(campaign string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, held := f.held[campaign]
	if held && !time.Now().Before(until) {
		delete(f.held, campaign)
		held = false
	}
	return held
}

func (f *feed) free(team string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A task that Asynq could not read has no handler, and its promise must not stand for ever.
	f.promises = slices.DeleteFunc(f.promises, func(p *promise) bool { return time.Since(p.at) > promiseLife })
	free := f.lines.Free(team)
	for _, p := range f.promises {
		if p.team == team {
			free--
		}
	}
	return free
}

// takeFrom takes a campaign's next task. One that has none rests until the next is due.
func (f *feed) takeFrom(ctx context.Context, s *source, take take) (bool, error) {
	if time.Since(s.advanced) >= freshQueue {
		if rests, err := f.advance(ctx, s); rests || err != nil {
			return false, err
		}
	}
	first, again := Queues(s.Name)
	queues := []string{first}
	if s.again {
		queues = []string{again, first}
	}
	for _, queue := range queues {
		p := f.promise(s.Name, s.team)
		found, err := take(queue)
		if found {
			f.clock = s.pass
			s.pass += 1 / float64(s.weight)
			return true, nil
		}
		f.drop(p)
		if err != nil {
			return false, err
		}
	}
	_, err := f.advance(ctx, s)
	return false, err
}

// advance makes a campaign's due tasks ready. If it has none to take it rests, and is due no more.
func (f *feed) advance(ctx context.Context, s *source) (rests bool, err error) {
	first, again, err := advance(ctx, f.rdb, s.Name)
	if err != nil {
		return false, err
	}
	paused := first.paused
	if first.paused != again.paused { // somebody has paused or resumed one of the two
		if paused, err = f.pauses.Mirror(ctx, s.Name); err != nil {
			return false, err
		}
	}
	s.again, s.advanced = again.pending > 0, time.Now()
	rest := ledger.Never
	switch {
	case paused:
		rest = pausedRest
	case first.pending+again.pending > 0:
		return false, nil
	default:
		for _, q := range []queueState{first, again} {
			if q.next >= 0 && (rest < 0 || q.next < rest) {
				rest = q.next
			}
		}
		if first.active+again.active > 0 && (rest < 0 || rest > activeRest) {
			rest = activeRest
		}
	}
	delete(f.due, s.Name)
	return true, f.ledger.Rest(ctx, s.Due, rest) //nolint:wrapcheck // it says what is wrong
}

// promise is a line for which a task was taken.
type promise struct {
	campaign, team string
	at             time.Time
	arrived        bool // its handler is at work
}

// promiseLife is how long a handler may take to come to its line.
const promiseLife = time.Minute

// promise notes that a task of a campaign is about to be taken for a line of a team.
func (f *feed) promise(campaign, team string) *promise {
	p := &promise{campaign: campaign, team: team, at: time.Now()}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.promises = append(f.promises, p)
	return p
}

func (f *feed) drop(mine *promise) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.promises = slices.DeleteFunc(f.promises, func(p *promise) bool { return p == mine })
}

// arrive is called by a task's handler. What it returns is to be called, once or more often, when the handler has a line or
// needs none.
func (f *feed) arrive(campaign string) (kept func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.promises, func(p *promise) bool { return p.campaign == campaign && !p.arrived })
	if i < 0 {
		return func() {}
	}
	mine := f.promises[i]
	mine.arrived = true
	return func() {
		f.drop(mine)
		select {
		case f.kept <- struct{}{}:
		default:
		}
	}
}

type promiseKey struct{}

// KeepPromises gives out the lines that tasks were taken for: as soon as a handler has one, the next task may be taken.
func KeepPromises(next dial.Lines) dial.Lines { return promisedLines{next} }

type promisedLines struct{ next dial.Lines }

func (p promisedLines) Acquire(ctx context.Context, r line.Request) (dial.Seat, error) {
	seat, err := p.next.Acquire(ctx, r)
	if kept, ok := ctx.Value(promiseKey{}).(func()); ok {
		kept()
	}
	return seat, err //nolint:wrapcheck // passed on as it is
}
