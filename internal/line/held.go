package line

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// abandoned is for how long no worker asks for a line until nobody is taken to find out about its attempts any more.
const abandoned = 10 * time.Minute

// Held lists the attempts that lines have: those that occupy or block one, and those that are being found out about although
// their lines are free of them.
func Held(ctx context.Context, rdb redis.UniversalClient) ([]campaign.Ref, error) {
	lines, err := List(ctx, rdb)
	if err != nil {
		return nil, err
	}
	var held []campaign.Ref
	for _, l := range lines {
		if (l.State == Occupied || l.State == Blocked) && l.token != "" {
			held = append(held, campaign.Ref{Token: l.token, Campaign: l.Campaign, Contact: l.Contact})
		}
		if l.unasked < abandoned {
			held = append(held, l.Confirming...)
		}
	}
	return held, nil
}
