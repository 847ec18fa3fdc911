package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/worker"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// leastUsed is the share of a quota that a saturated limiter has to use.
const leastUsed = 0.98

func benchLimiter(ctx context.Context, b *bench) ([]row, error) {
	simulated, err := b.limiterSimulated(ctx)
	if err != nil {
		return nil, err
	}
	short, err := b.limiterShort(ctx)
	return append(simulated, short...), err
}

// benchLine is a result of `go test -bench`: name, rounds, figures with their units.
var benchLine = regexp.MustCompile(`^BenchmarkQuota/load=saturated/limiter=(\w+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// limiterSimulated runs the limiter's own simulation: hours of a saturated quota on a clock that is simulated.
func (b *bench) limiterSimulated(ctx context.Context) ([]row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkQuota$/^load=saturated$", "-benchtime", "1x", "./ratelimit")
	cmd.Dir, cmd.Env = b.module, os.Environ()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -bench ./ratelimit: %w\n%s", err, out)
	}
	figures := map[string]map[string]float64{} // by limiter, by unit
	for text := range strings.Lines(string(out)) {
		m := benchLine.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			continue
		}
		figures[m[1]] = map[string]float64{}
		for fields := strings.Fields(m[2]); len(fields) >= 2; fields = fields[2:] {
			value, err := strconv.ParseFloat(fields[0], 64)
			if err != nil {
				return nil, fmt.Errorf("go test -bench ./ratelimit: %w", err)
			}
			figures[m[1]][fields[1]] = value
		}
	}
	ours, theirs := figures["slots"], figures["redis_rate"]
	for _, unit := range []string{"used_%", "429s", "in_penalty"} {
		_, one := ours[unit]
		_, other := theirs[unit]
		if !one || !other {
			return nil, fmt.Errorf("go test -bench ./ratelimit does not report %s:\n%s", unit, out)
		}
	}
	refused := func(f map[string]float64) string { return fmt.Sprintf("%.0f / %.0f", f["429s"], f["in_penalty"]) }
	return []row{
		{
			name: "limiter, quota used, 60 s windows", measured: fmt.Sprintf("%.2f %%", ours["used_%"]), target: ">= 98 %",
			verdict: met(ours["used_%"] >= 100*leastUsed),
			note:    "4 hours of 10 per 60 s on a simulated clock, 25 callers, requests arrive 0-300 ms late; 100 % is 10 per 60 s without a margin",
		},
		{
			name: "limiter, 429s / requests in a penalty", measured: refused(ours), target: "0 / 0",
			verdict: met(ours["429s"] == 0 && ours["in_penalty"] == 0),
		},
		{
			name: "redis_rate on the same load: used", measured: fmt.Sprintf("%.2f %%", theirs["used_%"]), verdict: info,
			note: "its callers wait as it tells them; it got " + refused(theirs) + " 429s / requests in a penalty",
		},
	}, nil
}

const (
	// shortScale makes a window of RingCentral's 60 s last 1 s.
	shortScale   = 60
	shortCallers = 25
)

// limiterShort drives one extension's Heavy quota to its end against the simulator, in real time and short windows.
func (b *bench) limiterShort(ctx context.Context) ([]row, error) {
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	sim, err := b.simulator(ctx, shortScale)
	if err != nil {
		return nil, err
	}

	limits := worker.Limits(shortScale)
	quota := limits[string(ringout.Heavy)]
	ext, err := worker.NewExtension(
		settings.Credentials{Server: sim.url, ClientID: "bench", ClientSecret: "bench"}, "bench",
		ratelimit.New(ratelimit.Config{Redis: rdb, Limits: limits}), limits, zerolog.Nop(),
	)
	if err != nil {
		return nil, err
	}
	if err := ext.Calls.Login(ctx); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	windows := b.size(30, 10)
	took, lapsed, err := saturate(ctx, ext, windows*quota.N+1)
	if err != nil {
		return nil, err
	}
	truth, err := sim.truth(ctx)
	if err != nil {
		return nil, err
	}
	// The last request is the first of its window, which waits for the first of the one before, and so on.
	bound := time.Duration(windows) * span(quota)
	used := bound.Seconds() / took.Seconds()
	refused := fmt.Sprintf("%d / %d", len(truth.OverQuota), len(truth.InPenalty))
	return []row{
		{
			name: "limiter, quota used, 1 s windows", measured: fmt.Sprintf("%.2f %%", 100*used), target: ">= 98 %", verdict: met(used >= leastUsed),
			note: fmt.Sprintf("of W/(W+margin); the simulator %d times as fast, %d windows in real time, %d callers; %d slots lapsed",
				shortScale, windows, shortCallers, lapsed),
		},
		{
			name: "limiter, 429s / in a penalty, 1 s windows", measured: refused, target: "0 / 0",
			verdict: met(len(truth.OverQuota)+len(truth.InPenalty) == 0),
		},
	}, nil
}

// span is a quota's window with the margin that package ratelimit adds to it.
func span(l ratelimit.Limit) time.Duration {
	return l.Window + max(l.Window/120, 40*time.Millisecond)
}

// saturate sends n Heavy requests from many callers and returns the time from the first to the last one.
func saturate(ctx context.Context, ext *line.Extension, n int) (took time.Duration, lapsed int, err error) {
	var (
		wg          sync.WaitGroup
		mu          sync.Mutex
		first, last time.Time
		sent        int
		errs        []error
	)
	// take counts a request that is sent now; false once there were enough.
	take := func(slot ratelimit.Slot) (send, more bool) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case sent >= n || len(errs) > 0:
			return false, false
		case slot.Lapsed():
			lapsed++
			return false, true
		}
		if last = time.Now(); sent == 0 {
			first = last
		}
		sent++
		return true, sent < n
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range shortCallers {
		wg.Go(func() {
			for {
				slot, err := ext.Wait(ctx, ringout.Heavy)
				if err == nil {
					send, more := take(slot)
					if send {
						// A call that is not there: it costs the quota and nothing else.
						err = ext.Calls.Cancel(ctx, "none")
						var e *ringout.Error
						if errors.As(err, &e) && (e.Kind == ringout.Limited || errors.Is(err, ringout.ErrNotFound)) {
							err = nil // the simulator counts those that it limited
						}
					}
					if !more {
						cancel()
						return
					}
				}
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	return last.Sub(first), lapsed, errors.Join(errs...)
}
