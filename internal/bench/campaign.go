package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/worker"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

const (
	campaignScale    = 20
	campaignLines    = 10
	campaignContacts = 200
	campaignPoll     = 3 * time.Second
	campaignMost     = 1.10

	campaignRules = "name: bench\nregion: US\ncalling_hours: always\nwrap_up: 0s\nretry: {max_attempts: 1}\n"
)

// benchCampaign runs a whole campaign and compares its time with what it must take at least.
func benchCampaign(ctx context.Context, b *bench) ([]row, error) {
	rdb, err := b.redis()
	if err != nil {
		return nil, err
	}
	sim, err := b.simulator(ctx, campaignScale)
	if err != nil {
		return nil, err
	}
	contacts := b.size(campaignContacts, campaignContacts/4)
	if err := sim.script(ctx, campaignEndings(contacts)); err != nil {
		return nil, err
	}
	if err := b.importFor(ctx, rdb, contacts); err != nil {
		return nil, err
	}

	set := settings.Worker{
		Credentials:  settings.Credentials{Server: sim.url, ClientID: "bench", ClientSecret: "bench"},
		PollInterval: campaignPoll, CoolDown: time.Minute,
	}
	for i := range campaignLines {
		name := fmt.Sprintf("line%d", i)
		set.Lines = append(set.Lines, settings.Line{
			Name: name, Number: fmt.Sprintf("+1650555%04d", 100+i), Team: settings.DefaultTeam, JWT: settings.Secret(name),
		})
	}
	took, err := runCampaign(ctx, rdb, set)
	if err != nil {
		return nil, err
	}
	truth, err := sim.lawful(ctx, contacts)
	if err != nil {
		return nil, err
	}
	bound := lowerBound(truth.Dials)
	polls := time.Duration(contacts) * campaignPoll / campaignScale / 2 / campaignLines
	ratio := took.Seconds() / (bound.least() + polls).Seconds()
	real := func(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()*campaignScale) }
	return []row{{
		name: "campaign, time over lower bound", measured: fmt.Sprintf("%.3f", ratio), target: fmt.Sprintf("<= %.2f", campaignMost),
		verdict: met(ratio <= campaignMost),
		note: fmt.Sprintf("%d contacts, %d lines, run %d times as fast: %s in all over max(calls %s per line, quota %s) + %s for half a poll of %s per call",
			contacts, campaignLines, campaignScale, real(took), real(bound.calls), real(bound.quota), real(polls), campaignPoll),
	}}, nil
}

// campaignEndings make seven of ten contacts answer and talk for 21 to 39 s; the others are busy, do not answer, decline
// or cannot be reached.
func campaignEndings(contacts int) map[string][]ringouttest.Ending {
	names := []ringouttest.Name{
		ringouttest.Answered, ringouttest.Answered, ringouttest.Busy, ringouttest.Answered, ringouttest.NoAnswer,
		ringouttest.Answered, ringouttest.Answered, ringouttest.Answered, ringouttest.Rejected, ringouttest.Answered,
	}
	endings := make(map[string][]ringouttest.Ending, contacts)
	for i := range contacts {
		e := ringouttest.Ending{Name: names[i%len(names)]}
		if e.Name == ringouttest.Answered {
			e.Talk = time.Duration(21+2*(i*7%10)) * time.Second
		}
		endings[e164(i)] = []ringouttest.Ending{e}
	}
	return endings
}

// runCampaign runs a worker until no contact is left to call, and returns how long that took from the worker's start.
func runCampaign(ctx context.Context, rdb *redisServer, set settings.Worker) (time.Duration, error) {
	w, err := worker.New(rdb, set, zerolog.Nop(), campaignScale)
	if err != nil {
		return 0, err
	}
	wctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var failed error
	began := time.Now()
	go func() {
		failed = w.Run(wctx)
		close(ended)
	}()
	err = await(ctx, rdb, ended, over)
	took := time.Since(began)
	cancel()
	<-ended
	return took, errors.Join(err, failed)
}

// least is what a campaign must take at least, by what its calls and its quota take.
type least struct {
	calls time.Duration // all calls' time, shared evenly among the lines
	quota time.Duration // from the first to the last dial of the extension that dialled most
}

func (l least) least() time.Duration { return max(l.calls, l.quota) }

// lowerBound takes the calls' time from the truth: from the dial until the agent's phone is free again.
func lowerBound(dials []ringouttest.Dial) least {
	var total time.Duration
	each := map[string]int{}
	for _, d := range dials {
		total += d.LineFreeAt.Sub(d.At)
		each[d.Extension]++
	}
	most := 0
	for _, n := range each {
		most = max(most, n)
	}
	// Ten dials at once, then a window and its margin until the next ten.
	heavy := worker.Limits(campaignScale)[string(ringout.Heavy)]
	bursts := math.Ceil(float64(most)/float64(heavy.N)) - 1
	return least{
		calls: total / campaignLines,
		quota: time.Duration(bursts) * span(heavy),
	}
}
