package line

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// room is where pools of several workers work: one Redis, one book, one RingCentral.
type room struct {
	t     *testing.T
	rdb   *redis.Client
	cfg   Config
	rules campaign.Rules
	tick  time.Duration // between two looks of a test
	long  time.Duration // after which nothing happens any more
	brief time.Duration // a longest call that a test waits for
	book  *fakeBook
	calls *fakeCalls
	quota *ratelimit.Limiter
}

// inBubble runs a test with the real durations in no time; onRedis runs it on a real server with short ones; onBoth does both.
func inBubble(t *testing.T, f func(r *room)) {
	t.Helper()
	t.Run("bubble", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m := miniredis.NewMiniRedis()
			t.Cleanup(m.Close)
			rdb := redis.NewClient(&redis.Options{
				Addr:   "127.0.0.1:6379", // never dialled
				Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
			})
			t.Cleanup(func() { _ = rdb.Close() })
			r := newRoom(t, rdb)
			r.tick, r.long = 100*time.Millisecond, 12*time.Hour
			r.rules.WrapUp, r.rules.RingLimit, r.brief = 20*time.Second, time.Minute, 4*time.Hour
			r.cfg = Config{}.withDefaults()
			f(r)
		})
	})
}

func onRedis(t *testing.T, f func(r *room)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		r := newRoom(t, redistest.Start(t).Client(t))
		r.tick, r.long = 2*time.Millisecond, 90*time.Second
		r.rules.WrapUp, r.rules.RingLimit, r.brief = 150*time.Millisecond, 100*time.Millisecond, 400*time.Millisecond
		r.cfg = Config{
			Lease: 1500 * time.Millisecond, PollInterval: 25 * time.Millisecond, CoolDown: 300 * time.Millisecond,
			SettleUnknown: 60 * time.Millisecond, PresenceEvery: 20 * time.Millisecond, LogLag: 50 * time.Millisecond,
		}
		f(r)
	})
}

func onBoth(t *testing.T, f func(r *room)) {
	t.Helper()
	t.Parallel()
	inBubble(t, f)
	onRedis(t, f)
}

func newRoom(t *testing.T, rdb *redis.Client) *room {
	const plenty = 10_000
	limits := map[string]ratelimit.Limit{}
	for group := range ratelimit.Defaults() {
		limits[group] = ratelimit.Limit{N: plenty, Window: time.Minute}
	}
	r := &room{t: t, rdb: rdb, rules: campaign.Default("renewals"), quota: ratelimit.New(ratelimit.Config{Redis: rdb, Limits: limits})}
	r.rules.LongestCall = 10 * time.Hour
	r.book = &fakeBook{r: r, now: time.Now, attempts: map[string]*campaign.Attempt{}, void: map[string]bool{}}
	r.calls = &fakeCalls{legs: map[string]campaign.Legs{}, presence: "NoCall"}
	return r
}

func (r *room) extension() *Extension {
	return NewExtension("ext1", r.calls, r.quota, ratelimit.Limit{N: 10_000, Window: time.Minute})
}

// worker is a pool that runs.
type worker struct {
	*Pool
	r    *room
	stop context.CancelFunc
	gone chan struct{}
}

// work starts a worker for lines, alice without any.
func (r *room) work(name string, lines ...Line) *worker {
	r.t.Helper()
	if len(lines) == 0 {
		lines = []Line{alice}
	}
	ext := r.extension()
	cfg := r.cfg
	cfg.Worker = name
	for _, l := range lines {
		if l.Extension == nil {
			l.Extension = ext
		}
		cfg.Lines = append(cfg.Lines, l)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	w := &worker{Pool: NewPool(r.rdb, r.book, zerolog.Nop(), cfg), r: r, stop: cancel, gone: make(chan struct{})}
	go func() {
		defer close(w.gone)
		w.Run(ctx)
	}()
	r.t.Cleanup(w.end)
	<-w.Started()
	return w
}

// end stops the worker as a deploy does, and returns when its lines are handed over.
func (w *worker) end() {
	w.stop()
	<-w.gone
}

func (w *worker) acquire(contact string) *Seat {
	w.r.t.Helper()
	ctx, cancel := context.WithTimeout(w.r.t.Context(), w.r.long)
	defer cancel()
	seat, err := w.Acquire(ctx, Request{Team: "sales", Campaign: "renewals", Contact: contact, Priority: 1})
	if err != nil {
		w.r.t.Fatalf("acquire: %v", err)
	}
	return seat
}

// call acquires a line and places a call on it.
func (w *worker) call(contact, id string) (*Seat, <-chan struct{}) {
	w.r.t.Helper()
	seat := w.acquire(contact)
	w.r.calls.say(id, campaign.Legs{Call: "InProgress", Caller: "InProgress", Callee: "InProgress"})
	return seat, seat.Track(w.r.rules, w.r.book.claim(seat.Ref, id))
}

// until waits for a condition.
func (r *room) until(what string, cond func() bool) {
	r.t.Helper()
	for end := time.Now().Add(r.long); !cond(); time.Sleep(r.tick) {
		if time.Now().After(end) {
			r.t.Fatalf("never came: %s; lines %+v; events %v", what, r.lines(), r.book.all())
		}
	}
}

func (r *room) closed(what string, ch <-chan struct{}) {
	r.t.Helper()
	select {
	case <-ch:
	case <-time.After(r.long):
		r.t.Fatalf("never closed: %s", what)
	}
}

func (r *room) lines() []Info {
	r.t.Helper()
	list, err := List(r.t.Context(), r.rdb)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func (r *room) state() State {
	r.t.Helper()
	for _, l := range r.lines() {
		if l.Number == alice.Number {
			return l.State
		}
	}
	return "none"
}

func (r *room) wantState(want State) {
	r.t.Helper()
	if got := r.state(); got != want {
		r.t.Fatalf("the line is %q, want %q", got, want)
	}
}

// leave is what a worker that is gone has left in a line's record; its lease has lapsed.
func (r *room) leave(state State, ref campaign.Ref) {
	r.t.Helper()
	if err := r.rdb.HSet(r.t.Context(), keyLine(alice.Number), "name", alice.Name, "team", alice.Team, "owner", "dead",
		"lease", 1, "state", string(state), "token", ref.Token, "campaign", ref.Campaign, "contact", ref.Contact).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// fakeBook keeps attempts by token, as the ledger does: the first settlement stands, a void token is never claimed.
type fakeBook struct {
	r   *room
	now func() time.Time // Redis's

	mu       sync.Mutex
	attempts map[string]*campaign.Attempt
	void     map[string]bool
	events   []string
	onVoid   func() // comes just before a token is made void
}

func (b *fakeBook) event(kind string, ref campaign.Ref) {
	b.events = append(b.events, kind+" "+ref.Contact)
}

func (b *fakeBook) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.events...)
}

func (b *fakeBook) count(event string) int {
	n := 0
	for _, e := range b.all() {
		if e == event {
			n++
		}
	}
	return n
}

// claim registers an attempt on alice's line, with RingCentral's id unless that is empty.
func (b *fakeBook) claim(ref campaign.Ref, id string) campaign.Attempt {
	return b.claimFor(ref, id, alice, toA)
}

func (b *fakeBook) claimFor(ref campaign.Ref, id string, l Line, number string) campaign.Attempt {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.void[ref.Token] || b.attempts[ref.Token] != nil {
		b.r.t.Errorf("token %s of %s was claimed although it is void or claimed", ref.Token, ref.Contact)
	}
	now := b.now()
	a := &campaign.Attempt{N: 1, Round: 1, Token: ref.Token, Line: l.Name, ClaimedAt: now, SendBy: now, RingOutID: id, LineNumber: l.Number, Number: number}
	if id != "" {
		a.PlacedAt = now
	}
	b.attempts[ref.Token] = a
	return *a
}

// tryClaim claims for an hour, unless the token is void.
func (b *fakeBook) tryClaim(ref campaign.Ref) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.void[ref.Token] {
		return false
	}
	now := b.now()
	b.attempts[ref.Token] = &campaign.Attempt{N: 1, Round: 1, Token: ref.Token, ClaimedAt: now, SendBy: now.Add(time.Hour)}
	return true
}

func (b *fakeBook) attempt(ref campaign.Ref) campaign.Attempt {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.attempts[ref.Token]; a != nil {
		return *a
	}
	return campaign.Attempt{}
}

func (b *fakeBook) Attempt(_ context.Context, ref campaign.Ref) (campaign.Rules, campaign.Attempt, bool, error) {
	a := b.attempt(ref)
	return b.r.rules, a, a.N > 0, nil
}

func (b *fakeBook) Void(_ context.Context, ref campaign.Ref) (bool, error) {
	b.mu.Lock()
	before := b.onVoid
	b.onVoid = nil
	b.mu.Unlock()
	if before != nil {
		before()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.attempts[ref.Token] != nil {
		return true, nil
	}
	b.void[ref.Token] = true
	b.event("void", ref)
	return false, nil
}

func (b *fakeBook) Undo(_ context.Context, ref campaign.Ref, _ string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.attempts[ref.Token]; a != nil && a.RingOutID != "" {
		return false, nil
	}
	delete(b.attempts, ref.Token)
	b.void[ref.Token] = true
	b.event("undo", ref)
	return true, nil
}

func (b *fakeBook) Placed(_ context.Context, ref campaign.Ref, id string) (campaign.Attempt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.attempts[ref.Token]
	if a.RingOutID == "" || a.PlacedAt.IsZero() {
		a.RingOutID, a.PlacedAt = id, b.now()
		if a.Outcome == campaign.Unconfirmed {
			a.EndedAt, a.Outcome, a.Detail = time.Time{}, "", ""
		}
		b.event("placed", ref)
	}
	return *a, nil
}

func (b *fakeBook) Seen(_ context.Context, ref campaign.Ref, seen campaign.Seen) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.attempts[ref.Token]; a.EndedAt.IsZero() {
		a.Seen = seen
	}
	return nil
}

func (b *fakeBook) Settle(_ context.Context, ref campaign.Ref, v campaign.Verdict, seen campaign.Seen) (campaign.Attempt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.attempts[ref.Token]
	if a.EndedAt.IsZero() {
		a.EndedAt, a.Outcome, a.Charged, a.LineFault, a.Detail, a.Seen = b.now(), v.Outcome, v.Charged, v.LineFault, v.Detail, seen
		b.event("settled", ref)
	}
	return *a, nil
}

func (b *fakeBook) Follow(_ context.Context, ref campaign.Ref) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.event("follow", ref)
	return nil
}

// fakeCalls is RingCentral: statuses, presence and what it was asked.
type fakeCalls struct {
	mu       sync.Mutex
	legs     map[string]campaign.Legs // a call that is not there is a 404
	presence string                   // "forbidden" is no presence at all
	session  string                   // the telephony session of the call that presence shows
	record   *ringout.Record          // the call log's only one; nil: it has none
	noLog    bool                     // the app may not read the call log
	polls    map[string]int
	cancels  []string
	looks    int
	onCancel func(id string)
	live     []ringout.ActiveCall // what presence lists, where it is not nil
}

func (c *fakeCalls) say(id string, l campaign.Legs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.legs[id] = l
}

func (c *fakeCalls) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.legs, id)
}

func (c *fakeCalls) show(presence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presence, c.looks = presence, 0
}

func (c *fakeCalls) looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks
}

func (c *fakeCalls) polled(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.polls[id]
}

func (c *fakeCalls) cancelled() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.cancels...)
}

func (c *fakeCalls) Login(context.Context) error { return nil }
func (c *fakeCalls) Ready(context.Context) error { return nil }

func (c *fakeCalls) Place(context.Context, ringout.Call) (ringout.RingOut, error) {
	return ringout.RingOut{}, ringout.ErrNotLoggedIn // lines place nothing
}

func (c *fakeCalls) Status(_ context.Context, id string) (ringout.RingOut, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polls == nil {
		c.polls = map[string]int{}
	}
	c.polls[id]++
	l, ok := c.legs[id]
	if !ok {
		return ringout.RingOut{}, ringout.ErrNotFound
	}
	return ringout.RingOut{
		ID: id, Call: ringout.Status(l.Call), Caller: ringout.Status(l.Caller), Callee: ringout.Status(l.Callee),
	}, nil
}

func (c *fakeCalls) Cancel(_ context.Context, id string) error {
	c.mu.Lock()
	c.cancels = append(c.cancels, id)
	then := c.onCancel
	c.mu.Unlock()
	if then != nil {
		then(id)
	}
	return nil
}

func (c *fakeCalls) Presence(context.Context) (ringout.Presence, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	p := ringout.Presence{Telephony: c.presence}
	if c.live != nil {
		p.Calls = c.live
		return p, nil
	}
	switch c.presence {
	case "forbidden":
		return ringout.Presence{}, ringout.ErrForbidden
	case "NoCall":
	default:
		p.Calls = []ringout.ActiveCall{{ID: "1", TelephonyStatus: c.presence}} // whose, it does not say
		if c.session != "" {
			p.Calls[0].TelephonySessionID, p.Calls[0].From, p.Calls[0].To = c.session, alice.Number, toA
		}
	}
	return p, nil
}

func (c *fakeCalls) ActiveCalls(context.Context) (ringout.Records, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noLog {
		return ringout.Records{}, ringout.ErrForbidden
	}
	return ringout.Records{Complete: true}, nil
}

func (c *fakeCalls) CallLog(context.Context, ringout.LogQuery) (ringout.Records, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := ringout.Records{Complete: true}
	if c.record != nil {
		list.Calls = []ringout.Record{*c.record}
	}
	return list, nil
}

// toA is the number of every contact.
const toA = "+14155550101"

// Statuses as polls see them.
var (
	agentUp    = campaign.Legs{Call: "InProgress", Caller: "Success", Callee: "InProgress"}
	talking    = campaign.Legs{Call: "Success", Caller: "Success", Callee: "Success"}
	hungUp     = campaign.Legs{Call: "Success", Caller: "Finished", Callee: "Finished"}
	engaged    = campaign.Legs{Call: "CannotReach", Caller: "Finished", Callee: "Busy"}
	busySticky = campaign.Legs{Call: "CannotReach", Caller: "Success", Callee: "Busy"}
	agentBusy  = campaign.Legs{Call: "CannotReach", Caller: "Busy", Callee: "InProgress"}
)
