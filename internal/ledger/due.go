package ledger

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed scripts/due.lua
	dueSource string
	//go:embed scripts/wake.lua
	wakeSource string
	//go:embed scripts/note.lua
	noteSource string
	//go:embed scripts/rest.lua
	restSource string
)

// Due is a campaign that may have a call to place now.
type Due struct {
	Name  string
	woken string // when it was last woken, by which Rest tells whether it was woken since
}

// Due lists at most n campaigns that may have a call to place now, the longest due first. A campaign is listed from the
// time on for which it was woken, until Rest: what is quiet costs nothing.
func (l *Ledger) Due(ctx context.Context, n int) ([]Due, error) {
	reply, err := l.scripts.due.Run(ctx, l.rdb, []string{keyDue, keyWakes}, n).StringSlice()
	if err != nil {
		return nil, wrap("list due campaigns", err)
	}
	if len(reply)%2 != 0 {
		return nil, fmt.Errorf("ledger: list due campaigns: %d values", len(reply))
	}
	due := make([]Due, 0, len(reply)/2)
	for i := 0; i < len(reply); i += 2 {
		due = append(due, Due{Name: reply[i], woken: reply[i+1]})
	}
	return due, nil
}

// Wake says that a campaign may have a call to place after a while (0: now). Whoever puts a call into a queue wakes its
// campaign afterwards.
func (l *Ledger) Wake(ctx context.Context, name string, after time.Duration) error {
	_, err := l.runInt(ctx, l.scripts.wake, []string{keyDue, keyWakes}, name, max(after, 0).Milliseconds())
	return wrap("wake campaign", err)
}

// Never is Rest's time for a campaign that has no call at all.
const Never = time.Duration(-1)

// Rest says that a campaign has no call to place before a while has passed, or Never; nothing changes if it was woken since
// Due.
func (l *Ledger) Rest(ctx context.Context, d Due, after time.Duration) error {
	ms := ""
	if after >= 0 {
		ms = fmt.Sprint(after.Milliseconds())
	}
	_, err := l.runInt(ctx, l.scripts.rest, []string{keyDue, keyWakes}, d.Name, d.woken, ms)
	return wrap("rest campaign", err)
}

// WakeTurn says whether it is this process's turn to wake all open campaigns, which it is for one process in each period.
func (l *Ledger) WakeTurn(ctx context.Context, every time.Duration) (bool, error) {
	mine, err := l.rdb.SetNX(ctx, keyWakeTurn, 1, every).Result()
	return mine, wrap("take the turn to wake campaigns", err)
}

// Cancelled says which of some campaigns are cancelled.
func (l *Ledger) Cancelled(ctx context.Context, names []string) (map[string]bool, error) {
	states := make([]*redis.StringCmd, len(names))
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			states[i] = p.HGet(ctx, keyCampaign(name), "state")
		}
		return nil
	}); err != nil && !errors.Is(err, redis.Nil) {
		return nil, wrap("read campaigns", err)
	}
	cancelled := map[string]bool{}
	for i, name := range names {
		if s, err := states[i].Result(); err == nil && s != "active" {
			cancelled[name] = true
		}
	}
	return cancelled, nil
}

// Note says in words, for people, what keeps a campaign from being called for a while.
func (l *Ledger) Note(ctx context.Context, name, text string, d time.Duration) error {
	_, err := l.runInt(ctx, l.scripts.note, []string{keyCampaign(name)}, text, d.Milliseconds())
	return wrap("note on campaign", err)
}
