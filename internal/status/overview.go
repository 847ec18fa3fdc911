package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/tasks"
)

// Overview is all campaigns and lines for a page that is read again and again.
type Overview struct {
	At        time.Time
	Campaigns []Status // those that are open first, then the newest
	Hidden    int      // how many older campaigns are left out
	Lines     []line.Info
	Commands  int // that reading it cost Redis, about
}

// mostShown is how many campaigns an Overview has.
const mostShown = 200

// Overview reads all campaigns and lines with few commands: why contacts wait is told by the ledger's counts alone, without
// the time at which the next one is due.
func (r *Reader) Overview(ctx context.Context) (Overview, error) {
	o := Overview{At: r.now()}
	campaigns, err := r.ledger.Campaigns(ctx)
	if err != nil {
		return o, err
	}
	slices.Reverse(campaigns)
	slices.SortStableFunc(campaigns, func(a, b ledger.Campaign) int { return rank(a) - rank(b) })
	if o.Commands = len(campaigns) + 4; len(campaigns) > mostShown {
		o.Hidden, campaigns = len(campaigns)-mostShown, campaigns[:mostShown]
	}
	if o.Lines, err = line.List(ctx, r.rdb); err != nil {
		return o, err
	}
	o.Commands += len(o.Lines)
	approval, err := r.ledger.Approval(ctx)
	if err != nil {
		return o, err
	}
	marks := map[string]*redis.IntCmd{}
	p := r.rdb.Pipeline()
	for _, c := range campaigns {
		if rank(c) == 0 {
			first, again := tasks.Queues(c.Rules.Name)
			for _, queue := range []string{first, again} {
				marks[queue] = p.Exists(ctx, asynqkeys.Paused(queue))
			}
		}
	}
	if o.Commands += len(marks); len(marks) > 0 {
		if _, err := p.Exec(ctx); err != nil {
			return o, fmt.Errorf("read pauses: %w", err)
		}
	}
	for _, c := range campaigns {
		s := summary(c)
		if s.State == StateRunning {
			first, again := tasks.Queues(s.Name)
			if marks[first].Val()+marks[again].Val() > 0 {
				s.State = StatePaused
				s.BlockedBy = append(s.BlockedBy, "paused")
			}
			if s.Waiting > 0 {
				s.BlockedBy = append(s.BlockedBy, redisHolds(s.Team, o.Lines, approval)...)
				s.BlockedBy = append(s.BlockedBy, blockedLines(s.Team, o.Lines, o.At)...)
				s.BlockedBy = append(s.BlockedBy, heldBy(c)...)
			}
		}
		o.Campaigns = append(o.Campaigns, s)
	}
	return o, nil
}

// rank sorts campaigns: 0 for one that is open.
func rank(c ledger.Campaign) int {
	if !c.Cancelled && (c.Counts.Open() || c.Counts.Total == 0) {
		return 0
	}
	return 1
}
