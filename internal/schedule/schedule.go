// Package schedule starts a run of a campaign from a call list at each instant of a rule: exactly one run per instant,
// whatever the number of workers and whatever becomes of them.
//
// A rule knows its next instant. One script moves it on and records the run, on Redis's clock: of all workers that see an
// instant come, one gets it. A run then goes from due (its list is to be read) over listed (a snapshot of the list is in
// Redis) and importing to running and done. Each step is taken under a lease that lapses with its worker, and may be
// repeated by the next one: the run imports from the snapshot, and importing twice calls nobody twice.
package schedule

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// Overlap says what happens to a run whose predecessor still has contacts to call.
type Overlap string

// The answers to an overlap.
const (
	OverlapSkip    Overlap = "skip"    // the new run is not started
	OverlapQueue   Overlap = "queue"   // it starts once the other is done
	OverlapReplace Overlap = "replace" // the other is cancelled; its conversations go on
)

// State is where a run stands.
type State string

// The states of a run.
const (
	StateDue       State = "due"       // its list is to be read
	StateListed    State = "listed"    // a snapshot of its list is stored
	StateImporting State = "importing" // its campaign is being filled
	StateRunning   State = "running"   // its campaign is on its own
	StateDone      State = "done"      // its campaign is over
	StateMissed    State = "missed"    // no worker was up at its instant, nor soon enough after
	StateSkipped   State = "skipped"   // the run before was not done
	StateFailed    State = "failed"    // its list could not be used
)

// Rule is a schedule as it is stored.
type Rule struct {
	Name    string            `json:"name"`
	When    When              `json:"when"`
	List    string            `json:"csv"` // a path or pattern on the worker's machine, an https URL, or stored:NAME
	Columns map[string]string `json:"columns,omitempty"`
	Rules   campaign.Rules    `json:"rules"`       // of each run's campaign, but for the name
	CatchUp time.Duration     `json:"catch_up_ns"` // how late an instant may still run
	Overlap Overlap           `json:"overlap"`
	Keep    int               `json:"keep"` // ended runs that are kept
}

// The longest name of a schedule: its runs' names have an instant behind it.
const maxName = 45

// ValidName says whether a schedule may have this name.
func ValidName(name string) bool { return campaign.ValidName(name) && len(name) <= maxName }

// Run is one firing of a schedule.
type Run struct {
	Name     string    `json:"name"` // also the campaign's
	Schedule string    `json:"schedule"`
	Instant  time.Time `json:"instant"`
	State    State     `json:"state"`
	Detail   string    `json:"detail"` // for people: why it is skipped, failed, or waits
	Contacts int       `json:"contacts"`
	Rejected int       `json:"rejected"`
	LeftOut  int       `json:"left_out"` // still open in an earlier run
	FiredAt  time.Time `json:"fired_at,omitzero"`
	EndedAt  time.Time `json:"ended_at,omitzero"`

	Outcomes map[campaign.Outcome]int `json:"outcomes,omitempty"` // once done

	rule  Rule
	lease time.Time
	retry time.Time
	began bool // its campaign was created
}

// Open says whether the run is not at its end.
func (r Run) Open() bool {
	return slices.Contains([]State{StateDue, StateListed, StateImporting, StateRunning}, r.State)
}

// Failing says whether the run's list cannot be used, for now or for good. One that is still being written is not wrong.
func (r Run) Failing() bool {
	return r.State == StateFailed || r.State == StateDue && r.Detail != "" && !strings.Contains(r.Detail, errWriting.Error())
}

// Lateness is how long after its instant the run was started.
func (r Run) Lateness() time.Duration { return max(r.FiredAt.Sub(r.Instant), 0) }

// Schedule is a rule and where it stands.
type Schedule struct {
	Rule
	Paused    bool
	Next      time.Time // zero: no instant is left
	CreatedAt time.Time
	Last      *Run // the newest run, if any

	rev string
}

// Errors that callers tell apart.
var (
	ErrNone    = errors.New("no such schedule")
	ErrDiffers = errors.New("a schedule of this name exists with other settings; --update replaces them")
)

// All keys share a hash tag: firing writes the rule, the run and the set of open runs in one script.
const (
	keyNames  = "ringqueue:{schedule}:names"
	keyOpen   = "ringqueue:{schedule}:open"
	keyStored = "ringqueue:{schedule}:stored"
)

func keyRule(name string) string   { return "ringqueue:{schedule}:rule:" + name }
func keyRuns(name string) string   { return "ringqueue:{schedule}:runs:" + name }
func keyRun(run string) string     { return "ringqueue:{schedule}:run:" + run }
func keyList(run string) string    { return "ringqueue:{schedule}:list:" + run }
func keyLeftOut(run string) string { return "ringqueue:{schedule}:left-out:" + run }

var (
	//go:embed scripts/lib.lua
	libSource string
	//go:embed scripts/put.lua
	putSource string
	//go:embed scripts/fire.lua
	fireSource string
	//go:embed scripts/take.lua
	takeSource string
	//go:embed scripts/step.lua
	stepSource string
	//go:embed scripts/set.lua
	setSource string
)

// Store reads and writes schedules and their runs. It is safe for concurrent use.
type Store struct {
	rdb                        redis.UniversalClient
	put, fire, take, step, set *redis.Script
}

// NewStore returns a store on a Redis client, which stays the caller's to close.
func NewStore(rdb redis.UniversalClient) *Store {
	load := func(source string) *redis.Script { return redis.NewScript(libSource + "\n" + source) }
	return &Store{
		rdb: rdb, put: load(putSource), fire: load(fireSource), take: load(takeSource), step: load(stepSource), set: load(setSource),
	}
}

// Now is Redis's time, by which instants are judged: workers' clocks may differ.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	now, err := s.rdb.Time(ctx).Result()
	return now, wrap("read the time", err)
}

// Add stores a schedule, from whose first instant after now it runs. One that is there with other settings is ErrDiffers
// unless update is set.
func (s *Store) Add(ctx context.Context, rule Rule, update bool) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	src, err := json.Marshal(rule)
	if err != nil {
		return wrap("add", err)
	}
	reply, err := s.put.Run(ctx, s.rdb, []string{keyRule(rule.Name), keyNames}, rule.Name, src, nextAfter(rule, now), flag(update)).Text()
	if err != nil {
		return wrap("add", err)
	}
	if reply == "differs" {
		return fmt.Errorf("schedule %s: %w", rule.Name, ErrDiffers)
	}
	return nil
}

func nextAfter(rule Rule, t time.Time) string {
	if next, ok := rule.When.Next(t); ok {
		return strconv.FormatInt(next.UnixMilli(), 10)
	}
	return ""
}

// Get reads one schedule.
func (s *Store) Get(ctx context.Context, name string) (Schedule, error) {
	list, err := s.read(ctx, []string{name})
	if err != nil {
		return Schedule{}, err
	}
	if len(list) == 0 {
		return Schedule{}, fmt.Errorf("%w: %s", ErrNone, name)
	}
	return list[0], nil
}

// All reads all schedules, by name.
func (s *Store) All(ctx context.Context) ([]Schedule, error) {
	names, err := s.rdb.SMembers(ctx, keyNames).Result()
	if err != nil {
		return nil, wrap("list", err)
	}
	slices.Sort(names)
	return s.read(ctx, names)
}

func (s *Store) read(ctx context.Context, names []string) ([]Schedule, error) {
	rules := make([]*redis.MapStringStringCmd, len(names))
	last := make([]*redis.StringSliceCmd, len(names))
	if _, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			rules[i], last[i] = p.HGetAll(ctx, keyRule(name)), p.ZRevRange(ctx, keyRuns(name), 0, 0)
		}
		return nil
	}); err != nil {
		return nil, wrap("read", err)
	}
	var list []Schedule
	for i := range names {
		h := rules[i].Val()
		if h["rule"] == "" {
			continue
		}
		one := Schedule{Paused: h["paused"] == "1", Next: millis(h["next"]), CreatedAt: millis(h["created"]), rev: h["rev"]}
		if err := json.Unmarshal([]byte(h["rule"]), &one.Rule); err != nil {
			return nil, wrap("read", err)
		}
		runs, err := s.runs(ctx, last[i].Val())
		if err != nil {
			return nil, err
		}
		if len(runs) > 0 {
			one.Last = &runs[0]
		}
		list = append(list, one)
	}
	return list, nil
}

// Runs reads the kept runs of a schedule, newest first.
func (s *Store) Runs(ctx context.Context, name string) ([]Run, error) {
	names, err := s.rdb.ZRevRange(ctx, keyRuns(name), 0, -1).Result()
	if err != nil {
		return nil, wrap("list runs", err)
	}
	return s.runs(ctx, names)
}

func (s *Store) runs(ctx context.Context, names []string) ([]Run, error) {
	if len(names) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.MapStringStringCmd, len(names))
	if _, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			cmds[i] = p.HGetAll(ctx, keyRun(name))
		}
		return nil
	}); err != nil {
		return nil, wrap("read runs", err)
	}
	list := make([]Run, 0, len(names))
	for i, cmd := range cmds {
		h := cmd.Val()
		if h["state"] == "" {
			continue
		}
		r := Run{
			Name: names[i], Schedule: h["schedule"], Instant: millis(h["instant"]), State: State(h["state"]), Detail: h["detail"],
			Contacts: number(h["contacts"]), Rejected: number(h["rejected"]), LeftOut: number(h["left_out"]),
			FiredAt: millis(h["fired"]), EndedAt: millis(h["ended"]), lease: millis(h["lease"]), retry: millis(h["retry"]),
			began: h["began"] == "1",
		}
		if err := json.Unmarshal([]byte(h["rule"]), &r.rule); err != nil {
			return nil, wrap("read runs", err)
		}
		if src := h["outcomes"]; src != "" {
			if err := json.Unmarshal([]byte(src), &r.Outcomes); err != nil {
				return nil, wrap("read runs", err)
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// Pause keeps a schedule from firing; its instants pass until Resume.
func (s *Store) Pause(ctx context.Context, name string) error {
	return s.change(ctx, name, "pause", "")
}

// Resume lets a schedule fire again, from its next instant.
func (s *Store) Resume(ctx context.Context, name string) error {
	one, err := s.Get(ctx, name)
	if err != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	return s.change(ctx, name, "resume", nextAfter(one.Rule, now))
}

// Remove deletes a schedule. Runs that have begun go on, and all campaigns stay.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.change(ctx, name, "remove", ""); err != nil {
		return err
	}
	runs, err := s.Runs(ctx, name)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if !run.Open() {
			err = errors.Join(err, s.forget(ctx, run))
		}
	}
	return err
}

// forget deletes the record of a run that has ended.
func (s *Store) forget(ctx context.Context, run Run) error {
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, keyRuns(run.Schedule), run.Name)
		p.Unlink(ctx, keyRun(run.Name), keyLeftOut(run.Name))
		return nil
	})
	return wrap("forget a run", err)
}

func (s *Store) change(ctx context.Context, name, what, next string) error {
	n, err := s.set.Run(ctx, s.rdb, []string{keyRule(name), keyNames}, name, what, next).Int()
	if err == nil && n == 0 {
		return fmt.Errorf("%w: %s", ErrNone, name)
	}
	return wrap(what, err)
}

// RunNow fires a schedule at once, beside its instants, and returns the run's name.
func (s *Store) RunNow(ctx context.Context, name string) (string, error) {
	one, err := s.Get(ctx, name)
	if err != nil {
		return "", err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return "", err
	}
	run := name + "-" + one.When.Civil(now).Format("20060102T150405")
	ours, err := s.record(ctx, one, one.Next, []firing{{run, now, StateDue, "started by hand"}}, true)
	if err == nil && !ours {
		err = fmt.Errorf("schedule %s was changed just now; try again", name)
	}
	return run, err
}

// firing is a run to be recorded.
type firing struct {
	run     string
	instant time.Time
	state   State
	detail  string
}

// record moves a rule on to its next instant and records runs; false if another worker did, or the rule has changed.
func (s *Store) record(ctx context.Context, one Schedule, next time.Time, runs []firing, byHand bool) (bool, error) {
	src, err := json.Marshal(one.Rule)
	if err != nil {
		return false, wrap("fire", err)
	}
	keys := []string{keyRule(one.Name), keyRuns(one.Name), keyOpen}
	args := []any{one.rev, ms(one.Next), ms(next), src, one.Name, flag(byHand)}
	for _, f := range runs {
		keys = append(keys, keyRun(f.run))
		args = append(args, f.run, ms(f.instant), string(f.state), f.detail)
	}
	n, err := s.fire.Run(ctx, s.rdb, keys, args...).Int()
	return n == 1, wrap("fire", err)
}

func ms(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func millis(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // an absent field counts as zero
	return n
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("schedule: %s: %w", op, err)
}

// Shown is a list's address without what an URL may hold of secrets.
func Shown(list string) string {
	if before, _, ok := strings.Cut(list, "?"); ok && strings.Contains(before, "://") {
		return before + "?…"
	}
	return list
}
