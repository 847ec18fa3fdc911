package realtest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/redisurl"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/internal/worker"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

const (
	fast     = 60 // how many times faster than real time RingCentral runs
	slow     = 1  // where a quota's slots must be good for as long as a long way takes
	camp     = "spring"
	patience = 60 * time.Second // bounds every wait; only a failure takes as long
)

// world is a Redis that stands at an address, a RingCentral and workers.
type world struct {
	t     *testing.T
	scale int
	url   string
	rdb   redis.UniversalClient
	led   *ledger.Ledger
	sim   *ringouttest.Simulator
	rc    string
	log   testlog.Buffer
}

// newWorld is a world whose conversations last so long of real time, with a campaign of n contacts.
func newWorld(t *testing.T, url string, scale int, talk time.Duration, n int) *world {
	t.Helper()
	w := &world{t: t, scale: scale, url: url}
	w.rdb = w.client()
	w.led = ledger.New(w.rdb)
	w.sim, w.rc = ringouttest.Start(t, ringouttest.Config{Scale: float64(scale), Retention: 30 * time.Minute, Ending: func(string, int) ringouttest.Ending {
		return ringouttest.Ending{Name: ringouttest.Answered, Answer: 2 * time.Second, Ring: 2 * time.Second, Talk: talk * time.Duration(scale)}
	}})
	rules := campaign.Default(camp).Faster(scale)
	rules.CallingHours = campaign.Hours{Always: true}
	if err := w.led.Create(t.Context(), rules, false); err != nil {
		t.Fatal(err)
	}
	people := make(list, n)
	for i := range people {
		people[i] = campaign.Contact{ID: fmt.Sprint(i), Row: i + 1, Numbers: []string{fmt.Sprintf("+1212%07d", 2000000+i)}}
	}
	if _, err := tasks.NewProducer(w.rdb).Import(t.Context(), rules, &people, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

type list []campaign.Contact

func (l *list) Next() (campaign.Contact, error) {
	if len(*l) == 0 {
		return campaign.Contact{}, io.EOF
	}
	c := (*l)[0]
	*l = (*l)[1:]
	return c, nil
}

func (w *world) client() redis.UniversalClient {
	w.t.Helper()
	rdb, err := redisurl.Open(w.t.Context(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// work starts a worker for n lines.
func (w *world) work(n int) {
	w.t.Helper()
	set := settings.Worker{
		Credentials:  settings.Credentials{Server: w.rc, ClientID: "id", ClientSecret: "secret"},
		PollInterval: 3 * time.Second, CoolDown: time.Minute,
	}
	for i := range n {
		set.Lines = append(set.Lines, settings.Line{
			Name: fmt.Sprintf("line%d", i), Number: fmt.Sprintf("+1650555%04d", i), Team: "default", JWT: settings.Secret(fmt.Sprintf("jwt%d", i)),
		})
	}
	wk, err := worker.New(w.client(), set, zerolog.New(&w.log), w.scale)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if err := wk.Run(ctx); err != nil {
			w.t.Errorf("worker: %v", err)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-gone
	})
}

func (w *world) until(what string, met func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never came: %s; log:\n%s", what, w.log.String())
		}
	}
}

func (w *world) dialled() int { return len(w.sim.Truth().Dials) }

func (w *world) done() int {
	c, err := w.led.Campaign(w.t.Context(), camp)
	if err != nil {
		return -1 // Redis is away
	}
	return c.Counts.Done
}

// honest wants that no phone got a second call, no contact a second one, and RingCentral no request too many.
func (w *world) honest() {
	w.t.Helper()
	truth := w.sim.Truth()
	if len(truth.Overlaps)+len(truth.OverQuota)+len(truth.InPenalty) > 0 {
		w.t.Errorf("%d second calls on a line, over quota %v, in a penalty %v", len(truth.Overlaps), truth.OverQuota, truth.InPenalty)
	}
	calls := map[string]int{}
	for _, d := range truth.Dials {
		if calls[d.To]++; calls[d.To] > 1 {
			w.t.Errorf("%s was called %d times", d.To, calls[d.To])
		}
		if !d.CancelledAt.IsZero() {
			w.t.Errorf("the call to %s was cancelled", d.To)
		}
	}
}

// TestClusterLosesAShard loses each shard in turn while calls are live: no line gets a second one.
func TestClusterLosesAShard(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	w := newWorld(t, c.URL(), fast, 15*time.Second, 12)
	w.work(6)
	w.until("six calls", func() bool { return w.dialled() == 6 })
	w.work(6)
	w.until("the second worker stands by", func() bool { return strings.Contains(w.log.String(), "standing by") })
	home := c.Shard("ringqueue:{ledger}:redis")
	for shard := range 3 {
		if shard != home {
			c.Lose(shard)
		}
	}
	w.until("the calls end", func() bool { return w.done() >= 6 })
	w.honest()
}

func TestClockOff(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{70 * time.Second, -70 * time.Second} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, redistest.StartSkewed(t, ahead).URL(), fast, time.Second, 4)
			w.work(2)
			w.until("all are done", func() bool { return w.done() == 4 })
			w.honest()
		})
	}
}

func TestLongWay(t *testing.T) {
	t.Parallel()
	for _, trip := range []time.Duration{30 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(trip.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, redistest.StartProxy(t, redistest.Start(t).Addr(), trip/2).URL(), slow, time.Second, 4)
			w.work(2)
			w.until("all are done", func() bool { return w.done() == 4 })
			w.honest()
		})
	}
}

// TestFewRights dials, pauses and shows where MEMORY, CONFIG, DEBUG and KEYS are forbidden.
func TestFewRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Start(t, "--appendonly", "yes").UserURL("-memory", "-config", "-debug", "-keys"), fast, time.Second, 4)
	pauses := tasks.NewPauses(w.rdb)
	if err := pauses.Pause(t.Context(), camp); err != nil {
		t.Fatal(err)
	}
	w.work(2)
	if s, err := status.NewReader(w.rdb).Read(t.Context(), camp); err != nil || s.State != status.StatePaused {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := pauses.Resume(t.Context(), camp); err != nil {
		t.Fatal(err)
	}
	w.until("all are done", func() bool { return w.done() == 4 })
	w.honest()
}

// TestSentinelFailover kills the master in the middle of calls: they end, and dialling goes on with the new one.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, "--appendonly", "yes", "--appendfsync", "always")
	w := newWorld(t, s.URL(), fast, 3*time.Second, 6)
	w.work(2)
	w.until("two calls", func() bool { return w.dialled() == 2 })
	w.until("both are known", func() bool {
		c, err := w.led.Campaign(t.Context(), camp)
		return err == nil && c.Counts.Live == 2 && s.Client(t).Do(t.Context(), "WAIT", 1, 1000).Err() == nil
	})
	s.Failover()
	w.until("dialling goes on", func() bool { return w.dialled() > 2 })
	w.until("all are done or held", func() bool {
		c, err := w.led.Campaign(t.Context(), camp)
		return err == nil && c.Counts.Done+c.Counts.Unconfirmed == 6
	})
	w.honest()
}
