package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ringout"
)

// logins keeps this worker's extensions logged in. One that RingCentral does not let in is held, alone, and tried again by
// itself: nobody else's calls depend on it.
type logins struct {
	log    zerolog.Logger
	server string
	lines  []line.Line        // of the settings
	held   func() []line.Line // that this worker has now

	every   time.Duration // between two looks at what is to be tried
	retry   time.Duration // after a login that failed; doubled each time, up to 8 times as long
	recheck time.Duration // after one that did not; a token that is good asks nobody

	mu      sync.Mutex
	states  map[*line.Extension]*login
	ever    bool          // some login has succeeded
	tried   chan struct{} // closed once each extension that was held first has been tried
	trying  int
	refused chan error // gets one error: RingCentral has refused all of them as wrong
}

// login is how an extension's logins go.
type login struct {
	running  bool
	wrong    bool // its credentials, by RingCentral's word
	next     time.Time
	failures int
	why      string // for people; "" while it is logged in, or not yet known
}

const (
	loginDoublings = 3
	// loginTimeout bounds one try, with the wait for its quota.
	loginTimeout = 90 * time.Second
)

func newLogins(log zerolog.Logger, server string, lines []line.Line, held func() []line.Line, scaled func(time.Duration) time.Duration) *logins {
	return &logins{
		log: log, server: server, lines: lines, held: held,
		every: max(scaled(5*time.Second), 100*time.Millisecond), retry: max(scaled(30*time.Second), time.Second),
		recheck: max(scaled(time.Minute), time.Second),
		states:  map[*line.Extension]*login{}, tried: make(chan struct{}), refused: make(chan error, 1),
	}
}

// run tries until ctx ends.
func (l *logins) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		l.tryDue(ctx, &wg)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tryDue tries the logins that are due.
func (l *logins) tryDue(ctx context.Context, wg *sync.WaitGroup) {
	targets := l.held()
	l.mu.Lock()
	defer l.mu.Unlock()
	// Before the worker gives up, it asks for the lines that others have, too.
	if len(targets) > 0 && l.allWrong(targets) {
		targets = l.lines
	}
	for _, t := range targets {
		s := l.states[t.Extension]
		if s == nil {
			s = &login{}
			l.states[t.Extension] = s
		}
		if s.running || time.Now().Before(s.next) {
			continue
		}
		s.running = true
		l.trying++
		wg.Go(func() { l.try(ctx, t, s) })
	}
	l.settled()
}

// settled closes tried once nothing is on its way; the lock is held.
func (l *logins) settled() {
	if l.trying > 0 {
		return
	}
	select {
	case <-l.tried:
	default:
		close(l.tried)
	}
}

// allWrong says whether RingCentral has refused these lines' credentials and never any other's; the lock is held.
func (l *logins) allWrong(lines []line.Line) bool {
	for _, t := range lines {
		if s := l.states[t.Extension]; s == nil || !s.wrong {
			return false
		}
	}
	return !l.ever
}

// try logs in for one line's extension and holds it if that fails.
func (l *logins) try(ctx context.Context, t line.Line, s *login) {
	tctx, cancel := context.WithTimeout(ctx, loginTimeout)
	err := t.Extension.Calls.Login(tctx)
	cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.running = false
	l.trying--
	defer l.settled()
	if err != nil && ctx.Err() != nil {
		return
	}
	log := l.log.With().Str("line", t.Name).Logger()
	if err == nil {
		if s.why != "" {
			log.Info().Msg("RingCentral lets the line log in: it dials again")
		}
		l.ever = true
		*s = login{next: time.Now().Add(l.recheck)}
		return
	}
	var e *ringout.Error
	s.wrong = false
	switch {
	case errors.Is(err, ringout.ErrCredentials):
		s.wrong = true
		s.why = fmt.Sprintf("line %s: RingCentral does not accept the credentials: %v; check RC_APP_CLIENT_ID, RC_APP_CLIENT_SECRET and the line's JWT "+
			"(RC_USER_JWT or its jwt_env)", t.Name, err)
	case errors.As(err, &e) && e.Kind == ringout.Limited:
		s.why = fmt.Sprintf("line %s: RingCentral limits logins: %v", t.Name, err)
	default:
		s.why = fmt.Sprintf("line %s: RingCentral at %s does not let the worker log in: %v; check the network and RC_SERVER_URL", t.Name, l.server, err)
	}
	wait := l.retry << min(s.failures, loginDoublings)
	s.failures++
	s.next = time.Now().Add(wait)
	// Until a little after the next try, so that no contact is taken to the line for nothing.
	t.Extension.Hold(wait+2*l.every, s.why)
	if l.allWrong(l.lines) {
		select {
		case l.refused <- cli.Usage(errors.New(l.states[l.lines[0].Extension].why)):
		default:
		}
		return
	}
	log.Error().Err(err).Bool("wrong_credentials", s.wrong).Dur("again_in", wait).
		Msg("RingCentral does not let this line log in: it is held, the others dial")
}

// why says why a line does not log in; "" if it does, or was not tried yet.
func (l *logins) why(t line.Line) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.states[t.Extension]; s != nil {
		return s.why
	}
	return ""
}

// in says whether some login has succeeded.
func (l *logins) in() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ever
}
