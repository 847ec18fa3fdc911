package dial

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Follower enqueues the round in which a contact is now, where it waits for one; *tasks.Producer is one.
type Follower interface {
	Follow(ctx context.Context, campaign, contact string) error
}

// Book records for the lines what becomes of their calls: the ledger, the retry rules and the next round in one.
type Book struct {
	ledger   *ledger.Ledger
	follower Follower
	now      func() time.Time

	// Scale is how many times faster than real time RingCentral runs, a simulator's; 0 is 1.
	Scale int
}

// NewBook returns the book that a line.Pool needs. now is Redis's time.
func NewBook(l *ledger.Ledger, f Follower, now func() time.Time) *Book {
	return &Book{ledger: l, follower: f, now: now}
}

// Attempt finds the attempt of a token and its campaign's rules; false if no attempt has the token.
func (b *Book) Attempt(ctx context.Context, ref campaign.Ref) (campaign.Rules, campaign.Attempt, bool, error) {
	rec, c, err := b.ledger.Look(ctx, ref.Campaign, ref.Contact)
	if gone(err) {
		return campaign.Rules{}, campaign.Attempt{}, false, nil
	}
	if err != nil {
		return campaign.Rules{}, campaign.Attempt{}, false, err
	}
	a, ok := rec.Attempt(ref.Token)
	return c.Rules, a, ok, nil
}

// Void takes a token out of use; true if an attempt has it after all.
func (b *Book) Void(ctx context.Context, ref campaign.Ref) (bool, error) {
	claimed, err := b.ledger.Void(ctx, ref)
	return claimed != ledger.NotClaimed, err
}

// Undo takes back the claim of an attempt that never took place, and its token out of use; false if it has an id now.
func (b *Book) Undo(ctx context.Context, ref campaign.Ref, reason string) (bool, error) {
	claimed, err := b.ledger.Release(ctx, ref, reason)
	return claimed == ledger.NotClaimed, err
}

// Placed stores RingCentral's id of a claimed attempt.
func (b *Book) Placed(ctx context.Context, ref campaign.Ref, ringOutID string) (campaign.Attempt, error) {
	return b.ledger.Placed(ctx, ref, ringOutID)
}

// Seen records what tracking has seen.
func (b *Book) Seen(ctx context.Context, ref campaign.Ref, seen campaign.Seen) error {
	return b.ledger.Seen(ctx, ref, seen)
}

// Settle ends the attempt by the campaign's retry rules. The first settlement stands.
func (b *Book) Settle(ctx context.Context, ref campaign.Ref, v campaign.Verdict, seen campaign.Seen) (campaign.Attempt, error) {
	rec, c, err := b.ledger.Look(ctx, ref.Campaign, ref.Contact)
	if gone(err) {
		return campaign.Attempt{}, nil
	}
	if err != nil {
		return campaign.Attempt{}, err
	}
	history, err := b.history(ctx, rec, ref)
	if err != nil {
		return campaign.Attempt{}, err
	}
	now := b.now()
	next := c.Rules.Next(v, history, now)
	s := ledger.Settlement{Verdict: v, Seen: seen, Next: next}
	if !next.Final {
		s.After = max(next.At.Sub(now), 0)
		s.Reason = c.Rules.HeldBy(rec.Contact, now.Add(s.After))
	}
	settled, err := b.ledger.Settle(ctx, ref, s)
	if errors.Is(err, ledger.ErrNoAttempt) {
		return campaign.Attempt{}, nil // its claim was undone: there is nothing to end
	}
	return settled.Attempt, err
}

// history sums up a contact's attempts before this one, each uncharged one with whether its line has worked since.
func (b *Book) history(ctx context.Context, rec ledger.Record, ref campaign.Ref) (campaign.History, error) {
	var before []campaign.Attempt
	var lines []string
	for _, a := range rec.Attempts {
		if a.Token == ref.Token {
			continue
		}
		before = append(before, a)
		if !a.Charged && !a.EndedAt.IsZero() && !slices.Contains(lines, a.LineNumber) {
			lines = append(lines, a.LineNumber)
		}
	}
	work, err := b.ledger.LineWork(ctx, lines)
	if err != nil {
		return campaign.History{}, err //nolint:wrapcheck // it says what is wrong
	}
	h := campaign.HistoryOf(before, func(a campaign.Attempt) bool {
		w := work[a.LineNumber]
		if a.Refused {
			return w.Placed.After(a.EndedAt)
		}
		return w.Reached.After(a.EndedAt)
	})
	h.Scale = b.Scale
	return h, nil
}

// Follow enqueues the contact's next round, where there is one.
func (b *Book) Follow(ctx context.Context, ref campaign.Ref) error {
	return b.follower.Follow(ctx, ref.Campaign, ref.Contact) //nolint:wrapcheck // it says what is wrong
}

// gone says that the campaign was deleted.
func gone(err error) bool {
	return errors.Is(err, ledger.ErrNoContact) || errors.Is(err, ledger.ErrNoCampaign)
}
