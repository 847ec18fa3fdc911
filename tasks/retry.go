package tasks

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// RetriableOutcomes are the outcomes after which a contact may be given another round. One that is unconfirmed is decided
// first; one on the do-not-call list, or of a cancelled campaign, is not called.
func RetriableOutcomes() []campaign.Outcome {
	return slices.DeleteFunc(campaign.Outcomes(), func(o campaign.Outcome) bool {
		return o == campaign.Unconfirmed || o == campaign.Suppressed || o == campaign.Cancelled
	})
}

// Retry gives the contacts of a campaign that are done with one of the outcomes another round, due now, under the same rules
// but for the number of attempts: one more call at least. It says how many. A retry that was interrupted is finished by
// another one; what it has given a round already is called either way.
func (p *Producer) Retry(ctx context.Context, name string, outcomes []campaign.Outcome) (int, error) {
	p.clock.Refresh(ctx)
	c, err := p.ledger.Campaign(ctx, name)
	if err != nil {
		return 0, err
	}
	token, n := rand.Text(), 0
	for from := 0; ; from += batchSize {
		ids, err := p.ledger.Page(ctx, name, from, batchSize)
		if err != nil || len(ids) == 0 {
			return n, err
		}
		retried, err := p.ledger.Retry(ctx, name, token, ids, outcomes)
		if err != nil {
			return n, err
		}
		if len(retried) == 0 {
			continue
		}
		var b storedBatch
		for _, r := range retried {
			rec, err := p.ledger.Contact(ctx, name, r.Contact)
			if err != nil {
				return n, err
			}
			b.entries = append(b.entries, ledger.Entry{Contact: rec.Contact})
			b.added = append(b.added, ledger.Added{Round: r.Round, Due: r.Due})
			if err := p.ledger.Hold(ctx, name, r.Contact, c.Rules.HeldBy(rec.Contact, p.now())); err != nil {
				return n, err
			}
		}
		if err := p.enqueueBatch(ctx, c.Rules, b); err != nil {
			return n, fmt.Errorf("%w; run the same again to go on", err)
		}
		n += len(retried)
	}
}
