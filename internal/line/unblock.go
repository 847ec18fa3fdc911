package line

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// ErrNotBlocked says that there is nothing to unblock.
var ErrNotBlocked = errors.New("the line is not blocked")

// Unblock frees a blocked line because a person has seen that its phone has no call. What the attempt that blocks it came to is left to
// a person too, unless it was settled before. It may be repeated, and works whether or not a worker has the line; one that has
// it sees it at its next look at presence.
func Unblock(ctx context.Context, rdb redis.UniversalClient, book Book, l Info) error {
	if l.State != Blocked {
		doing := string(l.State)
		if l.State == Free {
			doing = "free"
		}
		return fmt.Errorf("%w: %s is %s; only a line of which nobody knows whether its call is over can be unblocked", ErrNotBlocked, l.Name, doing)
	}
	ref := campaign.Ref{Campaign: l.Campaign, Contact: l.Contact, Token: l.token}
	if ref.Campaign != "" {
		// Settled before the line is freed: nobody must find a call that is not over on a line that is free.
		_, a, found, err := book.Attempt(ctx, ref)
		if err != nil {
			return fmt.Errorf("unblock line: %w", err)
		}
		if found && a.EndedAt.IsZero() {
			if _, err := book.Settle(ctx, ref, unconfirmed("a person has freed the line before RingCentral said what became of the call"), a.Seen); err != nil {
				return fmt.Errorf("unblock line: %w", err)
			}
		}
	}
	freed, err := script(unblockSource).Run(ctx, rdb, []string{keyLine(l.Number)}, l.token).Int()
	if err != nil {
		return fmt.Errorf("unblock line: %w", err)
	}
	if freed == 0 {
		return fmt.Errorf("%w any more: %s was freed, or has another call, just now", ErrNotBlocked, l.Name)
	}
	return nil
}
