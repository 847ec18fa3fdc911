package ledger

import (
	"context"
	_ "embed"
	"encoding/json"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed scripts/dnc.lua
	dncSource string
	//go:embed scripts/dncend.lua
	dncEndSource string
)

// DNCEntry is a number on the do-not-call list.
type DNCEntry struct {
	Number  string    `json:"number"` // E.164
	Reason  string    `json:"reason"`
	Source  string    `json:"source"`              // who or what said so
	AddedAt time.Time `json:"added_at,omitzero"`   // zero: now; of one that was there before this was kept, unknown
	Expires time.Time `json:"expires_at,omitzero"` // zero: never
}

// dncDetails is an entry as the scripts store it; times are in milliseconds.
type dncDetails struct {
	Reason  string `json:"r"`
	Source  string `json:"s"`
	Added   string `json:"t"`
	Expires string `json:"e"`
}

const dncBatch = 500 // numbers that one script takes

func dncKeys() []string { return []string{keyDNC, keyDNCDetails, keyDNCEnds} }

// DNCPut puts numbers on the do-not-call list and says how many were new to it. A number that is on it keeps the wish that
// lasts longer.
func (l *Ledger) DNCPut(ctx context.Context, entries ...DNCEntry) (int, error) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	added := 0
	for len(entries) > 0 {
		n := min(len(entries), dncBatch)
		args := make([]any, 0, 5*n)
		for _, e := range entries[:n] {
			args = append(args, e.Number, e.Reason, e.Source, at(e.AddedAt), at(e.Expires))
		}
		entries = entries[n:]
		fresh, err := l.runInt(ctx, l.scripts.dnc, dncKeys(), args...)
		if err != nil {
			return added, wrap("add to do-not-call list", err)
		}
		added += fresh
	}
	return added, nil
}

// DNCAdd puts numbers (E.164) on the do-not-call list for ever, without more to say of them, and says how many were new to it.
func (l *Ledger) DNCAdd(ctx context.Context, numbers ...string) (int, error) {
	entries := make([]DNCEntry, len(numbers))
	for i, n := range numbers {
		entries[i].Number = n
	}
	return l.DNCPut(ctx, entries...)
}

// DNCRemove takes numbers off the do-not-call list and says how many were on it.
func (l *Ledger) DNCRemove(ctx context.Context, numbers ...string) (int, error) {
	if len(numbers) == 0 {
		return 0, nil
	}
	var n *redis.IntCmd
	_, err := l.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		n = p.SRem(ctx, keyDNC, members(numbers)...)
		p.HDel(ctx, keyDNCDetails, numbers...)
		p.ZRem(ctx, keyDNCEnds, members(numbers)...)
		return nil
	})
	if err != nil {
		return 0, wrap("remove from do-not-call list", err)
	}
	return int(n.Val()), nil
}

// DNCEnd takes numbers off the do-not-call list whose time is over, and says how many. Until it is called they stay on it.
func (l *Ledger) DNCEnd(ctx context.Context) (int, error) {
	for total := 0; ; {
		n, err := l.runInt(ctx, l.scripts.dncEnd, dncKeys(), dncBatch)
		total += n
		if err != nil || n < dncBatch {
			return total, wrap("clear do-not-call list", err)
		}
	}
}

// DNCHas says whether a number is on the do-not-call list.
func (l *Ledger) DNCHas(ctx context.Context, number string) (bool, error) {
	on, err := l.rdb.SIsMember(ctx, keyDNC, number).Result()
	return on, wrap("look up do-not-call list", err)
}

// DNCEach visits the entries of the do-not-call list in no particular order; one may come twice while the list changes.
func (l *Ledger) DNCEach(ctx context.Context, visit func(DNCEntry) error) error {
	var cursor uint64
	for {
		page, next, err := l.rdb.SScan(ctx, keyDNC, cursor, "", 1000).Result()
		if err != nil {
			return wrap("read do-not-call list", err)
		}
		details := make([]any, len(page))
		if len(page) > 0 {
			if details, err = l.rdb.HMGet(ctx, keyDNCDetails, page...).Result(); err != nil {
				return wrap("read do-not-call list", err)
			}
		}
		for i, number := range page {
			e := DNCEntry{Number: number}
			if src := text(details[i]); src != "" {
				var d dncDetails
				if err := json.Unmarshal([]byte(src), &d); err != nil {
					return wrap("read do-not-call list", err)
				}
				e.Reason, e.Source, e.AddedAt, e.Expires = d.Reason, d.Source, millis(d.Added), millis(d.Expires)
			}
			if err := visit(e); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func members(numbers []string) []any {
	list := make([]any, len(numbers))
	for i, n := range numbers {
		list[i] = n
	}
	return list
}
