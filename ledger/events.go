package ledger

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Event is one thing that happened in a campaign.
type Event struct {
	ID      string // the stream's, increasing
	Kind    string // claimed, placed, answered, settled, released, ended, resolved
	Contact string
	Attempt int
	Line    string
	Text    string
}

// Events reads at most count events after the one with the given id ("" from the oldest kept, "$" for the last ones).
func (l *Ledger) Events(ctx context.Context, name, after string, count int64) ([]Event, error) {
	var (
		list []redis.XMessage
		err  error
	)
	switch after {
	case "$":
		list, err = l.rdb.XRevRangeN(ctx, keyEvents(name), "+", "-", count).Result()
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
	case "":
		list, err = l.rdb.XRangeN(ctx, keyEvents(name), "-", "+", count).Result()
	default:
		list, err = l.rdb.XRangeN(ctx, keyEvents(name), "("+after, "+", count).Result()
	}
	if err != nil {
		return nil, wrap("read events", err)
	}
	events := make([]Event, len(list))
	for i, m := range list {
		events[i] = Event{
			ID: m.ID, Kind: text(m.Values["kind"]), Contact: text(m.Values["contact"]),
			Attempt: number(text(m.Values["attempt"])), Line: text(m.Values["line"]), Text: text(m.Values["text"]),
		}
	}
	return events, nil
}
