package ledger

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed scripts/redis.lua
	redisSource string
	//go:embed scripts/beat.lua
	beatSource string
	//go:embed scripts/approve.lua
	approveSource string
)

// keyRedis is which Redis process may take claims.
const keyRedis = "ringqueue:{ledger}:redis"

// RedisChanged says in words why nothing is dialled while Claim refuses with RefusedRedis.
const RedisChanged = "Redis was restarted or replaced; checking RingCentral's records first"

// Approval is which Redis process has the ledger now and which one may take claims. A Redis that was restarted or that took
// over from another one may have lost some, so it may take none until RingCentral's records were compared with the ledger.
type Approval struct {
	RunID    string    // of the process that answered; "" where Redis does not tell it, and then nothing is refused
	Approved string    // of the process that may take claims; "" for none on record
	Seen     time.Time // when a worker last saw the approved one; nothing that is older was lost
	Now      time.Time // of the answer; both on Redis's clock
}

// Changed says whether claims are refused until Approve.
func (a Approval) Changed() bool {
	return a.RunID != "" && a.Approved != "" && a.RunID != a.Approved
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
	if err != nil {
		return Approval{}, wrap("read approval", err)
	}
	a := Approval{RunID: r[0], Approved: r[1], Seen: millis(r[2]), Now: millis(r[3])}
	if !look && a.RunID != "" && a.RunID == a.Approved {
		l.known.Store(&a)
	}
	return a, nil
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
