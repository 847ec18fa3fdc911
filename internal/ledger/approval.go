package ledger

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed scripts/redis.lua
	redisSource string
	//go:embed scripts/beat.lua
	beatSource string
	//go:embed scripts/notice.lua
	noticeSource string
	//go:embed scripts/agree.lua
	agreeSource string
	//go:embed scripts/approve.lua
	approveSource string
)

// keyRedis is which Redis process may take claims.
const keyRedis = "ringqueue:{ledger}:redis"

// RedisChanged says in words why a line does not dial while Claim refuses with RefusedRedis.
const RedisChanged = "Redis was restarted or replaced; checking RingCentral's records first"

// RedisHolds says in words why a contact is not called while Claim refuses with RefusedHeld.
const RedisHolds = "Redis was restarted or replaced; a line that may have called this contact is still being checked"

// ErrOtherRedis is returned where a decision about a Redis process comes too late: another one has taken its place.
var ErrOtherRedis = errors.New("redis was restarted or replaced meanwhile")

// Approval is which Redis process has the ledger now and which one may take claims. A Redis that was restarted or that took
// over from another one may have lost some, so it takes none until RingCentral's records were compared with the ledger: on
// each line not before the line's own calls were, and for a contact that a line may have called unknown to the ledger not
// before that one's were, or Until.
type Approval struct {
	RunID    string    // of the process that answered; "" where Redis does not tell it, and then nothing is refused
	Approved string    // of the process that may take claims; "" for none on record
	Seen     time.Time // when a worker last saw the approved one; nothing that is older was lost
	Now      time.Time // of the answer; all on Redis's clock

	// While Changed, and zero before Notice:
	Noticed time.Time // when a worker first saw the process that answered
	Before  time.Time // a contact that was due until then may have been called
	Until   time.Time // until when such contacts wait at most

	lines, teams map[string]bool
}

// Changed says whether Claim looks at lines and teams until Approve.
func (a Approval) Changed() bool {
	return a.RunID != "" && a.Approved != "" && a.RunID != a.Approved
}

// LineAgreed says whether a line may dial, as far as Redis is concerned.
func (a Approval) LineAgreed(number string) bool { return !a.Changed() || a.lines[number] }

// TeamAgreed says whether no contact of a team's campaigns waits because a line may have called it.
func (a Approval) TeamAgreed(team string) bool { return !a.Changed() || a.teams[team] }

// Holds says whether a contact of a team's campaign waits although its line may dial.
func (a Approval) Holds(team string, due time.Time) bool {
	return !a.TeamAgreed(team) && !due.After(a.Before)
}

// Approval reads it and changes nothing.
func (l *Ledger) Approval(ctx context.Context) (Approval, error) { return l.beat(ctx, true) }

// Beat reads the approval and records that the approved Redis was seen just now. The first Redis that it meets is
// approved. It also remembers what it saw: a Redis that comes back without any approval on record is not the first one.
func (l *Ledger) Beat(ctx context.Context) (Approval, error) { return l.beat(ctx, false) }

func (l *Ledger) beat(ctx context.Context, look bool) (Approval, error) {
	known, at := "", int64(0)
	if k := l.known.Load(); k != nil {
		known, at = k.Approved, k.Seen.UnixMilli()
	}
	r, err := l.run(ctx, l.scripts.beat, []string{keyRedis}, known, strconv.FormatInt(at, 10), flag(look))
	if err == nil && len(r) < 4 {
		err = fmt.Errorf("%d values for at least 4", len(r))
	}
	if err != nil {
		return Approval{}, wrap("read approval", err)
	}
	a := Approval{RunID: r[0], Approved: r[1], Seen: millis(r[2]), Now: millis(r[3])}
	if len(r) >= 7 {
		a.Noticed, a.Before, a.Until = millis(r[4]), millis(r[5]), millis(r[6])
		a.lines, a.teams = map[string]bool{}, map[string]bool{}
		for _, field := range r[7:] {
			kind, name, _ := strings.Cut(field, ":")
			if kind == "line" {
				a.lines[name] = true
			} else {
				a.teams[name] = true
			}
		}
	}
	if !look {
		if a.RunID != "" && a.RunID == a.Approved {
			l.known.Store(&a)
		}
		l.beaten.Store(&a)
	}
	return a, nil
}

// Held says whether Claim would refuse a contact with RefusedHeld, by what Beat saw last, and until when at most. It spares
// a line and a slot; it asks nobody.
func (l *Ledger) Held(team string, due time.Time) (until time.Time, held bool) {
	a := l.beaten.Load()
	if a == nil || !a.Holds(team, due) {
		return time.Time{}, false
	}
	return a.Until, true
}

// Notice records that the process of this run id is not the approved one. Contacts that were due until slack from now wait
// for their team's lines, but not longer than atMost. It may be repeated: the first time counts.
func (l *Ledger) Notice(ctx context.Context, runID string, slack, atMost time.Duration) error {
	_, err := l.runInt(ctx, l.scripts.notice, []string{keyRedis}, runID, slack.Milliseconds(), atMost.Milliseconds())
	return wrap("notice that Redis changed", err)
}

// AgreeLines lets lines dial in the process of this run id: their calls were compared, or a person has decided so.
func (l *Ledger) AgreeLines(ctx context.Context, runID string, numbers ...string) error {
	_, err := l.agree(ctx, runID, "line:", numbers)
	return err
}

// AgreeTeam lets all contacts of a team's campaigns be called in the process of this run id; false if they were before.
func (l *Ledger) AgreeTeam(ctx context.Context, runID, team string) (bool, error) {
	n, err := l.agree(ctx, runID, "team:", []string{team})
	return n > 0, err
}

func (l *Ledger) agree(ctx context.Context, runID, kind string, names []string) (int, error) {
	args := []any{runID}
	for _, name := range names {
		args = append(args, kind+name)
	}
	n, err := l.runInt(ctx, l.scripts.agree, []string{keyRedis}, args...)
	if err == nil && n < 0 {
		err = ErrOtherRedis
	}
	return n, wrap("approve", err)
}

// Approve lets the Redis process of this run id take claims; false if another one answers by now.
func (l *Ledger) Approve(ctx context.Context, runID string) (bool, error) {
	n, err := l.runInt(ctx, l.scripts.approve, []string{keyRedis}, runID)
	return n == 1, wrap("approve", err)
}

// approvedKnown is the run id that Beat last saw approved, "" for none.
func (l *Ledger) approvedKnown() string {
	if k := l.known.Load(); k != nil {
		return k.Approved
	}
	return ""
}

func loadRedisScript(source string) *redis.Script {
	return redis.NewScript(libSource + "\n" + redisSource + "\n" + source)
}
