package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

const (
	quietCampaigns = 200
	quietOver      = 1000
	quietCommands  = 500 // a second
	quietClients   = 30
	quietMore      = 1.10

	hoardCampaigns = 20
	hoardContacts  = 50
	hoardLines     = 5 // of 500
	hoardTasks     = 10

	distance      = 100 * time.Millisecond
	distanceLeast = 0.90
	distanceSpan  = time.Minute
	distanceStart = 20 * time.Second // until each line has a call
)

// benchQuiet has two workers, each with a Redis of its own, keep the same campaigns that may not call now; the second has
// many on top that are over. Both are measured over the same time.
func benchQuiet(ctx context.Context, b *bench) ([]row, error) {
	sim, err := b.simulator(ctx, 1)
	if err != nil {
		return nil, err
	}
	opens := (time.Now().UTC().Hour() + 12) % 24
	shut := campaign.Hours{Zone: "UTC"}
	for day := range shut.Days {
		shut.Days[day] = []campaign.Span{{From: 60 * opens, To: 60*opens + 60}}
	}
	var redises [2]*redisServer
	for i, over := range []int{0, quietOver} {
		if redises[i], err = b.redis(); err != nil {
			return nil, err
		}
		if err := openCampaigns(ctx, redises[i], quietCampaigns+over, 10, func(r *campaign.Rules) { r.CallingHours = shut }); err != nil {
			return nil, err
		}
		for c := range over {
			name := campaignName(quietCampaigns + c)
			if _, err := tasks.Cancel(ctx, redises[i], name); err != nil {
				return nil, err
			}
			// A worker does so a few rounds of its reconciler after the end.
			if closed, err := ledger.New(redises[i]).Close(ctx, name); err != nil || !closed {
				return nil, fmt.Errorf("campaign %s is not over: %w", name, err)
			}
		}
	}
	for _, rdb := range redises {
		if _, err := b.startWorker(ctx, rdb, sim.url, team{extensions: 10, linesEach: 1}); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, 15*time.Second); err != nil { // until each campaign was found to have nothing due
		return nil, err
	}
	span := time.Duration(b.size(60, 20)) * time.Second
	var rates [2]float64
	for _, sign := range []float64{-1, 1} {
		for i, rdb := range redises {
			n, err := rdb.figure(ctx, commands)
			if err != nil {
				return nil, err
			}
			rates[i] += sign * n / span.Seconds()
		}
		if sign < 0 {
			if err := sleep(ctx, span); err != nil {
				return nil, err
			}
		}
	}
	connected, err := redises[0].figure(ctx, clients)
	if err != nil {
		return nil, err
	}
	connected -= float64(redises[0].PoolStats().TotalConns) // our own
	more := rates[1] / rates[0]
	return []row{
		{
			name: "200 quiet campaigns, Redis commands", measured: fmt.Sprintf("%.0f/s", rates[0]), target: "<= 500/s", verdict: met(rates[0] <= quietCommands),
			note: fmt.Sprintf("one worker with 10 lines, calling hours closed, over %.0f s; those of scripts among them", span.Seconds()),
		},
		{name: "200 quiet campaigns, connections", measured: fmt.Sprintf("%.0f", connected), target: "<= 30", verdict: met(connected <= quietClients)},
		{
			name: "1,000 that are over on top, commands", measured: fmt.Sprintf("%.3f", more), target: "<= 1.10", verdict: met(more <= quietMore),
			note: fmt.Sprintf("of another worker over the same time: %.0f/s", rates[1]),
		},
	}, nil
}

// benchHoarding has a worker that may have a few of its team's lines work on much that is due, while its calls talk on.
func benchHoarding(ctx context.Context, b *bench) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	sim, err := b.simulator(ctx, 1)
	if err != nil {
		return nil, err
	}
	always := campaign.Hours{Always: true}
	if err := openCampaigns(ctx, rdb, hoardCampaigns, hoardContacts, func(r *campaign.Rules) { r.CallingHours = always }); err != nil {
		return nil, err
	}
	if err := sim.script(ctx, answered(hoardCampaigns*hoardContacts, func(int) time.Duration { return 30 * time.Minute })); err != nil {
		return nil, err
	}
	w, err := b.startWorker(ctx, rdb, sim.url, team{extensions: 100, linesEach: 5, most: hoardLines})
	if err != nil {
		return nil, err
	}
	most, end := int64(0), time.Time{}
	for end.IsZero() || time.Now().Before(end) {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return nil, fmt.Errorf("%w; the worker said: %s", err, w.last())
		}
		n, err := inHand(ctx, rdb, hoardCampaigns)
		if err != nil {
			return nil, err
		}
		most = max(most, n)
		if end.IsZero() {
			truth, err := sim.truth(ctx)
			if err != nil {
				return nil, err
			}
			if len(truth.Dials) >= hoardLines {
				end = time.Now().Add(time.Duration(b.size(20, 10)) * time.Second)
			}
		}
	}
	memory, err := w.memory("VmHWM")
	if err != nil {
		return nil, err
	}
	if _, err := sim.lawful(ctx, hoardLines); err != nil {
		return nil, err
	}
	return []row{{
		name: "5 of 500 lines, tasks in hand", measured: strconv.FormatInt(most, 10), target: "<= 10", verdict: met(most <= hoardTasks),
		note: fmt.Sprintf("the most from the worker's start on; %d campaigns with %d contacts due each, calls that talk on; the worker's memory %s",
			hoardCampaigns, hoardContacts, mib(memory)),
	}}, nil
}

// inHand is how many tasks workers have taken.
func inHand(ctx context.Context, rdb *redisServer, campaigns int) (n int64, err error) {
	pipe := rdb.Pipeline()
	var lengths []*redis.IntCmd
	for c := range campaigns {
		first, again := tasks.Queues(campaignName(c))
		lengths = append(lengths, pipe.LLen(ctx, asynqkeys.Active(first)), pipe.LLen(ctx, asynqkeys.Active(again)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("count tasks: %w", err)
	}
	for _, l := range lengths {
		n += l.Val()
	}
	return n, nil
}

// benchDistance has two workers call in real time, one beside Redis and one far away from it, each with about one call per
// line and minute, and compares how many calls they place. Each line's minute begins with its first call: what the start
// takes is told beside.
func benchDistance(ctx context.Context, b *bench) ([]row, error) {
	t := team{extensions: 8, linesEach: 5}
	contacts := 4 * t.lines()
	endings := answered(contacts, func(i int) time.Duration { return time.Duration(25+i*7%50) * time.Second })
	var sims [2]*simulator
	for i, trip := range []time.Duration{0, distance} {
		rdb, err := b.redis()
		if err != nil {
			return nil, err
		}
		if sims[i], err = b.simulator(ctx, 1); err != nil {
			return nil, err
		}
		if err := sims[i].script(ctx, endings); err != nil {
			return nil, err
		}
		if err := b.importFor(ctx, rdb, contacts); err != nil {
			return nil, err
		}
		proxy, err := redistest.NewProxy(ctx, func() string { return rdb.addr }, trip/2)
		if err != nil {
			return nil, err
		}
		b.atEnd(proxy.Close)
		rdb.url = proxy.URL()
		if _, err := b.startWorker(ctx, rdb, sims[i].url, t); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	if err := sleep(ctx, distanceSpan+distanceStart); err != nil {
		return nil, err
	}
	var placed [2]int
	var start [2]time.Duration
	for i, sim := range sims {
		truth, err := sim.truth(ctx)
		if err != nil {
			return nil, err
		}
		if bad := len(truth.OverQuota) + len(truth.InPenalty) + len(truth.Overlaps); bad > 0 {
			return nil, fmt.Errorf("%d requests or dials against the rules", bad)
		}
		first := map[string]time.Time{} // by line
		for _, d := range truth.Dials {
			if _, known := first[d.From]; !known {
				first[d.From], start[i] = d.At, d.At.Sub(began)
			}
			if d.At.Sub(first[d.From]) < distanceSpan {
				placed[i]++
			}
		}
	}
	share := float64(placed[1]) / float64(placed[0])
	return []row{{
		name: "calls placed, Redis 100 ms away", measured: fmt.Sprintf("%.1f %%", 100*share), target: ">= 90 %", verdict: met(share >= distanceLeast),
		note: fmt.Sprintf("round trip; in the %.0f s from each of %d lines' first call on %d, with Redis near %d; all lines had a call after %.1f s and %.1f s",
			distanceSpan.Seconds(), t.lines(), placed[1], placed[0], start[1].Seconds(), start[0].Seconds()),
	}}, nil
}

// answered has contacts answer after 3 s and talk.
func answered(contacts int, talk func(int) time.Duration) map[string][]ringouttest.Ending {
	endings := make(map[string][]ringouttest.Ending, contacts)
	for i := range contacts {
		endings[e164(i)] = []ringouttest.Ending{{Name: ringouttest.Answered, Answer: time.Second, Ring: 2 * time.Second, Talk: talk(i)}}
	}
	return endings
}
