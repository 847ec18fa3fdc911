package ledger

import (
	"context"
	"crypto/sha1" //nolint:gosec // tells whether a row is still what was read; Redis's scripts have no other hash
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

var (
	//go:embed scripts/update.lua
	updateSource string
	//go:embed scripts/remove.lua
	removeSource string
)

// Update says what becomes of contacts that a list has and the campaign too. The zero value leaves them as they are.
type Update struct {
	Known  bool // what the list has changed is taken over
	Reopen bool // with Known: also for those that are done, who are called again then
}

// The codes of Update and Remove, beside those of Add.
const (
	RowChanged   RowCode = "changed"  // it has the list's row now
	RowPostponed RowCode = "later"    // it is being called, or held for a person: it changes after that
	RowReopened  RowCode = "reopened" // it was done and is called again
	RowClosed    RowCode = "closed"   // it is done, and stays as it is
	RowRemoved   RowCode = "removed"  // it is not called any more

	moved  RowCode = "moved"  // it is not what was read any more
	listed RowCode = "listed" // the list has it
)

// standing is what a list's row is compared with.
type standing struct {
	state   campaign.ContactState // "" for no such contact
	contact campaign.Contact      // as it is, or will be after its call
	sha     string                // of contact as it is stored
	outcome campaign.Outcome
	removed bool // from its list
	free    bool // its number is not its own: another contact may have it
}

func ids(contacts []Entry) []string {
	list := make([]string, len(contacts))
	for i, n := range contacts {
		list[i] = n.Contact.ID
	}
	return list
}

func (l *Ledger) standing(ctx context.Context, name string, ids []string) ([]standing, error) {
	cmds := make([]*redis.SliceCmd, len(ids))
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			cmds[i] = p.HMGet(ctx, keyContact(name, id), "s", "c", "nc", "o", "rm", "nd")
		}
		return nil
	}); err != nil {
		return nil, wrap("read contacts", err)
	}
	list := make([]standing, len(ids))
	for i, cmd := range cmds {
		v := cmd.Val()
		if len(v) != 6 {
			return nil, fmt.Errorf("ledger: read contacts: %d values for 6 fields", len(v))
		}
		s := standing{state: campaign.ContactState(text(v[0])), outcome: campaign.Outcome(text(v[3])), free: text(v[5]) != ""}
		if s.state == "" {
			continue
		}
		src := text(v[1])
		if next := text(v[2]); next != "" {
			src = next
		}
		sum := sha1.Sum([]byte(src)) //nolint:gosec // see its import
		s.sha = hex.EncodeToString(sum[:])
		if err := json.Unmarshal([]byte(src), &s.contact); err != nil {
			return nil, wrap("read contact", err)
		}
		s.contact.ID = ids[i]
		s.removed = text(v[4]) != "" && s.outcome == campaign.Cancelled
		list[i] = s
	}
	return list, nil
}

// change is what is different about a contact.
type change string

const (
	changedNumber  change = "number"
	changedTime    change = "time" // from when on it may be called
	changedText    change = "text"
	changedNothing change = "same"
	changedWish    change = "stop" // the list says not to call
)

// differs compares a contact with a list's row.
func (s standing) differs(row campaign.Contact, headers [][]string, how Update) change {
	is := s.contact
	if s.state == campaign.Done {
		is.Stop = ""
	}
	header := func(c campaign.Contact) []string {
		if c.List < len(headers) {
			return headers[c.List]
		}
		return nil
	}
	switch {
	case row.DoNotCall != "" && s.state == campaign.Done, row.DoNotCall != "" && is.Stop == campaign.Suppressed:
		return changedNothing
	case row.DoNotCall != "":
		return changedWish
	case is.Number() != row.Number(), s.removed && s.free && how.Reopen:
		return changedNumber
	case is.Zone != row.Zone, !is.NotBefore.Equal(row.NotBefore), !is.NotAfter.Equal(row.NotAfter), is.Stop != "", s.removed:
		return changedTime
	case is.List != row.List && !slices.Equal(header(is), header(row)), !is.Same(row):
		return changedText
	}
	return changedNothing
}

// becomes is what update.lua would say of a change.
func (s standing) becomes(c change, how Update, no, taken bool) RowCode {
	switch {
	case c == changedNothing:
		return RowKnown
	case s.state == campaign.Done && !how.Reopen:
		return RowClosed
	case c == changedWish || no:
		return RowSuppressed
	case c == changedNumber && taken:
		return RowDuplicate
	case s.state == campaign.Done:
		return RowReopened
	case s.state == campaign.Waiting:
		return RowChanged
	}
	return RowPostponed
}

// maxMoves is how often a batch is read again because it changed meanwhile.
const maxMoves = 20

// Update adds the contacts of one list that are new, as Add does, and takes over what it has changed about the others. Attempts
// stay with their contacts. A number that is new to a contact is looked up in the do-not-call list and among the others'
// numbers; a contact that is being called changes once its call has ended. The reply has one Added per contact, in order;
// the same again with the same token changes nothing more.
func (l *Ledger) Update(ctx context.Context, name string, idKey []byte, token string, contacts []Entry, how Update) ([]Added, error) {
	if !how.Known {
		return l.add(ctx, name, idKey, token, contacts)
	}
	headers, err := l.Headers(ctx, name)
	if err != nil {
		return nil, err
	}
	done := make([]Added, len(contacts))
	open := make([]int, 0, len(contacts))
	first := map[string]campaign.Contact{}
	for i, n := range contacts {
		switch is, twice := first[n.Contact.ID]; {
		case twice && is.Number() == n.Contact.Number():
			done[i].Code = RowDuplicate
		case twice:
			done[i].Code = RowSharedID
		default:
			first[n.Contact.ID] = n.Contact
			open = append(open, i)
		}
	}
	for range maxMoves {
		if open, err = l.update(ctx, name, idKey, token, contacts, open, headers, how, done); err != nil || len(open) == 0 {
			return done, err
		}
	}
	return nil, wrap("update contacts", errors.New("they are changed by somebody else all the time"))
}

// update tries the contacts at some positions and returns the positions of those that are to be tried again.
func (l *Ledger) update(
	ctx context.Context, name string, idKey []byte, token string, contacts []Entry, at []int, headers [][]string, how Update, done []Added,
) (again []int, err error) {
	some := make([]Entry, len(at))
	for i, n := range at {
		some[i] = contacts[n]
	}
	stand, err := l.standing(ctx, name, ids(some))
	if err != nil {
		return nil, err
	}
	var (
		fresh          []Entry
		freshAt, oldAt []int
	)
	keys := []string{keyCampaign(name), keyNumbers(name), keyDNC, keyEvents(name)}
	args := []any{token, flag(how.Reopen)}
	for i, n := range some {
		if stand[i].state == "" {
			fresh, freshAt = append(fresh, n), append(freshAt, at[i])
			continue
		}
		src, err := json.Marshal(n.Contact)
		if err != nil {
			return nil, wrap("update contacts", err)
		}
		oldAt = append(oldAt, at[i])
		keys = append(keys, keyContact(name, n.Contact.ID))
		args = append(args, n.Contact.ID, src, rowOf(n.Contact), n.Contact.Number(), digest(idKey, n.Contact.Number()), n.Due.UnixMilli(),
			string(n.Reason), stand[i].sha, string(stand[i].differs(n.Contact, headers, how)), digest(idKey, stand[i].contact.Number()))
	}
	// Those that change come first: a number that one of them gives up is free for those that are new.
	for _, part := range []struct {
		at   []int
		send func() ([]Added, error)
	}{
		{oldAt, func() ([]Added, error) {
			return parseAdded(l.scripts.update.Run(ctx, l.rdb, keys, args...), len(oldAt))
		}},
		{freshAt, func() ([]Added, error) { return l.add(ctx, name, idKey, token, fresh) }},
	} {
		if len(part.at) == 0 {
			continue
		}
		got, err := part.send()
		if err != nil {
			return nil, err
		}
		for i, a := range got {
			if a.Code == moved || a.Code == RowOtherNumber {
				again = append(again, part.at[i])
				continue
			}
			done[part.at[i]] = a
		}
	}
	return again, nil
}

// listedFor is how long an import may take whose list's ids are noted.
const listedFor = 24 * time.Hour

// NoteListed notes ids that a list has, for RemoveMissing.
func (l *Ledger) NoteListed(ctx context.Context, name, token string, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.SAdd(ctx, keyListed(name, token), members(ids)...)
		p.Expire(ctx, keyListed(name, token), listedFor)
		return nil
	})
	return wrap("note what is listed", err)
}

// RemoveMissing ends the contacts of a campaign that NoteListed was not told of, so that they are not called any more, and
// says how many ended and how many are being called and end after that. It may be repeated until ForgetListed.
func (l *Ledger) RemoveMissing(ctx context.Context, name, token string, idKey []byte) (removed, later int, err error) {
	const page = 250
	for from := 0; ; from += page {
		all, err := l.Page(ctx, name, from, page)
		if err != nil || len(all) == 0 {
			return removed, later, err
		}
		for try := 0; len(all) > 0; try++ {
			if try == maxMoves {
				return removed, later, wrap("remove contacts", errors.New("they are changed by somebody else all the time"))
			}
			if all, err = l.remove(ctx, name, token, idKey, all, &removed, &later); err != nil {
				return removed, later, err
			}
		}
	}
}

// remove tries some contacts and returns those that are to be tried again.
func (l *Ledger) remove(ctx context.Context, name, token string, idKey []byte, ids []string, removed, later *int) (again []string, err error) {
	stand, err := l.standing(ctx, name, ids)
	if err != nil {
		return nil, err
	}
	var open []string
	keys := []string{keyCampaign(name), keyNumbers(name), keyEvents(name), keyListed(name, token)}
	var args []any
	for i, id := range ids {
		if s := stand[i]; s.state != "" && s.state != campaign.Done && s.contact.Stop == "" {
			open = append(open, id)
			keys = append(keys, keyContact(name, id))
			args = append(args, id, s.sha, digest(idKey, s.contact.Number()))
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	codes, err := l.run(ctx, l.scripts.remove, keys, args...)
	if err != nil {
		return nil, wrap("remove contacts", err)
	}
	for i, code := range codes {
		switch RowCode(code) {
		case RowRemoved:
			*removed++
		case RowPostponed:
			*later++
		case moved:
			again = append(again, open[i])
		}
	}
	return again, nil
}

// Missing counts the contacts that RemoveMissing would remove, now and after their calls, if has said which ids a list has.
func (l *Ledger) Missing(ctx context.Context, name string, has func(id string) bool) (removed, later int, err error) {
	const page = 250
	for from := 0; ; from += page {
		all, err := l.Page(ctx, name, from, page)
		if err != nil || len(all) == 0 {
			return removed, later, err
		}
		stand, err := l.standing(ctx, name, all)
		if err != nil {
			return removed, later, err
		}
		for i, s := range stand {
			switch {
			case s.state == "" || s.state == campaign.Done || s.contact.Stop != "" || has(all[i]):
			case s.state == campaign.Waiting:
				removed++
			default:
				later++
			}
		}
	}
}

// ForgetListed deletes what NoteListed has noted; it is gone after a day by itself.
func (l *Ledger) ForgetListed(ctx context.Context, name, token string) error {
	return wrap("forget what is listed", l.rdb.Unlink(ctx, keyListed(name, token)).Err())
}
