package ratelimit

import (
	"context"
	"fmt"
	"time"
)

// Usage is how much of a quota is in use at one moment. Instants are translated
// to the local clock, for people and metrics; slots come from Wait alone.
type Usage struct {
	Limit   int           // requests per window, learned or default
	Window  time.Duration // without the margin
	Used    int           // slots within the present window, margin included; those of other applications too
	Waiting int           // slots reserved that have not come yet

	BlockedUntil time.Time // the end of the block; zero if there is none
	NextSlot     time.Time // when the slot would be that is reserved now
}

// Look tells how much of a quota is in use. It changes nothing.
func (l *Limiter) Look(ctx context.Context, key Key) (Usage, error) {
	start, err := l.start(key)
	if err != nil {
		return Usage{}, fmt.Errorf("look at limit: %w", err)
	}
	reply, err := l.scripts.look.Run(ctx, l.redis, l.keys(key, ""),
		start.N, start.Window.Microseconds()).Int64Slice()
	if err != nil {
		return Usage{}, fmt.Errorf("look at limit: %w", err)
	}
	if len(reply) != 7 {
		return Usage{}, fmt.Errorf("look at limit: redis replied %d values, want 7", len(reply))
	}
	here, now := time.Now(), reply[6]
	u := Usage{
		Limit:    int(reply[0]),
		Window:   micros(reply[1]),
		Used:     int(reply[2]),
		Waiting:  int(reply[3]),
		NextSlot: here.Add(micros(reply[5] - now)),
	}
	if reply[4] > 0 {
		u.BlockedUntil = here.Add(micros(reply[4] - now))
	}
	return u, nil
}
