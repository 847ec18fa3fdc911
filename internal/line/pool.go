// Package line is the agents' phones: who has them, what occupies them, and what becomes of the calls on them.
//
// A worker leases the lines it can get. Occupancy is kept in Redis and has no end of its own: a line stays occupied until
// its call was seen to end, is proven never to have been, or the extension's presence says NoCall. Tracking belongs to the
// line's owner and runs on the process's context. A worker that takes over a line finds the attempt in the line's record,
// reads its state in the ledger and goes on from there.
package line

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
)

// Line is one agent's phone.
type Line struct {
	Name      string
	Number    string // E.164: the RingOut's from
	Team      string
	Extension *Extension
}

// Book is where lines look attempts up and record what becomes of them.
type Book interface {
	// Attempt finds the attempt of a token and the rules it was made under; false if no attempt has the token.
	Attempt(ctx context.Context, ref campaign.Ref) (campaign.Rules, campaign.Attempt, bool, error)
	// Void takes a token out of use; true if an attempt has it after all.
	Void(ctx context.Context, ref campaign.Ref) (claimed bool, err error)
	// Undo takes back the claim of an attempt that never took place, and its token out of use; false if it has an id now.
	Undo(ctx context.Context, ref campaign.Ref, reason string) (bool, error)
	// Placed stores RingCentral's id.
	Placed(ctx context.Context, ref campaign.Ref, ringOutID string) (campaign.Attempt, error)
	// Seen records progress.
	Seen(ctx context.Context, ref campaign.Ref, seen campaign.Seen) error
	// Settle ends the attempt, once, and returns it as it was settled first.
	Settle(ctx context.Context, ref campaign.Ref, v campaign.Verdict, seen campaign.Seen) (campaign.Attempt, error)
	// Follow enqueues the contact's next round, where there is one.
	Follow(ctx context.Context, ref campaign.Ref) error
}

// Config is what a pool is made of. Durations without a value get the defaults that are named.
type Config struct {
	Worker        string // this process, unique
	Lines         []Line
	MaxLines      int           // lease at most so many; 0: as many as there are
	Lease         time.Duration // 15 s
	PollInterval  time.Duration // while ringing; 3 s. While people talk: twice that
	CoolDown      time.Duration // after a line's own leg failed; 5 min
	SettleUnknown time.Duration // after send-by, until no request can be on its way any more; 15 s
	RecordSlack   time.Duration // by which the start of a recorded call may be off; 30 s
	LogLag        time.Duration // after a call's end, until RingCentral's call log has it for certain; 45 s
	PresenceEvery time.Duration // between two looks at a blocked line; 15 s, and a third of it between the two that free it
	MaxCoolDown   time.Duration // the longest rest of a line whose phone fails again and again; 1 h
	BlockLimit    time.Duration // for which nobody may know whether a line's call is over before it is free again; 10 min

	// Now is Redis's time, by which calls, claims and blocks are judged. If nil, time.Now.
	Now func() time.Time

	OnWait    func(team string, d time.Duration)    // is told how long Acquire has waited; may be nil
	OnSettled func(team string, a campaign.Attempt) // is told of each attempt that is settled; may be nil
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Lease, 15*time.Second)
	set(&c.PollInterval, 3*time.Second)
	set(&c.CoolDown, 5*time.Minute)
	set(&c.SettleUnknown, 15*time.Second)
	set(&c.RecordSlack, 30*time.Second)
	set(&c.LogLag, 45*time.Second)
	set(&c.PresenceEvery, 15*time.Second)
	set(&c.MaxCoolDown, time.Hour)
	set(&c.BlockLimit, 10*time.Minute)
	// What is still being found out is not given up.
	c.BlockLimit = max(c.BlockLimit, 2*(c.SettleUnknown+c.LogLag+c.PresenceEvery))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// gap is the time between the two looks at presence that free a line.
func (c Config) gap() time.Duration { return c.PresenceEvery / 3 }

// Pool has the lines that this worker leases and gives them to attempts. It is safe for concurrent use.
type Pool struct {
	cfg   Config
	store store
	book  Book
	log   zerolog.Logger

	ctx  context.Context //nolint:containedctx // the process's context: tracking outlives every call into the pool
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	owned map[string]*owned // by number
	teams map[string]*queue
	first chan struct{} // closed after the first round of leasing
	freed chan struct{} // closed, and made anew, when a line becomes free

	trouble   slowly          // of leasing; Run's alone
	calling   map[string]int  // calls that are tracked, by campaign
	cancelled map[string]bool // campaigns whose ringing calls are to be given up
}

// owned is a line while this worker has its lease.
type owned struct {
	Line
	pool   *Pool
	ctx    context.Context //nolint:containedctx // ends with the lease
	cancel context.CancelFunc
	waking bool // guarded by the pool's lock: a look is due when its extension's suspension ends
	paused bool // guarded by the pool's lock: the agent has a break
}

// NewPool returns a pool that leases nothing until Run.
func NewPool(rdb redis.UniversalClient, book Book, log zerolog.Logger, cfg Config) *Pool {
	p := &Pool{
		cfg: cfg.withDefaults(), store: newStore(rdb), book: book, log: log,
		owned: map[string]*owned{}, teams: map[string]*queue{}, first: make(chan struct{}),
		freed: make(chan struct{}), calling: map[string]int{},
	}
	for _, l := range cfg.Lines {
		if p.teams[l.Team] == nil {
			p.teams[l.Team] = newQueue()
		}
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Started is closed when Run has asked for each lease once.
func (p *Pool) Started() <-chan struct{} { return p.first }

func (p *Pool) held() []*owned {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*owned, 0, len(p.owned))
	for _, l := range p.owned {
		list = append(list, l)
	}
	return list
}

// Held lists the lines that this worker has now.
func (p *Pool) Held() []Line {
	held := p.held()
	lines := make([]Line, len(held))
	for i, l := range held {
		lines[i] = l.Line
	}
	return lines
}

// HeldBy counts this worker's lines of a team.
func (p *Pool) HeldBy(team string) int {
	n := 0
	for _, l := range p.held() {
		if l.Team == team {
			n++
		}
	}
	return n
}

// Size counts a team's lines, this worker's or not.
func (p *Pool) Size(team string) int {
	n := 0
	for _, l := range p.cfg.Lines {
		if l.Team == team {
			n++
		}
	}
	return n
}

func (p *Pool) spawn(f func()) {
	p.wg.Go(f)
}

// idleAfter makes the line available once its rest is over.
func (o *owned) idleAfter(rest time.Duration) {
	if sleep(o.ctx, rest) == nil {
		o.idle()
	}
}

// idle makes the line available.
func (o *owned) idle() {
	p := o.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.ctx.Err() != nil || p.owned[o.Number] != o {
		return
	}
	q := p.teams[o.Team]
	q.remove(o)
	q.idle = append(q.idle, o)
	p.match(q)
	p.announce(o)
}

// withdraw makes a line unavailable again.
func (p *Pool) withdraw(o *owned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.teams[o.Team].remove(o)
}

// available says whether an idle line could be given out now; the pool's lock is held. One whose extension is suspended is
// looked at again when that is over.
func (p *Pool) available(o *owned) bool {
	if o.paused {
		return false
	}
	d, _ := o.Extension.suspension()
	if d > 0 {
		p.wake(o, d)
	}
	return d <= 0
}

// Free counts the team's lines that could be given out at this instant: this worker has them, they are idle, their agents
// have no break and their extensions may place calls.
func (p *Pool) Free(team string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.teams[team]
	if q == nil {
		return 0
	}
	n := 0
	for _, o := range q.idle {
		if p.available(o) {
			n++
		}
	}
	return n
}

// Freed returns a channel that is closed when a line of any team next becomes free. Ask for it before Free is asked, so that
// no line is missed.
func (p *Pool) Freed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.freed
}

// announce tells of a line that nobody waited for; the pool's lock is held.
func (p *Pool) announce(o *owned) {
	if slices.Contains(p.teams[o.Team].idle, o) && p.available(o) {
		close(p.freed)
		p.freed = make(chan struct{})
	}
}

// match hands idle lines to waiters; the pool's lock is held.
func (p *Pool) match(q *queue) {
	for i := 0; i < len(q.idle); {
		l := q.idle[i]
		if !p.available(l) {
			i++
			continue
		}
		w := q.next()
		if w == nil {
			return
		}
		q.idle = append(q.idle[:i:i], q.idle[i+1:]...)
		w.ready <- l
	}
}

// wake looks at a team again when a line's extension is no longer suspended; the pool's lock is held.
func (p *Pool) wake(l *owned, after time.Duration) {
	if l.waking {
		return
	}
	l.waking = true
	p.spawn(func() {
		if sleep(l.ctx, after) != nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		l.waking = false
		p.match(p.teams[l.Team])
		p.announce(l)
	})
}

// Request says who wants a line.
type Request struct {
	Team     string
	Campaign string
	Contact  string
	Priority int
	Again    bool
	Patience time.Duration // how long to wait for a line, then ErrNoLine; 0: as long as it takes
}

// Errors of Acquire.
var (
	ErrNoTeam = errors.New("no such team")                          // this worker knows no line of it
	ErrNoLine = errors.New("no line of the team came free in time") // within the request's patience
)

// Acquire waits for a line of the team and occupies it with a fresh token.
func (p *Pool) Acquire(ctx context.Context, r Request) (*Seat, error) {
	q := p.teams[r.Team]
	if q == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoTeam, r.Team)
	}
	began := time.Now()
	waits, cancel := r.wait(ctx)
	defer cancel()
	for {
		l, err := p.await(waits, q, r)
		if err != nil {
			return nil, err
		}
		ref := campaign.Ref{Campaign: r.Campaign, Contact: r.Contact, Token: rand.Text()}
		err = p.store.takeLine(ctx, p.cfg.Worker, l.Number, ref)
		switch {
		case err == nil:
			if p.cfg.OnWait != nil {
				p.cfg.OnWait(r.Team, time.Since(began))
			}
			return &Seat{Ref: ref, line: l}, nil
		case errors.Is(err, errPaused):
			p.rest(l, true)
			l.idle()
		case errors.Is(err, errNotFree):
			// The record knows better than this process: drop the line, the next leasing begins it anew.
			p.drop(l)
		default:
			// Unknown whether it is occupied now. No attempt has the token, so freeing is safe.
			p.spawn(func() { l.vacate(ref.Token) })
			return nil, err
		}
	}
}

// wait limits a context to the request's patience.
func (r Request) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Patience <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, r.Patience, ErrNoLine)
}

func (p *Pool) await(ctx context.Context, q *queue, r Request) (*owned, error) {
	w := &waiter{campaign: r.Campaign, priority: r.Priority, again: r.Again, ready: make(chan *owned, 1)}
	p.mu.Lock()
	q.join(w)
	p.match(q)
	p.mu.Unlock()
	select {
	case l := <-w.ready:
		return l, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	left := q.leave(w)
	p.mu.Unlock()
	if !left {
		(<-w.ready).idle()
	}
	return nil, context.Cause(ctx)
}

// Seat is a line that is occupied for one attempt. Exactly one of Vacate, Track and Confirm ends it.
type Seat struct {
	Ref  campaign.Ref
	line *owned
}

// Line is the line that is occupied.
func (s *Seat) Line() Line { return s.line.Line }

// Settled is to be told of an attempt that was settled without its line's owner.
func (s *Seat) Settled(a campaign.Attempt) { s.line.settled(a) }

func (o *owned) settled(a campaign.Attempt) {
	if f := o.pool.cfg.OnSettled; f != nil {
		f(o.Team, a)
	}
}

// Vacate frees the line for the next contact. The caller has made sure that no attempt has the token, and none ever will.
func (s *Seat) Vacate() {
	s.line.pool.spawn(func() { s.line.vacate(s.Ref.Token) })
}

// Rest frees the line like Vacate, but lets it cool down first.
func (s *Seat) Rest(d time.Duration) {
	s.line.pool.spawn(func() { s.line.release(s.Ref.Token, end{rest: Cooling, d: d}) })
}

// Track hands a placed call to the line's owner. The channel is closed when the attempt is settled, and when this worker
// stops tracking before: it has lost the line, or ends. The ledger says which.
func (s *Seat) Track(rules campaign.Rules, a campaign.Attempt) <-chan struct{} {
	return s.handTo(func(settled chan<- struct{}) {
		s.line.track(call{Attempt: a, ref: s.Ref, rules: rules, settled: settled, held: true})
	})
}

// Confirm hands an attempt to the line's owner of which it is unknown whether a phone rings. The channel is Track's.
func (s *Seat) Confirm(a campaign.Attempt, why string) <-chan struct{} {
	return s.handTo(func(settled chan<- struct{}) {
		s.line.investigate(call{Attempt: a, ref: s.Ref, settled: settled, held: true}, why)
	})
}

func (s *Seat) handTo(owner func(settled chan<- struct{})) <-chan struct{} {
	settled := make(chan struct{})
	s.line.pool.spawn(func() {
		owner(settled)
		select {
		case <-settled:
		default:
			close(settled)
		}
	})
	return settled
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
