package line

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// Held lists the attempts that lines are occupied or blocked by, in two round trips.
func Held(ctx context.Context, rdb redis.UniversalClient) ([]campaign.Ref, error) {
	numbers, err := rdb.SMembers(ctx, keyLines).Result()
	if err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.SliceCmd, len(numbers))
	if _, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, n := range numbers {
			cmds[i] = p.HMGet(ctx, keyLine(n), "state", "token", "campaign", "contact")
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	var held []campaign.Ref
	for _, cmd := range cmds {
		text := make([]string, 4)
		for i, v := range cmd.Val() {
			text[i], _ = v.(string)
		}
		if s := State(text[0]); (s == Occupied || s == Blocked) && text[1] != "" {
			held = append(held, campaign.Ref{Token: text[1], Campaign: text[2], Contact: text[3]})
		}
	}
	return held, nil
}
