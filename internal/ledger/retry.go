package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// ErrEnded says that the campaign's end has come.
var ErrEnded = errors.New("the campaign's end has passed")

// Retried is a contact that waits for another round.
type Retried struct {
	Contact string
	Round   int
	Due     time.Time
}

// Retry gives those of some contacts that are done with one of the outcomes another round, due now: one more call at least,
// however many there were. Its reply is what waits. token stands for this retry: sent again with it, a retry changes nothing
// more. A cancelled campaign is ErrCancelled, one whose end has passed ErrEnded.
func (l *Ledger) Retry(ctx context.Context, name, token string, ids []string, outcomes []campaign.Outcome) ([]Retried, error) {
	keys := make([]string, 0, 2+len(ids))
	keys = append(keys, keyCampaign(name), keyEvents(name))
	args := make([]any, 0, 2+len(outcomes)+len(ids))
	args = append(args, token, len(outcomes))
	for _, o := range outcomes {
		args = append(args, string(o))
	}
	for _, id := range ids {
		keys = append(keys, keyContact(name, id))
		args = append(args, id)
	}
	reply, err := l.run(ctx, l.scripts.retry, keys, args...)
	if err != nil {
		return nil, wrap("retry", err)
	}
	switch reply[0] {
	case "cancelled":
		return nil, ErrCancelled
	case "ended":
		return nil, ErrEnded
	}
	rest := reply[1:]
	if len(rest)%3 != 0 {
		return nil, fmt.Errorf("ledger: retry: unexpected reply of %d values", len(reply))
	}
	retried := make([]Retried, 0, len(rest)/3)
	for i := 0; i < len(rest); i += 3 {
		retried = append(retried, Retried{Contact: rest[i], Round: number(rest[i+1]), Due: millis(rest[i+2])})
	}
	return retried, nil
}
