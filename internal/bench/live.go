package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

const (
	liveMemory  = 150 << 20
	liveCore    = 0.15
	liveTimeout = 5 * time.Minute
)

// benchLive has one worker hold many calls that go on talking, and measures the worker.
func benchLive(ctx context.Context, b *bench) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	sim, err := b.simulator(ctx, 1)
	if err != nil {
		return nil, err
	}
	// Eight live calls share 40 status polls a minute, four fifths of an extension's Light quota: one each 12 s.
	t := team{extensions: b.size(125, 25), linesEach: 8}
	calls := t.lines()
	if err := sim.script(ctx, answered(calls, func(int) time.Duration { return 30 * time.Minute })); err != nil {
		return nil, err
	}
	if err := b.importFor(ctx, rdb, calls); err != nil {
		return nil, err
	}
	w, err := b.startWorker(ctx, rdb, sim.url, t)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := await(ctx, rdb, w.stopped, func(c ledger.Counts) bool { return c.Live == calls }); err != nil {
		return nil, fmt.Errorf("%w; the worker said: %s", err, w.last())
	}
	b.say("live: %d calls are live after %.1f s", calls, time.Since(began).Seconds())
	if err := sleep(ctx, 20*time.Second); err != nil { // until all of them talk and are polled as seldom as they should
		return nil, err
	}
	s, err := sample(ctx, w, sim, time.Duration(b.size(60, 24))*time.Second)
	if err != nil {
		return nil, err
	}
	if _, err := sim.lawful(ctx, calls); err != nil {
		return nil, err
	}
	return []row{
		{
			name: thousands(calls) + " live calls, worker's memory", measured: mib(s.rss), target: "< 150 MiB", verdict: met(s.rss < liveMemory),
			note: "the most resident within the minute; " + mib(s.peak) + " at the most ever, while it dialled them all at once",
		},
		{
			name: thousands(calls) + " live calls, worker's processor", measured: fmt.Sprintf("%.1f %% of a core", 100*s.core), target: "< 15 %",
			verdict: met(s.core < liveCore),
			note: fmt.Sprintf("over %.0f s, user and system; each call polled every %.1f s (%d extensions with %d lines each)",
				s.took.Seconds(), float64(calls)*s.took.Seconds()/float64(s.polls), t.extensions, t.linesEach),
		},
	}, nil
}

// sampled is what a worker used in some time.
type sampled struct {
	took      time.Duration
	core      float64 // share of one core
	rss, peak int64   // bytes
	polls     int
}

func sample(ctx context.Context, w *process, sim *simulator, d time.Duration) (sampled, error) {
	var s sampled
	before, err := sim.truth(ctx)
	if err != nil {
		return s, err
	}
	began := time.Now()
	cpu, err := w.processor()
	if err != nil {
		return s, err
	}
	for time.Since(began) < d {
		if err := sleep(ctx, time.Second); err != nil {
			return s, err
		}
		rss, err := w.memory("VmRSS")
		if err != nil {
			return s, err
		}
		s.rss = max(s.rss, rss)
	}
	after, err := w.processor()
	if err != nil {
		return s, err
	}
	s.took = time.Since(began)
	s.core = (after - cpu).Seconds() / s.took.Seconds()
	truth, err := sim.truth(ctx)
	if err != nil {
		return s, err
	}
	s.polls = truth.Sent(ringouttest.OpStatus) - before.Sent(ringouttest.OpStatus)
	s.peak, err = w.memory("VmHWM")
	s.peak = max(s.peak, s.rss) // the kernel's figures differ by some pages
	return s, err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
