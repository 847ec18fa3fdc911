package worker

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

// list is a call list.
type list []campaign.Contact

func (l *list) Next() (campaign.Contact, error) {
	if len(*l) == 0 {
		return campaign.Contact{}, io.EOF
	}
	c := (*l)[0]
	*l = (*l)[1:]
	return c, nil
}

// enqueue adds a campaign of n contacts.
func enqueue(t *testing.T, rdb redis.UniversalClient, scale, n int) {
	t.Helper()
	rules := campaign.Default("spring").Faster(scale)
	rules.CallingHours = campaign.Hours{Always: true}
	if err := ledger.New(rdb).Create(t.Context(), rules, false); err != nil {
		t.Fatal(err)
	}
	var people list
	for i := range n {
		people = append(people, campaign.Contact{ID: fmt.Sprintf("c%d", i), Row: i + 1, Numbers: []string{fmt.Sprintf("+1212%07d", 2000000+i)}})
	}
	if _, err := tasks.NewProducer(rdb).Import(t.Context(), rules, &people, nil); err != nil {
		t.Fatal(err)
	}
}

// sharedLines are n lines of one extension.
func sharedLines(n int) []settings.Line {
	var lines []settings.Line
	for i := range n {
		lines = append(lines, settings.Line{Name: fmt.Sprintf("line%d", i), Number: fmt.Sprintf("+1650555%04d", i), Team: "default", JWT: "shared"})
	}
	return lines
}

// run runs a worker until the test ends.
func run(t *testing.T, rdb redis.UniversalClient, set settings.Worker, scale int) {
	t.Helper()
	w, err := New(rdb, set, zerolog.New(new(testlog.Buffer)), scale)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// within waits until something has come about.
func within(t *testing.T, limit time.Duration, what string, met func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("within %s it has not come about that %s", limit, what)
		}
	}
}

func inQuota(t *testing.T, truth ringouttest.Truth) {
	t.Helper()
	for _, q := range truth.OverQuota {
		t.Errorf("over quota: %s %s at %s", q.Group, q.Operation, q.At)
	}
	for _, q := range truth.InPenalty {
		t.Errorf("in the penalty: %s %s at %s", q.Group, q.Operation, q.At)
	}
}

// granted counts the requests of the light quota.
func granted(sim *ringouttest.Simulator) int {
	n := 0
	for _, c := range sim.Truth().Requests {
		if c.Group == "light" {
			n += c.Granted
		}
	}
	return n
}

// Redis is killed and comes back with a snapshot from before the last window's requests, while calls are polled for.
func TestQuotaAfterRedisRestart(t *testing.T) {
	t.Parallel()
	const scale = 10
	sim, url := ringouttest.Start(t, ringouttest.Config{
		Scale: scale, Retention: 30 * time.Minute,
		Ending: func(string, int) ringouttest.Ending {
			return ringouttest.Ending{Name: ringouttest.Answered, Answer: 2 * time.Second, Ring: 2 * time.Second, Talk: 10 * time.Minute}
		},
	})
	server := redistest.Start(t, "--dir", t.TempDir())
	rdb := server.Client(t)
	set := settings.Worker{
		Credentials:  settings.Credentials{Server: url, ClientID: "id", ClientSecret: "secret"},
		PollInterval: 3 * time.Second, CoolDown: 5 * time.Minute, Lines: sharedLines(20),
	}
	run(t, server.Client(t), set, scale)
	within(t, 30*time.Second, "the worker has its lines", func() bool {
		return rdb.Keys(t.Context(), "*quota*light*").Val() != nil
	})
	if err := rdb.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	enqueue(t, rdb, scale, 30)
	within(t, 60*time.Second, "calls are polled for", func() bool { return len(sim.Truth().Dials) >= 8 })
	server.Kill()
	server.Restart()
	before := granted(sim)
	// More than a window of polls.
	within(t, 90*time.Second, "polls go on after the restart", func() bool { return granted(sim) >= before+45 })
	truth := sim.Truth()
	inQuota(t, truth)
	t.Logf("%d calls, %d light requests before the restart, %d after", len(truth.Dials), before, granted(sim)-before)
}

// The same where the quota is in full use: all of it was spent when Redis went back to nothing.
func TestFullQuotaAfterRedisRestart(t *testing.T) {
	t.Parallel()
	const scale = 3
	sim, url := ringouttest.Start(t, ringouttest.Config{Scale: scale})
	server := redistest.Start(t)
	limits := Limits(scale)
	limiter := ratelimit.New(ratelimit.Config{Redis: server.Client(t), Limits: limits})
	ext, err := NewExtension(settings.Credentials{Server: url, ClientID: "id", ClientSecret: "secret"}, "shared", limiter, limits, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	ask := func() {
		for ctx.Err() == nil {
			slot, err := ext.Wait(ctx, ringout.Light)
			if err != nil || slot.Lapsed() {
				continue // Redis is away
			}
			_, _ = ext.Calls.Presence(ctx)
		}
	}
	const waiting = 4
	for range waiting {
		wg.Go(ask)
	}
	full := limits[string(ringout.Light)].N
	within(t, 30*time.Second, "the quota is spent and all answers are known", func() bool {
		u, err := limiter.Look(ctx, ratelimit.Key{Owner: ext.Key, Group: string(ringout.Light)})
		return err == nil && u.Waiting == waiting && granted(sim) == full
	})
	server.Kill()
	server.Restart()
	for range waiting { // those who wait already ask Redis shortly before their slot only
		wg.Go(ask)
	}
	within(t, 90*time.Second, "requests go on", func() bool { return granted(sim) >= 2*full })
	stop()
	wg.Wait()
	inQuota(t, sim.Truth())
}
