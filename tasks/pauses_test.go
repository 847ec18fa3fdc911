package tasks

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := NewPauses(b.rdb)
	is := func(want bool, when string) {
		t.Helper()
		if got, err := p.Paused(t.Context(), "spring"); err != nil || got != want {
			t.Errorf("%s: paused %v, %v", when, got, err)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	is(false, "before there is a task")
	b.add(t, 2)
	is(false, "at first")
	for range 2 {
		do(p.Pause(t.Context(), "spring"))
		is(true, "after Pause")
	}
	for range 2 {
		do(p.Resume(t.Context(), "spring"))
		is(false, "after Resume")
	}
	b.settle(t, "c0", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	do(b.producer.Follow(t.Context(), "spring", "c0")) // now there is a second queue
	for _, queue := range []string{"spring", "spring.again"} {
		do(b.inspector.PauseQueue(queue)) // the monitor's button
		is(true, "with "+queue+" paused in the monitor")
		do(p.Pause(t.Context(), "spring"))
		do(p.Resume(t.Context(), "spring"))
		is(false, "after Resume")
	}
}

// TestPauseBeforeTasks pauses a campaign whose second queue has had no task yet.
func TestPauseBeforeTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 1)
	p := NewPauses(b.rdb)
	if err := p.Pause(t.Context(), "spring"); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "c0", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	if err := b.producer.Follow(t.Context(), "spring", "c0"); err != nil {
		t.Fatal(err)
	}
	if info, err := b.inspector.GetQueueInfo("spring.again"); err != nil || !info.Paused {
		t.Errorf("the second queue is not paused: %+v, %v", info, err)
	}
}

// TestMirror does to one queue what Asynq's monitor does, and lets workers carry it over.
func TestMirror(t *testing.T) {
	t.Parallel()
	const first, again = "spring", "spring.again"
	for _, c := range []struct {
		name string
		do   func(t *testing.T, b *bundle, p *Pauses) error
		want bool
	}{
		{"nothing", func(*testing.T, *bundle, *Pauses) error { return nil }, false},
		{"first paused", func(_ *testing.T, b *bundle, _ *Pauses) error { return b.inspector.PauseQueue(first) }, true},
		{"again paused", func(_ *testing.T, b *bundle, _ *Pauses) error { return b.inspector.PauseQueue(again) }, true},
		{"both paused", func(_ *testing.T, b *bundle, _ *Pauses) error {
			return errors.Join(b.inspector.PauseQueue(first), b.inspector.PauseQueue(again))
		}, true},
		{"campaign paused, first resumed", func(t *testing.T, b *bundle, p *Pauses) error {
			return errors.Join(p.Pause(t.Context(), "spring"), b.inspector.UnpauseQueue(first))
		}, false},
		{"campaign paused, again resumed", func(t *testing.T, b *bundle, p *Pauses) error {
			return errors.Join(p.Pause(t.Context(), "spring"), b.inspector.UnpauseQueue(again))
		}, false},
		{"campaign paused and resumed, first paused", func(t *testing.T, b *bundle, p *Pauses) error {
			return errors.Join(p.Pause(t.Context(), "spring"), p.Resume(t.Context(), "spring"), b.inspector.PauseQueue(first))
		}, true},
		{"first paused, carried over, again resumed", func(t *testing.T, b *bundle, p *Pauses) error {
			err := b.inspector.PauseQueue(first)
			_, mirrored := p.Mirror(t.Context(), "spring")
			return errors.Join(err, mirrored, b.inspector.UnpauseQueue(again))
		}, false},
		{"pause interrupted after the first queue", func(t *testing.T, b *bundle, _ *Pauses) error {
			return b.rdb.SetNX(t.Context(), asynqkeys.Paused(first), 1, 0).Err()
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			p := NewPauses(b.rdb)
			if err := c.do(t, b, p); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 4 { // workers
				wg.Go(func() {
					if got, err := p.Mirror(t.Context(), "spring"); err != nil || got != c.want {
						t.Errorf("paused %v, %v; want %v", got, err, c.want)
					}
				})
			}
			wg.Wait()
			open, err := b.ledger.Campaign(t.Context(), "spring")
			if err != nil || open.Paused != c.want {
				t.Errorf("the ledger has paused %v, %v; want %v", open.Paused, err, c.want)
			}
			want := int64(0)
			if c.want {
				want = 2
			}
			if n := b.rdb.Exists(t.Context(), asynqkeys.Paused(first), asynqkeys.Paused(again)).Val(); n != want {
				t.Errorf("%d queues are paused, want %d", n, want)
			}
		})
	}
}

// TestMirrorLate lets a worker that read the marks a while ago carry over a resumption, when somebody has paused again.
func TestMirrorLate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := NewPauses(b.rdb)
	ctx := t.Context()
	b.rdb.Set(ctx, asynqkeys.Paused("spring"), 100, 0)
	seen, err := p.read(ctx, "spring")
	if err != nil {
		t.Fatal(err)
	}
	b.rdb.Set(ctx, asynqkeys.Paused("spring"), 200, 0)
	if err := p.carry(ctx, "spring", seen, false); err != nil {
		t.Fatal(err)
	}
	if paused, err := p.Paused(ctx, "spring"); err != nil || !paused {
		t.Errorf("paused %v, %v: the newer pause is gone", paused, err)
	}
}

// TestHostedRedis reads pauses and loads as a user who may not do what hosted Redis forbids, and with an id whose task is
// gone.
func TestHostedRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	root := server.Client(t)
	if err := root.Do(t.Context(), "ACL", "SETUSER", "hosted", "on", ">pass", "~*", "&*", "+@all",
		"-memory", "-config", "-debug", "-keys").Err(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "hosted", Password: "pass"})
	t.Cleanup(func() { _ = rdb.Close() }) // nothing to lose
	b := &bundle{rdb: rdb, ledger: ledger.New(rdb), producer: NewProducer(rdb), rules: campaign.Default("spring")}
	b.rules.CallingHours = campaign.Hours{Always: true}
	if err := b.ledger.Create(t.Context(), b.rules, false); err != nil {
		t.Fatal(err)
	}
	b.add(t, 3)
	rdb.ZAdd(t.Context(), asynqkeys.Scheduled("spring"), redis.Z{Score: 2_000_000_000, Member: "spring:gone:1"})
	rdb.LPush(t.Context(), asynqkeys.Pending("spring"), "spring:gone:2")
	p := NewPauses(rdb)
	for _, want := range []bool{true, false} {
		change := p.Resume
		if want {
			change = p.Pause
		}
		if err := change(t.Context(), "spring"); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Mirror(t.Context(), "spring"); err != nil || got != want {
			t.Errorf("paused %v, %v; want %v", got, err, want)
		}
	}
	l, err := ReadLoad(t.Context(), rdb, "spring")
	if want := (Load{Pending: 4, Scheduled: 1, Next: time.Unix(2_000_000_000, 0)}); err != nil || l != want {
		t.Errorf("load %+v, %v; want %+v", l, err, want)
	}
	if n, err := Cancel(t.Context(), rdb, "spring"); err != nil || n != 3 {
		t.Errorf("cancelled %d, %v", n, err)
	}
	if n, err := Delete(t.Context(), rdb, "spring"); err != nil || n != 3 {
		t.Errorf("deleted %d, %v", n, err)
	}
}
