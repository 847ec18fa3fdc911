package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/metrics"
	"github.com/ringqueue/ringqueue/internal/redisurl"
)

const (
	// readyWithin is how long an answer takes at most: whoever asks gives up soon after.
	readyWithin = 2 * time.Second
	// probeWithin bounds what is asked of Redis for it, which may outlast the answer.
	probeWithin = 10 * time.Second
)

// probe is one look at Redis that all who ask meanwhile share.
type probe struct {
	done   chan struct{}
	err    error
	others bool // another worker has one of this one's lines
}

// Ready says whether the worker can work, and what to say of it: Redis takes what is written and runs scripts, RingCentral has
// let some line log in, and it has lines, or others have them.
func (w *Worker) Ready(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	held := w.pool.Held()
	p := w.probe(ctx)
	select {
	case <-p.done:
	case <-ctx.Done():
		return false, "Redis does not answer"
	}
	switch {
	case p.err != nil && !saidByRedis(p.err):
		return false, "Redis does not answer"
	case p.err != nil:
		return false, "Redis does not work: " + cli.Explain(p.err).Error()
	case len(held) == 0 && p.others:
		return true, "standing by: other workers have all lines"
	case len(held) == 0:
		return false, "no line is leased, by this worker or another one"
	}
	var reasons []string
	for _, l := range held {
		if why := w.holds(l); why.text != "" {
			reasons = append(reasons, why.text)
		}
	}
	if !w.logins.in() {
		return false, strings.Join(append([]string{"not logged in to RingCentral yet"}, reasons...), "; ")
	}
	return true, strings.Join(append([]string{"ok"}, reasons...), "; ")
}

func saidByRedis(err error) bool {
	var said redis.Error
	return errors.As(err, &said)
}

// probe begins a look at Redis, or joins the one that is under way: one that hangs is not joined by more and more of them.
func (w *Worker) probe(ctx context.Context) *probe {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.probing != nil {
		return w.probing
	}
	p := &probe{done: make(chan struct{})}
	w.probing = p
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWithin)
		defer cancel()
		if p.err = redisurl.Probe(ctx, w.rdb); p.err == nil && len(w.pool.Held()) == 0 {
			p.others, p.err = w.othersHave(ctx)
		}
		w.mu.Lock()
		w.probing = nil
		w.mu.Unlock()
		close(p.done)
	}()
	return p
}

// othersHave says whether another worker has one of this one's lines.
func (w *Worker) othersHave(ctx context.Context) (bool, error) {
	lines, err := line.List(ctx, w.rdb)
	if err != nil {
		return false, fmt.Errorf("read lines: %w", err)
	}
	for _, l := range lines {
		if l.Worker != "" && l.Worker != w.name && w.numbers[l.Number] {
			return true, nil
		}
	}
	return false, nil
}

// why is why a line that this worker has does not dial.
type why struct{ reason, text string }

// holds says why a line is held; the zero value if it is not.
func (w *Worker) holds(l line.Line) why {
	if text := w.logins.why(l); text != "" {
		return why{metrics.HeldByLogin, text}
	}
	if text := w.failover.Held(l.Number); text != "" {
		return why{metrics.HeldByRedis, text}
	}
	return why{}
}

// heldLines is what metrics tell of the lines that are held.
func (w *Worker) heldLines() []metrics.HeldLine {
	var list []metrics.HeldLine
	for _, l := range w.pool.Held() {
		if why := w.holds(l); why.text != "" {
			list = append(list, metrics.HeldLine{Team: l.Team, Line: l.Name, Reason: why.reason})
		}
	}
	return list
}
