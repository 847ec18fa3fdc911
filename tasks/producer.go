package tasks

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redisclock"
)

// Producer puts contacts into campaigns: the row into the ledger first, then the task into Asynq. Everything it does may
// be repeated; what is there already stays as it is. It is safe for concurrent use.
type Producer struct {
	ledger *ledger.Ledger
	rdb    redis.UniversalClient
	client *asynq.Client
	clock  *redisclock.Clock
	now    func() time.Time // Redis's
}

// NewProducer returns a producer on a Redis client, which stays the caller's to close.
func NewProducer(rdb redis.UniversalClient) *Producer {
	p := &Producer{
		ledger: ledger.New(rdb), rdb: rdb, client: asynq.NewClientFromRedisClient(&pipelined{rdb}), clock: redisclock.New(rdb),
	}
	p.now = p.clock.Now
	return p
}

// Tally counts what an import did.
type Tally struct {
	Added      int                     `json:"added"`      // new in the campaign, to be called
	Known      int                     `json:"known"`      // imported before, and as it was
	Duplicates int                     `json:"duplicates"` // another contact has this number
	Suppressed int                     `json:"suppressed"` // on the do-not-call list, or the list itself says not to call
	Held       int                     `json:"held"`       // of those added: not called now, by Reasons
	Rejected   int                     `json:"-"`          // cannot be called; only Intake.Stream counts them
	Reasons    map[campaign.Reason]int `json:"-"`

	OtherNumber int `json:"other_number"` // the contact of this id has another number, and keeps it
	SharedID    int `json:"shared_id"`    // of those added or known: got an id of their own, since others of the list have the same one
	Changed     int `json:"changed"`      // has the list's row now
	Later       int `json:"later"`        // is being called, and changes or ends after that
	Reopened    int `json:"reopened"`     // was done, and is called again
	Closed      int `json:"closed"`       // is done, and stays so, though its row has changed
	Removed     int `json:"removed"`      // in no list any more: not called
}

// Rows is how many contacts of a list were counted.
func (t Tally) Rows() int {
	return t.Added + t.Known + t.Duplicates + t.Suppressed + t.OtherNumber + t.Changed + t.Later + t.Reopened + t.Closed
}

// Contacts is a stream of contacts; Next returns io.EOF at its end. *contactlist.Reader is one once its rejected rows
// are taken out.
type Contacts interface {
	Next() (campaign.Contact, error)
}

// batchSize is how many contacts one ledger script adds. Redis serves nobody else meanwhile (about 5 ms).
const batchSize = 256

// Import adds a stream of contacts to a campaign that has been created, and enqueues their calls in the stream's order. Those
// that are in it already stay as they are. On an error it says how far it got: the Tally counts what is stored; running the
// same import again goes on from there. progress may be nil.
func (p *Producer) Import(ctx context.Context, rules campaign.Rules, contacts Contacts, progress func(Tally)) (Tally, error) {
	return p.ImportAgain(ctx, rules, contacts, Again{}, progress)
}

// ImportAgain is Import, and says what becomes of contacts that are in the campaign already.
func (p *Producer) ImportAgain(ctx context.Context, rules campaign.Rules, contacts Contacts, again Again, progress func(Tally)) (Tally, error) {
	total := Tally{Reasons: map[campaign.Reason]int{}}
	p.clock.Refresh(ctx)
	idKey, err := p.ledger.IDKey(ctx)
	if err != nil {
		return total, err
	}
	token := cmp.Or(again.List, rand.Text())
	// Three stages, each in order: read and judge, store the rows, enqueue the tasks.
	g, gctx := errgroup.WithContext(ctx)
	read := make(chan []ledger.Entry, 1)
	stored := make(chan storedBatch, 1)
	g.Go(func() error {
		defer close(read)
		return p.read(gctx, rules, contacts, read)
	})
	g.Go(func() error {
		defer close(stored)
		for entries := range read {
			batch, err := p.store(gctx, rules.Name, idKey, token, entries, again)
			if err != nil {
				return err
			}
			for i, a := range batch.added { // what is stored is called, even if what follows fails
				total.count(a.Code, batch.entries[i].Reason)
			}
			total.SharedID += batch.shared
			batch.total = total
			batch.total.Reasons = maps.Clone(total.Reasons)
			if err := send(gctx, stored, batch); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for b := range stored {
			if err := p.enqueueBatch(gctx, rules, b); err != nil {
				return err
			}
			if progress != nil {
				progress(b.total)
			}
		}
		return nil
	})
	err = g.Wait()
	return total, err
}

type storedBatch struct {
	entries []ledger.Entry
	added   []ledger.Added
	shared  int   // of the entries got an id of their own
	total   Tally // up to here
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read cuts the stream into batches.
func (p *Producer) read(ctx context.Context, rules campaign.Rules, contacts Contacts, to chan<- []ledger.Entry) error {
	for last := false; !last; {
		now := p.now()
		entries := make([]ledger.Entry, 0, batchSize)
		for len(entries) < batchSize && !last {
			c, err := contacts.Next()
			if last = errors.Is(err, io.EOF); last {
				break
			}
			if err != nil {
				return err
			}
			entries = append(entries, ledger.Entry{Contact: c, Due: later(now, c.NotBefore), Reason: rules.HeldBy(c, now)})
		}
		if len(entries) == 0 {
			return nil
		}
		if err := send(ctx, to, entries); err != nil {
			return err
		}
	}
	return nil
}

// enqueueBatch enqueues what a batch has to enqueue, in order, in one round trip.
func (p *Producer) enqueueBatch(ctx context.Context, rules campaign.Rules, b storedBatch) error {
	now := p.now()
	together := newBatch(len(b.added))
	errs := make([]error, len(b.added))
	var wg sync.WaitGroup
	for i, a := range b.added {
		wg.Go(func() {
			defer together.leave(ctx, p.rdb, i)
			if a.Round > 0 {
				errs[i] = p.enqueue(together.at(ctx, i), rules, b.entries[i].Contact, a.Round, a.Due, now)
			}
		})
	}
	wg.Wait()
	// What ends one task's enqueueing mostly ends them all: one error will do, Redis's own, of which Asynq keeps the text only.
	if err := errors.Join(errs...); err == nil {
		return p.ledger.Wake(ctx, rules.Name, 0) //nolint:wrapcheck // it says what is wrong
	}
	if err := together.failure(); err != nil {
		return fmt.Errorf("put into the queue: %w", err)
	}
	return errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
}

// Preview counts what Import would do, and stores nothing.
func (p *Producer) Preview(ctx context.Context, rules campaign.Rules, contacts Contacts) (Tally, error) {
	return p.PreviewAgain(ctx, rules, contacts, Again{})
}

// enqueue enqueues a contact's round for when it is due and the rules allow the call. Repeating it changes nothing.
func (p *Producer) enqueue(ctx context.Context, rules campaign.Rules, c campaign.Contact, round int, due, now time.Time) error {
	at := due
	if d := rules.Gate(campaign.Situation{Contact: c, DueAt: due}, later(due, now)); !d.Go && d.Never == "" && d.Until.After(at) {
		at = d.Until
	}
	if !at.After(now) {
		at = time.Time{}
	}
	task, opts, err := NewCallTask(rules.Name, c.ID, round, at)
	if err != nil {
		return err
	}
	// After a lost reply Asynq says conflict although the task is stored: a conflict always means that it is there.
	if _, err := p.client.EnqueueContext(ctx, task, opts...); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("put into the queue: %w", err)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Follow enqueues the round in which the contact is now, if it is there and waits for one.
func (p *Producer) Follow(ctx context.Context, name, contact string) error {
	p.clock.Refresh(ctx)
	rec, c, err := p.ledger.Look(ctx, name, contact)
	if gone(err) || err == nil && rec.State != campaign.Waiting {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.ledger.Hold(ctx, name, contact, c.Rules.HeldBy(rec.Contact, later(rec.Due, p.now()))); err != nil {
		return err
	}
	if err := p.enqueue(ctx, c.Rules, rec.Contact, rec.Round, rec.Due, p.now()); err != nil {
		return err
	}
	return p.ledger.Wake(ctx, name, rec.Due.Sub(p.now())) //nolint:wrapcheck // it says what is wrong
}

// ResolvableOutcomes are the outcomes that a person can find out about an unconfirmed attempt.
func ResolvableOutcomes() []campaign.Outcome {
	return []campaign.Outcome{
		campaign.Answered, campaign.Busy, campaign.NoAnswer, campaign.Rejected, campaign.Unreachable, campaign.Blocked,
		campaign.InvalidNumber,
	}
}

// Resolve carries out a person's decision about an unconfirmed contact: the attempt's outcome, or "" if there was no call.
// What follows is what would have followed that outcome.
func (p *Producer) Resolve(ctx context.Context, name, contact string, outcome campaign.Outcome) error {
	rec, c, err := p.ledger.Look(ctx, name, contact)
	if err != nil {
		return err
	}
	r := ledger.Resolution{Outcome: outcome, Detail: "decided by a person: not called"}
	if outcome != "" {
		now := p.now()
		r.Charged, r.Detail = true, "decided by a person: "+string(outcome)
		r.Next = c.Rules.Next(campaign.Verdict{Ended: true, Outcome: outcome, Charged: true, Rang: true}, campaign.HistoryOf(rec.Attempts, func(campaign.Attempt) bool { return false }), now)
		if !r.Next.Final {
			r.After = max(r.Next.At.Sub(now), 0)
		}
	}
	if err := p.ledger.Resolve(ctx, name, contact, r); err != nil {
		return err
	}
	return p.Follow(ctx, name, contact)
}
