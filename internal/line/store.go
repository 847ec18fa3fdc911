package line

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

var (
	//go:embed scripts/lib.lua
	libSource string
	//go:embed scripts/lease.lua
	leaseSource string
	//go:embed scripts/unlease.lua
	unleaseSource string
	//go:embed scripts/occupy.lua
	occupySource string
	//go:embed scripts/free.lua
	freeSource string
	//go:embed scripts/block.lua
	blockSource string
	//go:embed scripts/pause.lua
	pauseSource string
)

// keyLines is the set of all lines' numbers that workers ever had; docs/redis-keys.md lists the keys.
const keyLines = "ringqueue:{ledger}:lines"

func keyLine(number string) string { return "ringqueue:{ledger}:line:" + number }

// State is what a line is doing.
type State string

// The states of a line.
const (
	Free     State = ""
	Occupied State = "occupied" // an attempt has it
	WrapUp   State = "wrap_up"  // the agent's pause after a call
	Cooling  State = "cooling"  // after the agent's leg failed
	Blocked  State = "blocked"  // nobody knows whether its call is over
)

// store keeps the lines' records in Redis.
type store struct {
	rdb                                   redis.UniversalClient
	lease, unlease, occupy, free, blocked *redis.Script
}

func newStore(rdb redis.UniversalClient) store {
	load := func(source string) *redis.Script { return redis.NewScript(libSource + "\n" + source) }
	return store{
		rdb: rdb, lease: load(leaseSource), unlease: load(unleaseSource), occupy: load(occupySource),
		free: load(freeSource), blocked: load(blockSource),
	}
}

// record is what a lease finds.
type record struct {
	ours  bool
	taken bool // another worker had it last
	state State
	rest  time.Duration
	ref   campaign.Ref

	paused bool
}

func (s store) takeLease(ctx context.Context, worker string, ttl time.Duration, l Line, note string) (record, error) {
	r, err := s.lease.Run(ctx, s.rdb, []string{keyLine(l.Number)}, worker, ttl.Milliseconds(), l.Name, l.Team, note).StringSlice()
	if err != nil {
		return record{}, fmt.Errorf("lease line %s: %w", l.Name, err)
	}
	if len(r) != 7 {
		return record{}, fmt.Errorf("lease line %s: unexpected reply", l.Name)
	}
	rest, err := strconv.ParseInt(r[2], 10, 64)
	if err != nil {
		return record{}, fmt.Errorf("lease line %s: %w", l.Name, err)
	}
	return record{
		ours: r[0] != "0", taken: r[0] == "2", state: State(r[1]), rest: time.Duration(rest) * time.Millisecond,
		ref: campaign.Ref{Token: r[3], Campaign: r[4], Contact: r[5]}, paused: r[6] == "1",
	}, nil
}

func (s store) giveLease(ctx context.Context, worker, number string) error {
	return s.unlease.Run(ctx, s.rdb, []string{keyLine(number)}, worker).Err()
}

var (
	errNotFree = errors.New("the line is not free")
	errPaused  = errors.New("the agent has a break")
)

func (s store) takeLine(ctx context.Context, worker, number string, ref campaign.Ref) error {
	r, err := s.occupy.Run(ctx, s.rdb, []string{keyLine(number)}, worker, ref.Token, ref.Campaign, ref.Contact).Text()
	if err != nil {
		return fmt.Errorf("occupy line: %w", err)
	}
	if r == "paused" {
		return errPaused
	}
	if r != "ok" {
		return fmt.Errorf("%w: %s", errNotFree, r)
	}
	return nil
}

func (s store) freeLine(ctx context.Context, number, token string, rest State, d time.Duration) error {
	return s.free.Run(ctx, s.rdb, []string{keyLine(number)}, token, string(rest), d.Milliseconds()).Err()
}

func (s store) block(ctx context.Context, number, token string) error {
	return s.blocked.Run(ctx, s.rdb, []string{keyLine(number)}, token).Err()
}

// Phase is how far the call on a line is, as far as polling has seen.
type Phase string

// The phases of a call; "" is not known.
const (
	RingsAgent   Phase = "rings_agent"
	RingsContact Phase = "rings_contact"
	Talks        Phase = "talks"
)

func phaseOf(seen campaign.Seen) Phase {
	switch {
	case seen.CalleeAnswered:
		return Talks
	case seen.CallerAnswered:
		return RingsContact
	}
	return RingsAgent
}

// show notes how far a line's call is, for people. It is no harm if it comes late or not at all.
func (s store) show(ctx context.Context, number string, phase Phase) error {
	return s.rdb.HSet(ctx, keyLine(number), "phase", string(phase)).Err()
}

// Info is a line as the operator sees it.
type Info struct {
	Name, Number, Team string
	Worker             string // "" while no worker has it
	State              State
	Phase              Phase     // of the call, while it is occupied
	Until              time.Time // end of wrap-up or cooling
	Campaign, Contact  string
	Since              time.Time
	Note               string    // why it is not dialling, in words
	Seen               time.Time // when a worker last asked for it
	Paused             time.Time // since when the agent has a break; zero: none
	Agreed             string    // run id of the Redis for which its calls were compared with RingCentral's records
}

// List reads all lines that workers have published, by team and name.
func List(ctx context.Context, rdb redis.UniversalClient) ([]Info, error) {
	numbers, err := rdb.SMembers(ctx, keyLines).Result()
	if err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	cmds := make([]*redis.MapStringStringCmd, len(numbers))
	if _, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, n := range numbers {
			cmds[i] = p.HGetAll(ctx, keyLine(n))
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	lines := make([]Info, 0, len(numbers))
	for i, cmd := range cmds {
		h := cmd.Val()
		l := Info{
			Name: h["name"], Number: numbers[i], Team: h["team"], State: State(h["state"]), Until: at(h["until"]),
			Campaign: h["campaign"], Contact: h["contact"], Since: at(h["since"]), Note: h["note"], Seen: at(h["seen"]), Agreed: h["agreed"],
			Paused: at(h["paused"]),
		}
		if l.State == Occupied {
			l.Phase = Phase(h["phase"])
		}
		if at(h["lease"]).After(now) {
			l.Worker = h["owner"]
		}
		if (l.State == WrapUp || l.State == Cooling) && !l.Until.After(now) {
			l.State = Free
		}
		lines = append(lines, l)
	}
	sort.Slice(lines, func(i, j int) bool {
		if lines[i].Team != lines[j].Team {
			return lines[i].Team < lines[j].Team
		}
		return lines[i].Name < lines[j].Name
	})
	return lines, nil
}

func at(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
