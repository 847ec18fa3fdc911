package line

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	//go:embed scripts/unblock.lua
	unblockSource string
	//go:embed scripts/progress.lua
	progressSource string
	//go:embed scripts/pause.lua
	pauseSource string
	//go:embed scripts/seize.lua
	seizeSource string
)

// The lines' records share the ledger's slot: what occupies a line is lost together with the claims, or not at all.
// docs/redis-keys.md lists the keys.
const keyLines = "ringqueue:{ledger}:lines" // the numbers of all lines that workers ever had

func keyLine(number string) string { return "ringqueue:{ledger}:line:" + number }

// fieldConfirming is the field of a line's record that names an attempt which is being found out about.
func fieldConfirming(token string) string { return "confirming:" + token }

func script(source string) *redis.Script { return redis.NewScript(libSource + "\n" + source) }

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
	rdb                                                    redis.UniversalClient
	lease, unlease, occupy, free, blocked, progress, seize *redis.Script
}

func newStore(rdb redis.UniversalClient) store {
	return store{
		rdb: rdb, lease: script(leaseSource), unlease: script(unleaseSource), occupy: script(occupySource), free: script(freeSource),
		blocked: script(blockSource), progress: script(progressSource), seize: script(seizeSource),
	}
}

// batch is how many scripts go to Redis in one round trip.
const batch = 250

// each runs a script for each of n lines in few round trips. One line's error is that line's alone.
func (s store) each(ctx context.Context, script *redis.Script, n int, number func(i int) string, args func(i int) []any) []*redis.Cmd {
	cmds := make([]*redis.Cmd, n)
	for from := 0; from < n; from += batch {
		s.pipeline(ctx, script, cmds, from, min(from+batch, n), number, args)
	}
	return cmds
}

func (s store) pipeline(ctx context.Context, script *redis.Script, cmds []*redis.Cmd, from, to int, number func(i int) string, args func(i int) []any) {
	send := func(todo []int) {
		pipe := s.rdb.Pipeline()
		for _, i := range todo {
			cmds[i] = script.EvalSha(ctx, pipe, []string{keyLine(number(i))}, args(i)...)
		}
		_, _ = pipe.Exec(ctx) // each command has its error
	}
	todo := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		todo = append(todo, i)
	}
	send(todo)
	var again []int
	for _, i := range todo {
		if redis.HasErrorPrefix(cmds[i].Err(), "NOSCRIPT") {
			again = append(again, i)
		}
	}
	if len(again) == 0 {
		return
	}
	// All keys are in one slot: the one process that has them learns the script from the first.
	first := again[0]
	cmds[first] = script.Eval(ctx, s.rdb, []string{keyLine(number(first))}, args(first)...)
	if again = again[1:]; len(again) > 0 {
		send(again)
	}
}

// record is what a lease finds.
type record struct {
	ours  bool
	taken bool // another worker had it last
	state State
	rest  time.Duration
	ref   campaign.Ref

	paused     bool
	blocked    time.Time      // since when, while it is
	confirming []campaign.Ref // attempts that are to be found out about; told to a worker that begins with the line
}

// wish is a lease that a worker wants.
type wish struct {
	line  Line
	note  string
	begin bool // it has not got the line yet
}

// takeLeases takes or renews leases. Each has its record or its error.
func (s store) takeLeases(ctx context.Context, worker string, ttl time.Duration, wishes []wish) ([]record, []error) {
	cmds := s.each(ctx, s.lease, len(wishes), func(i int) string { return wishes[i].line.Number }, func(i int) []any {
		w := wishes[i]
		begin := "0"
		if w.begin {
			begin = "1"
		}
		return []any{worker, ttl.Milliseconds(), w.line.Name, w.line.Team, w.note, begin}
	})
	records, errs := make([]record, len(wishes)), make([]error, len(wishes))
	for i, cmd := range cmds {
		r, err := cmd.StringSlice()
		if err == nil {
			records[i], err = parseRecord(r)
		}
		if err != nil {
			errs[i] = fmt.Errorf("lease line %s: %w", wishes[i].line.Name, err)
		}
	}
	return records, errs
}

func parseRecord(r []string) (record, error) {
	const fixed = 8
	if len(r) < fixed || len(r)%2 != 0 {
		return record{}, fmt.Errorf("%d values for %d", len(r), fixed)
	}
	rest, err := strconv.ParseInt(r[2], 10, 64)
	if err != nil {
		return record{}, err
	}
	rec := record{
		ours: r[0] != "0", taken: r[0] == "2", state: State(r[1]), rest: time.Duration(rest) * time.Millisecond,
		ref: campaign.Ref{Token: r[3], Campaign: r[4], Contact: r[5]}, paused: r[6] == "1", blocked: at(r[7]),
	}
	for i := fixed; i < len(r); i += 2 {
		rec.confirming = append(rec.confirming, parseConfirming(r[i], r[i+1]))
	}
	return rec, nil
}

// parseConfirming reads a field of attempts that are being found out about. A campaign's name has no space.
func parseConfirming(token, value string) campaign.Ref {
	name, contact, _ := strings.Cut(value, " ")
	return campaign.Ref{Campaign: name, Contact: contact, Token: token}
}

func (s store) takeLease(ctx context.Context, worker string, ttl time.Duration, w wish) (record, error) {
	records, errs := s.takeLeases(ctx, worker, ttl, []wish{w})
	return records[0], errs[0]
}

// giveLeases gives leases back; the errors are in the order of the numbers.
func (s store) giveLeases(ctx context.Context, worker string, numbers []string) []error {
	cmds := s.each(ctx, s.unlease, len(numbers), func(i int) string { return numbers[i] }, func(int) []any { return []any{worker} })
	errs := make([]error, len(cmds))
	for i, cmd := range cmds {
		errs[i] = cmd.Err()
	}
	return errs
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

// end says how an occupancy ends.
type end struct {
	rest       State         // Free, WrapUp or Cooling
	d          time.Duration // of rest
	failed     bool          // the line's own phone: it rests longer after failures in a row
	most       time.Duration // the longest such rest
	reached    bool          // the call got the agent to answer
	confirming bool          // the attempt is still to be found out about
}

// rests is how long a line rests after an occupancy.
type rests struct {
	state State
	d     time.Duration
	fails int // failures in a row
}

// freeLine ends an occupancy; one that has ended stays as it is. It says how long the line rests.
func (s store) freeLine(ctx context.Context, number, token string, e end) (rests, error) {
	flag := func(b bool) string {
		if b {
			return "1"
		}
		return "0"
	}
	rest := string(e.rest)
	if e.failed {
		rest = "failed"
	}
	r, err := s.free.Run(ctx, s.rdb, []string{keyLine(number)}, token, rest, e.d.Milliseconds(), e.most.Milliseconds(), flag(e.reached), flag(e.confirming)).StringSlice()
	if err != nil {
		return rests{}, fmt.Errorf("free line: %w", err)
	}
	if len(r) != 4 {
		return rests{}, fmt.Errorf("free line: %d values for 4", len(r))
	}
	ms, err := strconv.ParseInt(r[2], 10, 64)
	if err != nil {
		return rests{}, fmt.Errorf("free line: %w", err)
	}
	fails, err := strconv.Atoi(r[3])
	if err != nil {
		return rests{}, fmt.Errorf("free line: %w", err)
	}
	return rests{state: State(r[1]), d: time.Duration(ms) * time.Millisecond, fails: fails}, nil
}

// block marks an occupied line as one of which nobody knows whether its call is over, and says since when it is so; without
// a reason it takes the mark back. Not held: the token does not occupy the line.
func (s store) block(ctx context.Context, number, token, why string) (since time.Time, held bool, err error) {
	ms, err := s.blocked.Run(ctx, s.rdb, []string{keyLine(number)}, token, why).Int64()
	if err != nil {
		return since, false, fmt.Errorf("block line: %w", err)
	}
	if ms > 0 {
		since = time.UnixMilli(ms).UTC()
	}
	return since, ms >= 0, nil
}

// holds says whether a token occupies or blocks the line.
func (s store) holds(ctx context.Context, number, token string) (bool, error) {
	v, err := s.rdb.HMGet(ctx, keyLine(number), "token", "state").Result()
	if err != nil {
		return false, fmt.Errorf("read line: %w", err)
	}
	state, _ := v[1].(string)
	return v[0] == token && (State(state) == Occupied || State(state) == Blocked), nil
}

// confirmed takes note that an attempt was found out about.
func (s store) confirmed(ctx context.Context, number, token string) error {
	return s.rdb.HDel(ctx, keyLine(number), fieldConfirming(token)).Err()
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

// show notes how far a line's call is. It is no harm if it comes late or not at all.
func (s store) show(ctx context.Context, number, token string, phase Phase, placed time.Time) error {
	ms, answered := int64(0), "0"
	if !placed.IsZero() {
		ms = placed.UnixMilli()
	}
	if phase != RingsAgent {
		answered = "1"
	}
	return s.progress.Run(ctx, s.rdb, []string{keyLine(number)}, token, string(phase), ms, answered).Err()
}

func at(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
