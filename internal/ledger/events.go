package ledger

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Event is one thing that happened in a campaign.
type Event struct {
	ID      string // the stream's, increasing
	At      time.Time
	Kind    string // claimed, placed, answered, settled, released, ended, resolved, retried, adopted
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
			ID: m.ID, At: eventTime(m.ID), Kind: text(m.Values["kind"]), Contact: text(m.Values["contact"]),
			Attempt: number(text(m.Values["attempt"])), Line: text(m.Values["line"]), Text: text(m.Values["text"]),
		}
	}
	return events, nil
}

func eventTime(id string) time.Time {
	ms, _, _ := strings.Cut(id, "-")
	return millis(ms)
}

// LastEvent is the id of a campaign's newest event; "0-0" if there is none.
func (l *Ledger) LastEvent(ctx context.Context, name string) (string, error) {
	list, err := l.rdb.XRevRangeN(ctx, keyEvents(name), "+", "-", 1).Result()
	if err != nil || len(list) == 0 {
		return "0-0", wrap("read events", err)
	}
	return list[0].ID, nil
}

// EventsLost says whether events after the one with the given id are kept no longer.
func (l *Ledger) EventsLost(ctx context.Context, name, after string) (bool, error) {
	list, err := l.rdb.XRangeN(ctx, keyEvents(name), "-", "+", 1).Result()
	if err != nil || len(list) == 0 || !Later(list[0].ID, after) {
		return false, wrap("read events", err)
	}
	// The oldest that is kept comes after it: nothing is lost only if it is the first of all.
	n, err := l.rdb.XInfoStream(ctx, keyEvents(name)).Result()
	if err != nil {
		return false, wrap("read events", err)
	}
	return int64(n.EntriesAdded) > n.Length, nil
}

// Later says whether an event's id is later than another one's.
func Later(id, than string) bool {
	ms, seq := eventID(id)
	thanMS, thanSeq := eventID(than)
	return ms > thanMS || ms == thanMS && seq > thanSeq
}

func eventID(id string) (ms, seq uint64) {
	a, b, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(a, 10, 64) // of Redis, so that it is a number
	seq, _ = strconv.ParseUint(b, 10, 64)
	return ms, seq
}
