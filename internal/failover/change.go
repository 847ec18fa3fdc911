package failover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// change is a Redis that is not the approved one, and how far this worker's lines are compared.
type change struct {
	runID string
	told  string // the lines that were waited for when the log was told last

	mu        sync.Mutex
	stale     map[string]bool // numbers of the lines that this worker had from before, and has not begun anew
	asked     map[*line.Extension]*asked
	surveyed  []*survey // not compared yet
	comparing bool
}

// asked is how asking RingCentral for one extension's calls goes.
type asked struct {
	running  bool // it is being asked, or what it said is being compared
	next     time.Time
	failures int
	why      string // what went wrong last
}

func newChange(runID string, held []line.Line) *change {
	c := &change{runID: runID, stale: map[string]bool{}, asked: map[*line.Extension]*asked{}}
	for _, l := range held {
		c.stale[l.Number] = true
	}
	return c
}

func (c *change) isStale(number string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stale[number]
}

func (c *change) renewed(number string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.stale, number)
}

// why says for people why a line is held.
func (c *change) why(l line.Line) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.asked[l.Extension]; e != nil && e.why != "" {
		return fmt.Sprintf("Redis was restarted or replaced, and the calls of line %s are not compared with RingCentral's records: %s; trying again by itself, "+
			"`campaign lines approve %[1]s` lets it dial without", l.Name, e.why)
	}
	return ledger.RedisChanged
}

// tell says once in the log which lines are waited for.
func (c *change) tell(log zerolog.Logger, missing map[string][]string) {
	var all []string
	for _, team := range slices.Sorted(maps.Keys(missing)) {
		for _, name := range missing[team] {
			all = append(all, team+"/"+name)
		}
	}
	if text := strings.Join(all, ", "); text != c.told {
		c.told = text
		log.Info().Str("lines", text).Msg("these lines do not dial until their calls are compared with RingCentral's records; those that were dial")
	}
}

// ask asks RingCentral for the calls of this worker's lines, of each extension by itself: none waits for another one.
func (w *Watcher) ask(ctx context.Context, wg *sync.WaitGroup, c *change, a ledger.Approval) {
	byExtension := map[*line.Extension][]line.Line{}
	var agreed []line.Line // but not by this worker
	for _, l := range w.pool.Held() {
		switch {
		case !a.LineAgreed(l.Number):
			byExtension[l.Extension] = append(byExtension[l.Extension], l)
		case c.isStale(l.Number):
			agreed = append(agreed, l)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for e, lines := range byExtension {
		if c.asked[e] == nil {
			c.asked[e] = &asked{}
		}
		state := c.asked[e]
		if state.running || time.Now().Before(state.next) {
			continue
		}
		state.running = true
		wg.Go(func() { w.askOne(ctx, c, lines, a) })
	}
	if len(agreed) > 0 && !c.comparing {
		c.comparing = true
		wg.Go(func() {
			w.renewAgreed(ctx, c, agreed)
			w.compareAll(ctx, c)
		})
	}
}

func (w *Watcher) askOne(ctx context.Context, c *change, lines []line.Line, a ledger.Approval) {
	s, err := w.survey(ctx, lines, a)
	if err != nil {
		w.failed(ctx, c, lines, err)
		return
	}
	c.mu.Lock()
	c.surveyed = append(c.surveyed, s)
	busy := c.comparing
	c.comparing = true
	c.mu.Unlock()
	if !busy {
		w.compareAll(ctx, c)
	}
}

// compareAll compares what has been told by now, as often as there is more: the ledger is read through once for all of it.
func (w *Watcher) compareAll(ctx context.Context, c *change) {
	for {
		c.mu.Lock()
		surveys := c.surveyed
		c.surveyed = nil
		c.comparing = len(surveys) > 0
		c.mu.Unlock()
		if len(surveys) == 0 {
			return
		}
		later, err := w.reconcile(ctx, c, surveys)
		for _, s := range surveys {
			switch {
			case err != nil:
				w.failed(ctx, c, s.lines, err)
			case slices.Contains(later, s):
				w.failed(ctx, c, s.lines, errUnderWay)
			default:
				w.worked(c, s)
			}
		}
	}
}

// renewAgreed begins lines anew that somebody else has decided about, a person mostly. One of whose extension this worker
// tracks a call is blocked first if its record does not say so.
func (w *Watcher) renewAgreed(ctx context.Context, c *change, lines []line.Line) {
	for _, l := range lines {
		if err := w.renew(ctx, l, l.Extension.Live() > 0, c); err != nil && ctx.Err() == nil {
			w.log.Error().Err(err).Str("line", l.Name).Msg("line not begun anew yet; trying again")
		}
	}
}

func (w *Watcher) worked(c *change, s *survey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The next look at Redis may have begun before the lines were agreed.
	*c.asked[s.extension] = asked{next: time.Now().Add(2 * w.cfg.Every)}
	for _, l := range s.lines {
		w.log.Info().Str("line", l.Name).Msg("the line's calls were compared with RingCentral's records: it dials again")
	}
}

// maxDoublings bounds how long it takes until an extension is asked again.
const maxDoublings = 4

func (w *Watcher) failed(ctx context.Context, c *change, lines []line.Line, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	state := c.asked[lines[0].Extension]
	wait := w.cfg.Retry << min(state.failures, maxDoublings)
	state.running, state.next, state.why = false, time.Now().Add(wait), err.Error()
	state.failures++
	c.mu.Unlock()
	w.log.Error().Err(err).Str("line", lines[0].Name).Dur("again_in", wait).
		Msg("this line's calls are not compared with RingCentral's records yet; it does not dial")
}
