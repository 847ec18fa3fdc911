package failover_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/worker"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

// TestHandlerPutsOff: a handler that meets a changed Redis before the guard does puts the call off, frees the line and
// gives the slot of the quota back.
func TestHandlerPutsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ringouttest.Config{})
	w.enqueue(anna)
	if _, err := w.led.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	limits := worker.Limits(scale)
	limiter := ratelimit.New(ratelimit.Config{Redis: w.rdb, Limits: limits})
	creds := settings.Credentials{Server: w.url, ClientID: "id", ClientSecret: "secret"}
	ext, err := worker.NewExtension(creds, "jwt", limiter, limits, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	producer := tasks.NewProducer(w.rdb)
	pool := line.NewPool(w.rdb, dial.NewBook(w.led, producer, time.Now), zerolog.Nop(), line.Config{
		Worker: "w1", Lines: []line.Line{{Name: "alice", Number: alice, Team: "default", Extension: ext}},
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { pool.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	<-pool.Started()
	w.redis.Kill()
	w.redis.Restart()

	task, _, err := tasks.NewCallTask(camp, idOf(anna), 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	err = tasks.HandleCall(dial.New(dial.Config{
		Ledger: w.led, Follower: producer, Settler: dial.NewBook(w.led, producer, time.Now), Pauses: tasks.NewPauses(w.rdb),
		Lines: dial.PoolLines(pool), Now: time.Now, Timing: dial.Timing{Scale: scale},
	}))(t.Context(), task)
	var put *tasks.DeferError
	if !errors.As(err, &put) || put.Reason != ledger.RedisChanged || put.After <= 0 {
		t.Errorf("got %v, want it put off because of Redis", err)
	}
	w.until("the line is free", func() bool { return w.line(alice).State == line.Free })
	used, err := limiter.Look(t.Context(), ratelimit.Key{Owner: ext.Key, Group: string(ringout.Heavy)})
	if err != nil || used.Used+used.Waiting != 0 {
		t.Errorf("the quota's use is %+v, %v, want none", used, err)
	}
	w.wantContact(anna, campaign.Waiting, "", 0)
	if n := w.dials(anna); n != 0 {
		t.Errorf("%d dials", n)
	}
}
