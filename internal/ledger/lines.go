package ledger

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// LineWork is when a line last worked, by its record: what failed on it before that was not its fault.
type LineWork struct {
	Reached time.Time // a call got its agent to answer
	Placed  time.Time // RingCentral accepted a call on it
}

// LineWork reads when lines last worked, by number.
func (l *Ledger) LineWork(ctx context.Context, numbers []string) (map[string]LineWork, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.SliceCmd, len(numbers))
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, n := range numbers {
			cmds[i] = p.HMGet(ctx, LineKey(n), "reached", "placed")
		}
		return nil
	}); err != nil {
		return nil, wrap("read lines", err)
	}
	work := make(map[string]LineWork, len(numbers))
	for i, n := range numbers {
		if v := cmds[i].Val(); len(v) == 2 {
			work[n] = LineWork{Reached: millis(text(v[0])), Placed: millis(text(v[1]))}
		}
	}
	return work, nil
}
