// Package reconcile compares the ledger with Asynq's queues and the lines, and repairs by rule what a crash, a lost reply, a
// bug or a click has left apart: a contact that waits without a task would never be called, one that is live without a line
// would never end. It also finishes cancellations and deletions that were interrupted, and tidies up after campaigns that
// are over.
//
// A repair is made of what was seen twice, and nothing that is done can dial twice, since only the ledger lets an attempt be
// claimed. walk.go says which contacts are looked at, evidence.go reads what is known of them, judge.go decides, repair.go
// carries it out, tidy.go looks after whole campaigns.
package reconcile

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Tasks is what Asynq's side can do. Everything may be repeated.
type Tasks interface {
	// Queues are a campaign's queues.
	Queues(campaign string) []string
	// Task names the task of a contact's round.
	Task(campaign, contact string, round int) (queue, id string)
	// Servers says which queues are listened to, and lists the tasks that are worked on, by queue and id.
	Servers(ctx context.Context) (served func(queue string) bool, working map[string]map[string]bool, err error)

	// Follow enqueues the round in which a contact is, if it waits for one.
	Follow(ctx context.Context, campaign, contact string) error
	// Enqueue enqueues a task for a contact's round under an id.
	Enqueue(ctx context.Context, campaign, contact string, round int, id string) error
	// Run puts an archived task back among those that may be taken.
	Run(ctx context.Context, queue, id string) error
	// Remove deletes a task that is not active.
	Remove(ctx context.Context, queue, id string) error

	// Clear deletes a campaign's tasks that are not being processed.
	Clear(ctx context.Context, campaign string) error
	// FinishDelete deletes a campaign whose deletion has begun.
	FinishDelete(ctx context.Context, campaign string, which ledger.Incarnation) error
	// EraseQueues deletes the queues of a campaign that was deleted.
	EraseQueues(ctx context.Context, campaign string) error
}

// Settler ends attempts by the rules of their campaigns. The first settlement stands.
type Settler interface {
	Settle(ctx context.Context, ref campaign.Ref, v campaign.Verdict, seen campaign.Seen) (campaign.Attempt, error)
}

// Config is what a Reconciler works on.
type Config struct {
	Redis   redis.UniversalClient // stays the caller's to close
	Ledger  *ledger.Ledger
	Tasks   Tasks
	Settler Settler
	Held    func(context.Context) ([]campaign.Ref, error) // the attempts that lines are occupied or blocked by
	Log     zerolog.Logger
	Timing  Timing
}

// Timing is when the reconciler looks and how long it waits before it repairs. Zero values get the defaults that are named.
type Timing struct {
	Every     time.Duration // from one round to the next; 10 s
	Confirm   time.Duration // at least this long between two sights of what is to be repaired; half of Every
	Orphaned  time.Duration // how long a task must be without a worker; 3 min, longer than Asynq's own recovery takes
	Untracked time.Duration // how long after its send-by a call without a line is given up; 2 min
	Abandoned time.Duration // how long a deletion may take before it counts as interrupted; 1 min
	Page      int           // contacts that are looked at together; 500
}

func (t Timing) withDefaults() Timing {
	if t.Every == 0 {
		t.Every = 10 * time.Second
	}
	if t.Confirm == 0 {
		t.Confirm = t.Every / 2
	}
	if t.Orphaned == 0 {
		t.Orphaned = 3 * time.Minute
	}
	if t.Untracked == 0 {
		t.Untracked = 2 * time.Minute
	}
	if t.Abandoned == 0 {
		t.Abandoned = time.Minute
	}
	if t.Page == 0 {
		t.Page = 500
	}
	return t
}

const (
	leaseTime   = time.Minute     // of the right to reconcile
	renewAfter  = leaseTime / 4   // of work since it was renewed
	giveTimeout = 2 * time.Second // for giving it back
	maxErrors   = 10              // repairs that may fail before a round gives up
)

// Repairs counts what one round did, by rule.
type Repairs struct {
	Missing   int // a waiting contact's round had no task: enqueued
	Archived  int // it was in Asynq's archive: run again
	Completed int // it had ended without the round: deleted and enqueued anew
	Orphaned  int // no worker had the active task, and Asynq did not recover it: another one enqueued beside it
	Untracked int // no line had the call: unconfirmed
	Dangling  int // an id in a queue whose task is gone: removed

	Surplus int // no repair: tasks beyond those of waiting and live contacts; the handler ends them
	Uneven  int // no repair: campaigns whose counts do not add up
}

// Total is how many repairs there were.
func (r Repairs) Total() int {
	return r.Missing + r.Archived + r.Completed + r.Orphaned + r.Untracked + r.Dangling
}

// ErrElsewhere is returned by Reconcile while another process has the right to reconcile.
var ErrElsewhere = errors.New("another process reconciles")

// Reconciler is one process's. One process reconciles at a time. A round compares counts, walks a page further through some
// of the open campaigns, and looks again at what it suspects; only where the counts disagree twice does it walk faster.
// Campaigns that are over cost nothing.
type Reconciler struct {
	Config
	token string // of this process

	mu       sync.Mutex // one round at a time; guards what follows
	leased   time.Time  // when the right to reconcile was last renewed, by this process's clock
	walks    map[string]*walk
	turn     int // which campaign comes first
	reopened int // from where in the list of all campaigns to go on looking for ones that belong to the open

	deletions deletions
}

// New returns a reconciler.
func New(cfg Config) *Reconciler {
	cfg.Timing = cfg.Timing.withDefaults()
	r := &Reconciler{Config: cfg, token: rand.Text()}
	r.forget()
	r.deletions.tries = map[string]try{}
	return r
}

// Run reconciles until ctx ends.
func (r *Reconciler) Run(ctx context.Context) {
	defer r.deletions.Wait()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveTimeout)
		defer cancel()
		if err := r.Ledger.GiveSweep(ctx, r.token); err != nil {
			r.Log.Debug().Err(err).Msg("right to reconcile not given back: it lapses by itself")
		}
	}()
	tick := time.NewTicker(r.Timing.Every)
	defer tick.Stop()
	started, failing := false, false
	for {
		err := error(nil)
		if !started {
			// Whoever has the right to reconcile: a campaign that is not in the list of open ones is not served.
			err = r.Ledger.ReopenAll(ctx)
			started = err == nil
		}
		if started {
			_, err = r.now(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || errors.Is(err, ErrElsewhere):
			failing = false
		case !failing:
			failing = true
			r.Log.Error().Err(err).Msg("ledger and queues not compared to the end; trying on")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// now is Reconcile by Redis's clock, of which send-by is an instant.
func (r *Reconciler) now(ctx context.Context) (Repairs, error) {
	now, err := r.Redis.Time(ctx).Result()
	if err != nil {
		return Repairs{}, err //nolint:wrapcheck // Run says what
	}
	return r.Reconcile(ctx, now)
}

// round is one round.
type round struct {
	now      time.Time
	repairs  Repairs
	contacts int // that may still be walked past
	hurried  int // the same, in a hurry
	errs     []error

	served  func(queue string) bool    // an Asynq server listens to it
	working map[string]map[string]bool // active tasks that a worker has, by queue and id
	lapsed  map[taskRef]bool           // active tasks whose lease has lapsed, and that Asynq recovers as soon as a server listens
	held    map[string]campaign.Ref    // attempts that lines have, by token
	lines   map[string][]string        // their contacts, by campaign
}

// Reconcile compares and repairs once; now is an instant of Redis's clock. ErrElsewhere: another process does. After any
// other error, what was repaired is repaired, and the next round goes on.
func (r *Reconciler) Reconcile(ctx context.Context, now time.Time) (Repairs, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lease(ctx); err != nil {
		return Repairs{}, err
	}
	if err := r.reopen(ctx); err != nil {
		return Repairs{}, err
	}
	open, err := r.Ledger.OpenCampaigns(ctx)
	if err != nil {
		return Repairs{}, err
	}
	rd := &round{
		now: now, contacts: walkContacts, hurried: hurriedContacts,
		lapsed: map[taskRef]bool{}, held: map[string]campaign.Ref{}, lines: map[string][]string{},
	}
	if len(open) > 0 {
		if err := r.survey(ctx, rd); err != nil {
			return Repairs{}, err
		}
	}
	r.forgetBut(open)
	for _, c := range r.chosen(open) {
		if err := r.campaign(ctx, rd, c); err != nil {
			return rd.repairs, errors.Join(append(rd.errs, err)...)
		}
	}
	if _, err := r.Ledger.DNCEnd(ctx); err != nil {
		rd.errs = append(rd.errs, err)
	}
	if err := r.tidyUp(ctx, rd); err != nil {
		rd.errs = append(rd.errs, err)
	}
	return rd.repairs, errors.Join(rd.errs...)
}

// lease takes or renews the right to reconcile. What was seen before others had it is no evidence any more.
func (r *Reconciler) lease(ctx context.Context) error {
	lease, err := r.Ledger.TakeSweep(ctx, r.token, leaseTime)
	if err != nil {
		return err
	}
	r.leased = time.Now()
	if lease != ledger.SweepKept {
		r.forget()
	}
	if lease == ledger.SweepOther {
		return ErrElsewhere
	}
	return nil
}

// keep renews the right in the middle of a round.
func (r *Reconciler) keep(ctx context.Context) error {
	if time.Since(r.leased) < renewAfter {
		return nil
	}
	lease, err := r.Ledger.TakeSweep(ctx, r.token, leaseTime)
	r.leased = time.Now()
	if err == nil && lease != ledger.SweepKept {
		r.forget()
		err = ErrElsewhere
	}
	return err
}

func (r *Reconciler) forget() {
	r.walks = map[string]*walk{}
}
