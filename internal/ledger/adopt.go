package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

//go:embed scripts/adopt.lua
var adoptSource string

// Adoption is a call that RingCentral's records show and the ledger does not.
type Adoption struct {
	Ref        campaign.Ref // Token: made from the record, the same for every worker that finds it
	Number     string
	Line       string
	LineNumber string
	Extension  string
	StartedAt  time.Time // on Redis's clock
	Detail     string    // for people
}

// Adopt adds the call to a waiting contact as an attempt and holds the contact as unconfirmed, so that it is not dialled
// before a person has decided. It may be repeated. It returns the contact's state; one that was not waiting stays as it
// was, and "" stands for no such contact.
func (l *Ledger) Adopt(ctx context.Context, a Adoption) (campaign.ContactState, error) {
	reply, err := l.scripts.adopt.Run(ctx, l.rdb, keysOf(a.Ref), a.Ref.Contact, a.Ref.Token, a.Number, a.Line, a.LineNumber,
		a.Extension, a.StartedAt.UnixMilli(), a.Detail).Text()
	switch {
	case err != nil:
		return "", wrap("adopt", err)
	case reply == "adopted":
		return campaign.UnconfirmedHeld, nil
	case reply == "gone":
		return "", nil
	case reply == "":
		return "", fmt.Errorf("ledger: adopt: empty reply")
	}
	return campaign.ContactState(reply), nil
}
