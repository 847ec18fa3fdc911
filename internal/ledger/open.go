package ledger

import (
	"context"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/close.lua
var closeSource string

var closeScript = redis.NewScript(libSource + "\n" + closeSource)

// OpenCampaigns reads the campaigns in which something is left to do, oldest first: contacts wait or are live, or it is
// being deleted, or nobody has called Close since. Campaigns that are over cost nothing here.
func (l *Ledger) OpenCampaigns(ctx context.Context) ([]Campaign, error) {
	names, err := l.rdb.SMembers(ctx, keyOpen).Result()
	if err != nil {
		return nil, wrap("list open campaigns", err)
	}
	list, err := l.read(ctx, names)
	slices.SortFunc(list, func(a, b Campaign) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.Rules.Name, b.Rules.Name)
	})
	return list, err
}

// Close takes a campaign out of those that are open; false if something is left to do in it. The scripts that give it
// something to do put it back.
func (l *Ledger) Close(ctx context.Context, name string) (bool, error) {
	n, err := closeScript.Run(ctx, l.rdb, []string{keyCampaign(name), keyOpen, keyEnded}, name).Int()
	return n == 1, wrap("close campaign", err)
}

// Reopen puts those of the n campaigns from a position in the order of creation, counted from 0, among the open ones that
// should be there and are not, since an older release has created them or added to them. It says from where to go on; 0
// after the last one.
func (l *Ledger) Reopen(ctx context.Context, from, n int) (next int, err error) {
	names, err := l.rdb.ZRange(ctx, keyCampaigns, int64(from), int64(from+n-1)).Result()
	if err != nil {
		return from, wrap("list campaigns", err)
	}
	if len(names) > 0 {
		cmds := make([]*redis.SliceCmd, len(names))
		if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range names {
				cmds[i] = p.HMGet(ctx, keyCampaign(name), "state", "closed", "waiting", "live")
			}
			return nil
		}); err != nil {
			return from, wrap("read campaigns", err)
		}
		var open []any
		for i, name := range names {
			v := cmds[i].Val()
			if len(v) != 4 || v[0] == nil {
				continue
			}
			if text(v[0]) == "deleting" || v[1] == nil || number(text(v[2]))+number(text(v[3])) > 0 {
				open = append(open, name)
			}
		}
		if len(open) > 0 {
			if err := l.rdb.SAdd(ctx, keyOpen, open...).Err(); err != nil {
				return from, wrap("open campaigns", err)
			}
		}
	}
	if len(names) < n {
		return 0, nil
	}
	return from + n, nil
}

// ReopenAll is Reopen for all campaigns, for a worker that starts.
func (l *Ledger) ReopenAll(ctx context.Context) error {
	const page = 500
	for from := 0; ; {
		next, err := l.Reopen(ctx, from, page)
		if err != nil || next == 0 {
			return err
		}
		from = next
	}
}

// Ended names at most n campaigns that are over and at whose finished tasks somebody should look by now.
func (l *Ledger) Ended(ctx context.Context, now time.Time, n int) ([]string, error) {
	names, err := l.rdb.ZRangeByScore(ctx, keyEnded, &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(n),
	}).Result()
	return names, wrap("list ended campaigns", err)
}

// LookAgain says when to look at an ended campaign's finished tasks again; the zero time: never, there are none.
func (l *Ledger) LookAgain(ctx context.Context, name string, at time.Time) error {
	if at.IsZero() {
		return wrap("forget ended campaign", l.rdb.ZRem(ctx, keyEnded, name).Err())
	}
	// Not one that was deleted in the meantime.
	err := l.rdb.ZAddXX(ctx, keyEnded, redis.Z{Score: float64(at.UnixMilli()), Member: name}).Err()
	return wrap("look at ended campaign again", err)
}
