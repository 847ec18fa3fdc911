package tasks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/dial"
)

// phones are the lines of a worker, and the rounds that occupy them until end is called.
type phones struct {
	mu    sync.Mutex
	idle  map[string]int // by team
	freed chan struct{}
	began []dial.Round
	ends  map[dial.Round]chan dial.Result
	auto  dial.Result // what ends a round at once; nil: end does
	most  int         // rounds at once
	team  func(campaign string) string
}

func newPhones(idle map[string]int) *phones {
	return &phones{
		idle: idle, freed: make(chan struct{}), ends: map[dial.Round]chan dial.Result{},
		team: func(string) string { return campaign.Default("x").Team },
	}
}

func (p *phones) Free(team string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle[team]
}

func (p *phones) Freed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.freed
}

func (p *phones) Calling() []string { return nil }

func (p *phones) CancelRinging(map[string]bool) {}

func (p *phones) add(team string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle[team] += n
	if n > 0 {
		close(p.freed)
		p.freed = make(chan struct{})
	}
}

// Round occupies a line until the round is ended.
func (p *phones) Round(ctx context.Context, r dial.Round) dial.Result {
	team := p.team(r.Campaign)
	p.add(team, -1)
	if kept, ok := ctx.Value(promiseKey{}).(func()); ok {
		kept()
	}
	defer p.add(team, 1)
	p.mu.Lock()
	p.began = append(p.began, r)
	end := make(chan dial.Result, 1)
	p.ends[r] = end
	p.most = max(p.most, len(p.ends))
	auto := p.auto
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.ends, r)
	}()
	if auto != nil {
		return auto
	}
	select {
	case result := <-end:
		return result
	case <-ctx.Done():
		return dial.PutOff{After: time.Second, Reason: "stop"}
	}
}

func (p *phones) rounds() []dial.Round {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.began)
}

func (p *phones) inHand() []dial.Round {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.ends))
}

func (p *phones) end(r dial.Round, result dial.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if end := p.ends[r]; end != nil {
		end <- result
	}
}

// count counts the commands that are sent through a client, and how many of them ask which campaigns are due.
type count struct{ all, due atomic.Int64 }

func (c *count) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *count) one(cmd redis.Cmder) {
	c.all.Add(1)
	if s := fmt.Sprint(cmd.Args()...); strings.Contains(s, "ringqueue:{ledger}:due") && strings.HasPrefix(s, "eval") && strings.Contains(s, fmt.Sprint(maxDue)) {
		c.due.Add(1)
	}
}

func (c *count) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.one(cmd)
		return next(ctx, cmd)
	}
}

func (c *count) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			c.one(cmd)
		}
		return next(ctx, cmds)
	}
}

const tick = 20 * time.Millisecond // between two looks at what is due

func (b *bundle) serve(t *testing.T, p *phones) {
	t.Helper()
	srv := NewServer(ServerConfig{
		Redis: b.rdb, Ledger: b.ledger, Lines: p, Size: 20, Rounds: p, Log: zerolog.New(zerolog.NewTestWriter(t)), Every: tick,
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { srv.Run(ctx) })
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

func (b *bundle) campaign(t *testing.T, name, team string, priority, n int) {
	t.Helper()
	rules := b.rules
	rules.Name, rules.Team, rules.Priority = name, team, priority
	if err := b.ledger.Create(t.Context(), rules, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.producer.Import(t.Context(), rules, contacts(n), nil); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("within 30 s it has not come about that %s", what)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

// TestTakesOnlyWhatALineIsFreeFor: of twenty campaigns of a team of which few lines are free, as many tasks are in hand.
func TestTakesOnlyWhatALineIsFreeFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 20 {
		b.campaign(t, fmt.Sprintf("c%d", i), "sales", 1, 5)
	}
	b.campaign(t, "others", "support", 1, 5)
	p := newPhones(map[string]int{"sales": 3})
	p.team = func(string) string { return "sales" }
	b.serve(t, p)
	until(t, "each line has a task", func() bool { return len(p.inHand()) == 3 })
	for range 40 { // one after the other, each line gets the next one
		before := len(p.rounds())
		p.end(p.inHand()[0], dial.Over{Text: "answered"})
		until(t, "the line has the next task", func() bool { return len(p.rounds()) > before && len(p.inHand()) == 3 })
	}
	if p.most > 3 {
		t.Errorf("%d tasks were in hand at once, for 3 lines", p.most)
	}
	for _, r := range p.rounds() {
		if r.Campaign == "others" {
			t.Error("a task of a team without a line was taken")
		}
	}
	p.add("sales", 2)
	until(t, "two more lines have tasks", func() bool { return len(p.inHand()) == 5 })
}

func TestCampaignsShareByWeight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.campaign(t, "heavy", "default", 3, 100)
	b.campaign(t, "light", "default", 1, 100)
	p := newPhones(map[string]int{"default": 1})
	p.auto = dial.Over{Text: "answered"}
	b.serve(t, p)
	until(t, "80 tasks were taken", func() bool { return len(p.rounds()) >= 80 })
	n := map[string]int{}
	for _, r := range p.rounds()[:80] {
		n[r.Campaign]++
	}
	if n["heavy"] < 58 || n["heavy"] > 62 {
		t.Errorf("of 80 tasks each had %v, want 60 and 20", n)
	}
}

// TestOrder: later rounds go before first calls, and what was put off before what has not been looked at.
func TestOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 30)
	b.settle(t, "c29", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	// Due now, in the queue of later rounds.
	task, opts, err := NewCallTask("spring", "c29", 2, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.producer.client.EnqueueContext(t.Context(), task, opts...); err != nil {
		t.Fatal(err)
	}
	p := newPhones(map[string]int{"default": 1})
	b.serve(t, p)
	until(t, "the first task is in hand", func() bool { return len(p.inHand()) == 1 })
	if r := p.rounds()[0]; r.Contact != "c29" || r.N != 2 {
		t.Errorf("first came %+v, want the later round", r)
	}
	p.end(p.rounds()[0], dial.Over{Text: "answered"})
	until(t, "the next one is in hand", func() bool { return len(p.rounds()) == 2 })
	p.end(p.rounds()[1], dial.PutOff{After: time.Second, Reason: "no line"})
	// It is due again in a second; those behind it go on until then, and then it goes first.
	seen := 2
	until(t, "it came again", func() bool {
		list := p.rounds()
		if len(list) > seen {
			seen = len(list)
			if list[seen-1] == list[1] {
				return true
			}
			if seen > 28 {
				t.Fatal("it came after all others")
			}
			time.AfterFunc(100*time.Millisecond, func() { p.end(list[seen-1], dial.Over{Text: "answered"}) })
		}
		return false
	})
}

// TestHalfPaused: a campaign of which one queue is paused in Asynq's monitor is paused, and costs next to nothing.
func TestHalfPaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 10)
	if err := b.inspector.PauseQueue("spring"); err != nil {
		t.Fatal(err)
	}
	c := &count{}
	b.rdb.AddHook(c)
	p := newPhones(map[string]int{"default": 2})
	p.auto = dial.Over{}
	b.serve(t, p)
	until(t, "both queues are paused", func() bool { return b.rdb.Exists(t.Context(), asynqkeys.Paused("spring.again")).Val() == 1 })
	began, looks := c.all.Load(), c.due.Load()
	until(t, "it was looked at 50 times which campaigns are due", func() bool { return c.due.Load() > looks+50 })
	if n := c.all.Load() - began; n > 200 {
		t.Errorf("%d commands for 50 looks at a campaign that is paused", n)
	}
	if n := len(p.rounds()); n > 0 {
		t.Errorf("%d tasks of a paused campaign were taken", n)
	}
	if err := b.inspector.UnpauseQueue("spring"); err != nil { // the other one too, then
		t.Fatal(err)
	}
	until(t, "it goes on", func() bool { return len(p.rounds()) == 10 })
}

// TestKeptPromiseFreesTheNext: while a handler asks for its line, another line comes free. Its task is taken as soon as the
// handler has what it asked for, not at the next look.
func TestKeptPromiseFreesTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 1)
	p := &asked{phones: newPhones(map[string]int{"default": 1})}
	f := newFeed(b.rdb, b.ledger, NewPauses(b.rdb), p, zerolog.Nop(), time.Hour)
	f.promise("spring", "default")
	taken := make(chan bool, 1)
	go func() { taken <- f.next(t.Context(), func(string) (bool, error) { return true, nil }) }()
	until(t, "the feed knows the free line, which is promised", func() bool { return p.times.Load() > 0 })
	f.arrive("spring")()
	until(t, "the next task is taken", func() bool { return len(taken) > 0 })
}

// asked counts how often it was asked for free lines.
type asked struct {
	*phones
	times atomic.Int64
}

func (a *asked) Free(team string) int {
	defer a.times.Add(1)
	return a.phones.Free(team)
}

// TestQuietCampaignsCostNothing: of two hundred campaigns with nothing due, nothing is read.
func TestQuietCampaignsCostNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules.CallingHours = campaign.Hours{} // never open
	for i := range 200 {
		b.campaign(t, fmt.Sprintf("q%d", i), "default", 1, 1)
	}
	c := &count{}
	b.rdb.AddHook(c)
	p := newPhones(map[string]int{"default": 2})
	p.auto = dial.PutOff{After: time.Hour, Reason: "outside calling hours"}
	b.serve(t, p)
	until(t, "all were found to have nothing due", func() bool {
		due, err := b.ledger.Due(t.Context(), maxDue)
		return err == nil && len(due) == 0
	})
	began, looks := c.all.Load(), c.due.Load()
	until(t, "it was looked at 50 times which campaigns are due", func() bool { return c.due.Load() > looks+50 })
	if n := c.all.Load() - began; n > 100 {
		t.Errorf("%d commands for 50 looks, with nothing due", n)
	}
}

// TestServesOn: Redis forgets its scripts, a task's server is gone, a task's hash is gone: whatever is left is handled.
func TestServesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 8)
	ctx := t.Context()
	// The worker that had this one is gone.
	if err := b.rdb.LRem(ctx, asynqkeys.Pending("spring"), 1, "spring:c0:1").Err(); err != nil {
		t.Fatal(err)
	}
	b.rdb.LPush(ctx, asynqkeys.Active("spring"), "spring:c0:1")
	b.rdb.HSet(ctx, asynqkeys.Task("spring", "spring:c0:1"), "state", "active")
	b.rdb.ZAdd(ctx, asynqkeys.Lease("spring"), redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: "spring:c0:1"})
	// Of these the hash is gone.
	b.rdb.Del(ctx, asynqkeys.Task("spring", "spring:c1:1"))
	b.rdb.ZAdd(ctx, asynqkeys.Retry("spring"), redis.Z{Score: 1, Member: "spring:gone:1"})
	p := newPhones(map[string]int{"default": 1})
	b.serve(t, p)
	until(t, "a task is in hand", func() bool { return len(p.inHand()) == 1 })
	for range 3 {
		if err := b.rdb.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		before := len(p.rounds())
		p.end(p.inHand()[0], dial.Over{Text: "answered"})
		until(t, "the next task is in hand", func() bool { return len(p.rounds()) > before })
	}
	p.mu.Lock()
	p.auto = dial.Over{Text: "answered"}
	p.mu.Unlock()
	p.end(p.inHand()[0], dial.Over{Text: "answered"})
	until(t, "all were handled", func() bool {
		contacts := map[string]bool{}
		for _, r := range p.rounds() {
			contacts[r.Contact] = true
		}
		return len(contacts) == 7 // all but the one whose task is gone, which the sweeper brings back
	})
}

// recorder notes what a server asks of the held queue.
type recorder struct {
	*held
	mu    sync.Mutex
	asked map[string]bool
}

func (r *recorder) note(name string, keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range keys {
		if strings.Contains(k, "{"+heldQueue+"}") {
			r.asked[fmt.Sprintf("%s %d/%d %s", name, i+1, len(keys), strings.SplitN(k, "}", 2)[1])] = true
		}
	}
}

func (r *recorder) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	r.note("script", keys)
	return r.held.EvalSha(ctx, sha, keys, args...)
}

func (r *recorder) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	r.note("script", keys)
	return r.held.Eval(ctx, source, keys, args...)
}

func (r *recorder) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	r.note("ZADD XX", []string{key})
	return r.held.ZAddXX(ctx, key, members...)
}

// TestAsynqAsksWhatIsKnown fails when a new release of Asynq asks for something else of its queues.
func TestAsynqAsksWhatIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 3)
	p := newPhones(map[string]int{"default": 1})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := NewServer(ServerConfig{Redis: b.rdb, Ledger: b.ledger, Lines: p, Size: 1, Rounds: p, Every: tick, Skew: func() time.Duration { return 70 * time.Second }})
	r := &recorder{held: &held{UniversalClient: b.rdb, stop: ctx, feed: s.feed, open: s.open, skew: s.skew}, asked: map[string]bool{}}
	srv := asynq.NewServerFromRedisClient(r, asynq.Config{
		Concurrency: 2, Queues: map[string]int{heldQueue: 1}, DelayedTaskCheckInterval: 50 * time.Millisecond,
		JanitorInterval: 50 * time.Millisecond, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(TypeCall, s.serve(ctx))
	if err := srv.Start(mux); err != nil {
		t.Fatal(err)
	}
	until(t, "a task is in hand", func() bool { return len(p.inHand()) == 1 })
	// Its lease, which a clock 70 s ahead has written, is one on Redis's clock.
	lease := func() time.Duration {
		z := b.rdb.ZRangeWithScores(ctx, asynqkeys.Lease("spring"), 0, -1).Val()
		if len(z) != 1 {
			return 0
		}
		return time.Until(time.Unix(int64(z[0].Score), 0))
	}
	if d := lease(); d > 0 { // this machine's clock is Redis's, so what was turned is 70 s too early
		t.Errorf("the lease ends in %s, want it turned by the skew", d)
	}
	want := []string{
		"script 1/1 :aggregation_sets", "script 1/1 :completed", "script 1/1 :lease", "script 1/2 :retry", "script 1/2 :scheduled",
		"script 1/4 :pending", "script 2/2 :pending", "script 2/4 :paused", "script 3/4 :active", "script 4/4 :lease",
	}
	until(t, "the server has asked for everything", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.asked) >= len(want)
	})
	stop()
	srv.Shutdown()
	got := slices.Sorted(maps.Keys(r.asked))
	if !slices.Equal(got, want) {
		t.Errorf("of its queue the server asks\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if keys := b.rdb.Keys(t.Context(), "*"+heldQueue+"*").Val(); len(keys) > 0 {
		t.Errorf("the held queue has keys: %v", keys)
	}
}
