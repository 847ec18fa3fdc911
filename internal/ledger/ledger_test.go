package ledger

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// wire is told of each command that a client has sent, outside of pipelines. It is for one goroutine.
type wire struct{ after func(redis.Cmder, error) }

func (w *wire) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w *wire) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		w.after(cmd, err)
		return err
	}
}

func (w *wire) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestCreate(t *testing.T) {
	t.Parallel()
	b := newBench(t) // creates it
	rules := campaign.Default(camp)
	b.create(rules, false)
	b.create(rules, true)
	created, err := b.Campaign(b.ctx(), camp)
	if err != nil || created.Cancelled || created.CreatedAt.IsZero() || created.Counts.Open() || len(created.Rules.Diff(rules)) != 0 {
		t.Fatalf("campaign %+v, %v", created, err)
	}
	changed := rules
	changed.Retry.MaxAttempts = 7
	changed.Ends = time.Now().Add(time.Hour)
	for range 2 {
		var differs *RulesDifferError
		if err := b.Create(b.ctx(), changed, false); !errors.As(err, &differs) {
			t.Fatalf("create with other rules: %v, want RulesDifferError", err)
		}
		fields := make([]string, 0, 2)
		for _, c := range differs.Changes {
			fields = append(fields, c.Field)
		}
		if want := []string{"retry.max_attempts", "ends"}; differs.Name != camp || !slices.Equal(fields, want) {
			t.Fatalf("differs in %v, want %v", fields, want)
		}
		if c, err := b.Campaign(b.ctx(), camp); err != nil || len(c.Rules.Diff(rules)) != 0 {
			t.Fatalf("the rules were changed: %+v, %v", c.Rules, err)
		}
	}
	b.one()
	b.create(changed, true)
	b.create(changed, true)
	c, err := b.Campaign(b.ctx(), camp)
	if err != nil || len(c.Rules.Diff(changed)) != 0 || c.Counts.Total != 1 || !c.CreatedAt.Equal(created.CreatedAt) {
		t.Fatalf("updated campaign %+v, %v", c, err)
	}
	if err := b.Cancel(b.ctx(), camp); err != nil {
		t.Fatal(err)
	}
	for _, update := range []bool{false, true} {
		if err := b.Create(b.ctx(), changed, update); !errors.Is(err, ErrCancelled) {
			t.Fatalf("create of a cancelled one: %v, want ErrCancelled", err)
		}
	}
	b.check()
}

func TestCampaigns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.Campaign(b.ctx(), "nothing"); !errors.Is(err, ErrNoCampaign) {
		t.Fatalf("campaign: %v, want ErrNoCampaign", err)
	}
	if err := b.Cancel(b.ctx(), "nothing"); !errors.Is(err, ErrNoCampaign) {
		t.Fatalf("cancel: %v, want ErrNoCampaign", err)
	}
	first, err := b.Campaign(b.ctx(), camp)
	if err != nil {
		t.Fatal(err)
	}
	// The list is in order of creation, which is kept in ms.
	for now := first.CreatedAt; !now.After(first.CreatedAt.Add(2 * time.Millisecond)); {
		if now, err = b.rdb.Time(b.ctx()).Result(); err != nil {
			t.Fatal(err)
		}
	}
	b.create(campaign.Default("archive"), false)
	list, err := b.Campaigns(b.ctx())
	if err != nil || len(list) != 2 || list[0].Rules.Name != camp || list[1].Rules.Name != "archive" {
		t.Fatalf("campaigns %+v, %v; want %s, archive", list, err, camp)
	}
	if err := b.Cancel(b.ctx(), "archive"); err != nil {
		t.Fatal(err)
	}
	if list, err = b.Campaigns(b.ctx()); err != nil || list[0].Cancelled || !list[1].Cancelled {
		t.Fatalf("campaigns %+v, %v; want the second cancelled", list, err)
	}
}

func TestIDKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	keys := make([][]byte, 8)
	errs := make(chan error, len(keys))
	for i := range keys {
		l := New(server.Client(t))
		go func() {
			var err error
			keys[i], err = l.IDKey(t.Context())
			errs <- err
		}()
	}
	for range keys {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	again, err := New(server.Client(t)).IDKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if len(key) != 32 || string(key) != string(again) {
			t.Fatalf("keys differ: %x and %x", key, again)
		}
	}
	other, err := New(redistest.Start(t).Client(t)).IDKey(t.Context())
	if err != nil || string(other) == string(again) {
		t.Fatalf("another installation has the same key, %v", err)
	}
}

func TestRedisAwayIsAnErrorOfEachMethod(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	l := New(rdb)
	server.Kill()
	ctx, ref := t.Context(), campaign.Ref{Campaign: camp, Contact: "a", Token: "t1"}
	for name, f := range map[string]func() error{
		"create":    func() error { return l.Create(ctx, campaign.Default(camp), false) },
		"campaign":  func() error { _, err := l.Campaign(ctx, camp); return err },
		"campaigns": func() error { _, err := l.Campaigns(ctx); return err },
		"cancel":    func() error { return l.Cancel(ctx, camp) },
		"sweep":     func() error { _, err := l.CancelWaiting(ctx, camp); return err },
		"id key":    func() error { _, err := l.IDKey(ctx); return err },
		"add":       func() error { _, err := l.Add(ctx, camp, nil, []Entry{person("a", 2, "+14155550101")}); return err },
		"check":     func() error { _, err := l.Check(ctx, camp, nil, []Entry{person("a", 2, "+14155550101")}); return err },
		"header":    func() error { _, err := l.AddHeader(ctx, camp, []string{"a"}); return err },
		"headers":   func() error { _, err := l.Headers(ctx, camp); return err },
		"contact":   func() error { _, err := l.Contact(ctx, camp, "a"); return err },
		"look":      func() error { _, _, err := l.Look(ctx, camp, "a"); return err },
		"each":      func() error { return l.Each(ctx, camp, func(Record) error { return nil }) },
		"claim":     func() error { _, err := l.Claim(ctx, claimOf(ref, 1)); return err },
		"placed":    func() error { _, err := l.Placed(ctx, ref, "s-1"); return err },
		"void":      func() error { _, err := l.Void(ctx, ref); return err },
		"release":   func() error { _, err := l.Release(ctx, ref, ""); return err },
		"seen":      func() error { return l.Seen(ctx, ref, campaign.Seen{}) },
		"settle":    func() error { _, err := l.Settle(ctx, ref, talked); return err },
		"hold":      func() error { return l.Hold(ctx, camp, "a", campaign.Paused) },
		"end":       func() error { _, err := l.End(ctx, camp, "a", 1, campaign.Expired); return err },
		"resolve":   func() error { return l.Resolve(ctx, camp, "a", Resolution{}) },
		"events":    func() error { _, err := l.Events(ctx, camp, "", 1); return err },
		"dnc add":   func() error { _, err := l.DNCAdd(ctx, "+14155550101"); return err },
		"dnc has":   func() error { _, err := l.DNCHas(ctx, "+14155550101"); return err },
		"dnc each":  func() error { return l.DNCEach(ctx, func(DNCEntry) error { return nil }) },
		"dnc less":  func() error { _, err := l.DNCRemove(ctx, "+14155550101"); return err },
	} {
		err := f()
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) || errors.Is(err, ErrNoCampaign) || errors.Is(err, ErrNoContact) ||
			errors.Is(err, ErrCancelled) {
			t.Errorf("%s without Redis: %v, want Redis's error", name, err)
		}
	}
}
