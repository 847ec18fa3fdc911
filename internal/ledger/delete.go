package ledger

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Errors of deleting.
var (
	ErrLive     = errors.New("calls are live")
	ErrDeleting = errors.New("the campaign is being deleted")
)

// Incarnation tells a campaign from a later one of its name.
type Incarnation string

// Incarnation is this campaign's.
func (c Campaign) Incarnation() Incarnation {
	return Incarnation(strconv.FormatInt(c.CreatedAt.UnixMilli(), 10))
}

// BeginDelete makes a campaign one that is being deleted: nothing is claimed for it and nothing added to it any more. It is
// ErrLive while it has live calls. Repeating it is no error.
func (l *Ledger) BeginDelete(ctx context.Context, name string) (Incarnation, error) {
	return l.stop(ctx, name, "deleting")
}

// Erase deletes a campaign that is being deleted, contacts and attempts and all, and calls visit with each page of contacts
// before it goes. It may be repeated, and by several at once. The do-not-call list stays.
func (l *Ledger) Erase(ctx context.Context, name string, which Incarnation, visit func([]Standing) error) error {
	const page = stepSize
	erase := func(last bool, keys ...string) (bool, error) {
		keys = append([]string{keyCampaign(name), keyCampaigns, keyOpen, keyEnded, keyDeleted}, keys...)
		n, err := l.runInt(ctx, l.scripts.erase, keys, name, string(which), flag(last))
		return n == 1, wrap("delete campaign", err)
	}
	for from := 0; ; from += page {
		ids, err := l.Page(ctx, name, from, page)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		stand, err := l.Stand(ctx, name, ids)
		if err != nil {
			return err
		}
		if err := visit(stand); err != nil {
			return err
		}
		keys := make([]string, len(ids))
		for i, id := range ids {
			keys[i] = keyContact(name, id)
		}
		if there, err := erase(false, keys...); err != nil || !there {
			return err
		}
	}
	_, err := erase(true, keyOrder(name), keyNumbers(name), keyEvents(name))
	return err
}

// Deletion is a campaign that was deleted.
type Deletion struct {
	Name string
	At   time.Time
}

// Deleted lists at most n campaigns that were deleted, the oldest deletion first, until ForgetDeleted: somebody may still
// have been about to enqueue for them.
func (l *Ledger) Deleted(ctx context.Context, n int) ([]Deletion, error) {
	list, err := l.rdb.ZRangeWithScores(ctx, keyDeleted, 0, int64(n-1)).Result()
	if err != nil {
		return nil, wrap("list deleted campaigns", err)
	}
	deleted := make([]Deletion, 0, len(list))
	for _, z := range list {
		name, _ := z.Member.(string)
		deleted = append(deleted, Deletion{Name: name, At: time.UnixMilli(int64(z.Score))})
	}
	return deleted, nil
}

// ForgetDeleted ends that a campaign is listed as deleted.
func (l *Ledger) ForgetDeleted(ctx context.Context, name string) error {
	return wrap("forget deleted campaign", l.rdb.ZRem(ctx, keyDeleted, name).Err())
}
