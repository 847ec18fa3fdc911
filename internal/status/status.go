// Package status says where a campaign stands and why it is not dialling, for the commands, the console and metrics.
package status

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/redisclock"
	"github.com/ringqueue/ringqueue/tasks"
)

// State is a campaign's state as people see it.
type State string

// The states of a campaign.
const (
	StateRunning   State = "running"
	StatePaused    State = "paused"
	StateCancelled State = "cancelled"
	StateDone      State = "done" // nothing is left to call; unconfirmed contacts may be left to decide
)

// Status is a campaign at one instant. The JSON keys are a contract.
type Status struct {
	Name        string                   `json:"name"`
	State       State                    `json:"state"`
	Total       int                      `json:"total"`
	Waiting     int                      `json:"waiting"`
	Live        int                      `json:"live"`
	Done        int                      `json:"done"`
	Unconfirmed int                      `json:"unconfirmed"`
	Outcomes    map[campaign.Outcome]int `json:"outcomes"`
	BlockedBy   []string                 `json:"blocked_by"`
	Team        string                   `json:"team"`
	CreatedAt   time.Time                `json:"created_at"`
}

// Over says whether nothing more will be dialled.
func (s Status) Over() bool { return s.Waiting+s.Live == 0 }

// Reader reads statuses. It is safe for concurrent use.
type Reader struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	pauses *tasks.Pauses
	clock  *redisclock.Clock
	now    func() time.Time // Redis's
}

// NewReader returns a reader on a Redis client, which stays the caller's to close.
func NewReader(rdb redis.UniversalClient) *Reader {
	clock := redisclock.New(rdb)
	return &Reader{rdb: rdb, ledger: ledger.New(rdb), pauses: tasks.NewPauses(rdb), clock: clock, now: clock.Now}
}

// Read reads one campaign; an unknown one is ledger.ErrNoCampaign.
func (r *Reader) Read(ctx context.Context, name string) (Status, error) {
	r.clock.Refresh(ctx)
	c, err := r.ledger.Campaign(ctx, name)
	if err != nil {
		return Status{}, err
	}
	lines, err := line.List(ctx, r.rdb)
	if err != nil {
		return Status{}, err
	}
	a, err := r.ledger.Approval(ctx)
	if err != nil {
		return Status{}, err
	}
	return r.of(ctx, c, lines, a)
}

// All reads all campaigns, oldest first.
func (r *Reader) All(ctx context.Context) ([]Status, error) {
	r.clock.Refresh(ctx)
	campaigns, err := r.ledger.Campaigns(ctx)
	if err != nil {
		return nil, err
	}
	lines, err := line.List(ctx, r.rdb)
	if err != nil {
		return nil, err
	}
	a, err := r.ledger.Approval(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Status, 0, len(campaigns))
	for _, c := range campaigns {
		s, err := r.of(ctx, c, lines, a)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// summary is what the ledger says of a campaign.
func summary(c ledger.Campaign) Status {
	s := Status{
		Name: c.Rules.Name, State: StateRunning, Total: c.Counts.Total, Waiting: c.Counts.Waiting, Live: c.Counts.Live,
		Done: c.Counts.Done, Unconfirmed: c.Counts.Unconfirmed, Outcomes: c.Counts.Outcomes, BlockedBy: []string{},
		Team: c.Rules.Team, CreatedAt: c.CreatedAt,
	}
	switch {
	case c.Cancelled:
		s.State = StateCancelled
	case s.Over() && s.Total > 0:
		s.State = StateDone
	}
	return s
}

func (r *Reader) of(ctx context.Context, c ledger.Campaign, lines []line.Info, a ledger.Approval) (Status, error) {
	s := summary(c)
	if s.State != StateRunning {
		return s, nil
	}
	paused, err := r.pauses.Paused(ctx, s.Name)
	if err != nil {
		return s, err
	}
	if paused {
		s.State = StatePaused
		s.BlockedBy = append(s.BlockedBy, "paused: `campaign resume "+s.Name+"` goes on")
	}
	if s.Waiting > 0 {
		s.BlockedBy = append(s.BlockedBy, redisHolds(c.Rules.Team, lines, a)...)
		if c.NoteUntil.After(r.now()) {
			s.BlockedBy = append(s.BlockedBy, c.Note)
		}
		s.BlockedBy = append(s.BlockedBy, blockedLines(c.Rules.Team, lines, r.now())...)
		held, err := r.held(ctx, c)
		if err != nil {
			return s, err
		}
		s.BlockedBy = append(s.BlockedBy, held...)
	}
	return s, nil
}

// onBreak stands for a line that would be free if its agent had no break.
const onBreak line.State = "on a break"

// blockedLines says why no line of a team is free; nothing if one is.
func blockedLines(team string, lines []line.Info, now time.Time) []string {
	var (
		all, leased int
		doing       = map[line.State]int{}
		notes       = map[string]bool{}
		seen, back  time.Time
		reasons     []string
	)
	for _, l := range lines {
		if l.Team != team {
			continue
		}
		all++
		if l.Seen.After(seen) {
			seen = l.Seen
		}
		if l.Worker == "" {
			continue
		}
		leased++
		if l.Note != "" && l.State == line.Cooling {
			notes["line "+l.Name+": "+l.Note] = true
		} else if l.Note != "" {
			if l.Note != ledger.RedisChanged { // which stands for itself, and the note outlasts it by some seconds
				notes[l.Note] = true
			}
			continue
		}
		if !l.Paused.IsZero() && l.State == line.Free {
			doing[onBreak]++
			continue
		}
		doing[l.State]++
		if l.State == line.Cooling && (back.IsZero() || l.Until.Before(back)) {
			back = l.Until
		}
		if l.State == line.Blocked {
			reasons = append(reasons, fmt.Sprintf("line %s is blocked: it is not known whether its last call is over", l.Name))
		}
	}
	switch {
	case all == 0:
		return []string{fmt.Sprintf("no worker has a line of team %q", team)}
	case leased == 0:
		return []string{fmt.Sprintf("no worker is running for team %q (last seen %s ago)", team, now.Sub(seen).Round(time.Second))}
	}
	reasons = append(reasons, sorted(notes)...)
	if n := doing[line.Cooling]; n > 0 && n == leased {
		return append(reasons, fmt.Sprintf("all %d lines of team %q rest, because their own phones failed; the first one tries again at %s",
			n, team, back.UTC().Format("15:04 UTC")))
	}
	if doing[line.Free] == 0 {
		var parts []string
		for _, s := range []line.State{line.Occupied, line.WrapUp, line.Cooling, line.Blocked, onBreak} {
			if doing[s] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", doing[s], strings.ReplaceAll(string(s), "_", "-")))
			}
		}
		if len(parts) > 0 {
			reasons = append(reasons, fmt.Sprintf("no free line of %d: %s", all, strings.Join(parts, ", ")))
		}
	}
	return reasons
}

// held says which contacts wait, for what, and when the next one is due.
func (r *Reader) held(ctx context.Context, c ledger.Campaign) ([]string, error) {
	reasons := heldBy(c)
	l, err := tasks.ReadLoad(ctx, r.rdb, c.Rules.Name)
	if err != nil {
		return nil, err
	}
	if l.Next.After(r.now()) {
		reasons = append(reasons, fmt.Sprintf("%s not due yet, the next one at %s", contacts(l.Scheduled), l.Next.UTC().Format(time.RFC3339)))
	}
	return reasons, nil
}

// heldBy says which contacts wait for what.
func heldBy(c ledger.Campaign) []string {
	counts := map[string]bool{}
	for reason, n := range c.Counts.Held {
		counts[fmt.Sprintf("%s: %s", contacts(n), reason.Text())] = true
	}
	return sorted(counts)
}

func contacts(n int) string {
	if n == 1 {
		return "1 contact"
	}
	return fmt.Sprintf("%d contacts", n)
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Strings(list)
	return list
}
