package tasks

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Again says what becomes of a list's contacts that are in the campaign already. The zero value leaves them as they are.
type Again struct {
	// Update takes over what the list has changed, by id. Attempts stay with their contacts; a new number is looked up in the
	// do-not-call list and among the others'; one that is being called changes after its call.
	Update bool
	// Reopen, with Update, also changes those who are done, and calls them again. Those whose row is as it was stay done.
	Reopen bool
	// SharedIDs takes an id that a list gives to several numbers for that of a company: each number gets an id of its own.
	SharedIDs bool
	// List names lists that are one, however often and in how many parts they are imported: an id of several numbers is found
	// across them. "" for a list of its own.
	List string
	// Listed notes whom the list has, for RemoveMissing; nil if nobody asks.
	Listed *Listed
}

func (a Again) how() ledger.Update { return ledger.Update{Known: a.Update, Reopen: a.Reopen} }

// Listed is whom some lists have. It is for one campaign and one goroutine.
type Listed struct {
	token string
	ids   map[string]bool // of previews
}

// NewListed is for lists of which none was read yet.
func NewListed() *Listed { return &Listed{token: rand.Text(), ids: map[string]bool{}} }

// NoteListed notes ids of a list beside those that are imported, such as those of rejected rows; with preview in memory alone.
func (p *Producer) NoteListed(ctx context.Context, name string, listed *Listed, preview bool, ids ...string) error {
	if preview {
		for _, id := range ids {
			listed.ids[id] = true
		}
		return nil
	}
	return p.ledger.NoteListed(ctx, name, listed.token, ids...)
}

// RemoveMissing ends the contacts of a campaign that are in none of the lists and says how many, and how many end after their
// call. The lists must have been read to their end.
func (p *Producer) RemoveMissing(ctx context.Context, name string, listed *Listed) (removed, later int, err error) {
	idKey, err := p.ledger.IDKey(ctx)
	if err != nil {
		return 0, 0, err
	}
	if removed, later, err = p.ledger.RemoveMissing(ctx, name, listed.token, idKey); err != nil {
		return removed, later, err
	}
	return removed, later, p.ledger.ForgetListed(ctx, name, listed.token)
}

// PreviewMissing counts what RemoveMissing would remove, for lists that were previewed.
func (p *Producer) PreviewMissing(ctx context.Context, name string, listed *Listed) (removed, later int, err error) {
	return p.ledger.Missing(ctx, name, func(id string) bool { return listed.ids[id] })
}

// ownID is a number's own id where its list gives one id to several numbers.
func ownID(idKey []byte, id, number string) string {
	return id + "-" + contactlist.ContactID(idKey, number)[:8]
}

// store puts a batch into the ledger. Contacts whose id others of the list have get one of their own, this time and each time
// that the list comes again.
func (p *Producer) store(ctx context.Context, name string, idKey []byte, token string, entries []ledger.Entry, again Again) (storedBatch, error) {
	b := storedBatch{entries: entries}
	var err error
	if again.SharedIDs && again.Update {
		if b.shared, err = p.split(ctx, name, idKey, entries, all(len(entries))); err != nil {
			return b, err
		}
	}
	if b.added, err = p.ledger.Update(ctx, name, idKey, token, entries, again.how()); err != nil {
		return b, err
	}
	if again.SharedIDs {
		if err := p.storeShared(ctx, name, idKey, token, &b, again); err != nil {
			return b, err
		}
	}
	if again.Listed != nil {
		ids := make([]string, len(entries))
		for i, e := range entries {
			ids[i] = e.Contact.ID
		}
		err = p.ledger.NoteListed(ctx, name, again.Listed.token, ids...)
	}
	return b, err
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// split gives some entries the ids of their own that they were given before, and says how many.
func (p *Producer) split(ctx context.Context, name string, idKey []byte, entries []ledger.Entry, at []int) (int, error) {
	own := make([]string, len(at))
	for i, n := range at {
		own[i] = ownID(idKey, entries[n].Contact.ID, entries[n].Contact.Number())
	}
	stand, err := p.ledger.Stand(ctx, name, own)
	if err != nil {
		return 0, err
	}
	n := 0
	for i, s := range stand {
		if s.State != "" {
			entries[at[i]].Contact.ID = own[i]
			n++
		}
	}
	return n, nil
}

// storeShared stores those of a batch again, under ids of their own, whose ids others have.
func (p *Producer) storeShared(ctx context.Context, name string, idKey []byte, token string, b *storedBatch, again Again) error {
	var at, other []int
	for i, a := range b.added {
		switch a.Code {
		case ledger.RowSharedID:
			c := &b.entries[i].Contact
			c.ID = ownID(idKey, c.ID, c.Number())
			at = append(at, i)
			b.shared++
		case ledger.RowOtherNumber:
			other = append(other, i)
		}
	}
	if len(other) > 0 {
		before := make([]string, len(other))
		for i, n := range other {
			before[i] = b.entries[n].Contact.ID
		}
		n, err := p.split(ctx, name, idKey, b.entries, other)
		if err != nil {
			return err
		}
		b.shared += n
		for i, n := range other {
			if b.entries[n].Contact.ID != before[i] {
				at = append(at, n)
			}
		}
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(at)
	some := make([]ledger.Entry, len(at))
	for i, n := range at {
		some[i] = b.entries[n]
	}
	added, err := p.ledger.Update(ctx, name, idKey, token, some, again.how())
	if err != nil {
		return err
	}
	for i, n := range at {
		b.added[n] = added[i]
	}
	return nil
}

// PreviewAgain counts what ImportAgain would do, and stores nothing. It remembers the list's ids and numbers.
func (p *Producer) PreviewAgain(ctx context.Context, rules campaign.Rules, contacts Contacts, again Again) (Tally, error) {
	t := Tally{Reasons: map[campaign.Reason]int{}}
	p.clock.Refresh(ctx)
	idKey, err := p.ledger.IDKey(ctx)
	if err != nil {
		return t, err
	}
	pv := &preview{Producer: p, name: rules.Name, idKey: idKey, again: again, ids: map[string]string{}, numbers: map[string]bool{}}
	for last := false; !last; {
		var batch []ledger.Entry
		for len(batch) < batchSize && !last {
			c, err := contacts.Next()
			if last = errors.Is(err, io.EOF); last {
				break
			}
			if err != nil {
				return t, err
			}
			batch = append(batch, ledger.Entry{Contact: c, Reason: rules.HeldBy(c, p.now())})
		}
		if err := pv.count(ctx, batch, &t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// preview is what a look at a list remembers of it.
type preview struct {
	*Producer
	name    string
	idKey   []byte
	again   Again
	ids     map[string]string // with the number of the first that had it
	numbers map[string]bool
}

func (p *preview) count(ctx context.Context, batch []ledger.Entry, t *Tally) error {
	if p.again.SharedIDs {
		if err := p.splitAgain(ctx, batch, t); err != nil {
			return err
		}
	}
	fresh := batch[:0]
	for _, e := range batch {
		id, number := e.Contact.ID, e.Contact.Number()
		if p.again.Listed != nil {
			p.again.Listed.ids[id] = true
		}
		switch first, twice := p.ids[id]; {
		case twice && first != number:
			t.OtherNumber++
		case twice:
			t.Duplicates++
		default:
			p.ids[id] = number
			fresh = append(fresh, e)
		}
	}
	codes, err := p.ledger.CheckUpdate(ctx, p.name, p.idKey, fresh, p.again.how())
	if err != nil {
		return err
	}
	for i, code := range codes {
		number := fresh[i].Contact.Number()
		switch code {
		case ledger.RowAdded, ledger.RowSuppressed, ledger.RowChanged, ledger.RowPostponed, ledger.RowReopened:
			if p.numbers[number] {
				code = ledger.RowDuplicate
			}
			p.numbers[number] = true
		}
		t.count(code, fresh[i].Reason)
	}
	return nil
}

// splitAgain gives ids of their own to those whose ids others have, as store does.
func (p *preview) splitAgain(ctx context.Context, batch []ledger.Entry, t *Tally) error {
	at := all(len(batch))
	if !p.again.Update {
		codes, err := p.ledger.Check(ctx, p.name, p.idKey, batch)
		if err != nil {
			return err
		}
		at = slices.DeleteFunc(at, func(i int) bool { return codes[i] != ledger.RowOtherNumber })
	}
	n, err := p.split(ctx, p.name, p.idKey, batch, at)
	if err != nil {
		return err
	}
	t.SharedID += n
	within := map[string]string{}
	for i := range batch {
		c := &batch[i].Contact
		first, twice := p.ids[c.ID]
		if !twice {
			first, twice = within[c.ID]
		}
		if twice && first != c.Number() {
			c.ID = ownID(p.idKey, c.ID, c.Number())
			t.SharedID++
		}
		within[c.ID] = c.Number()
	}
	return nil
}

func (t *Tally) count(code ledger.RowCode, held campaign.Reason) {
	switch code {
	case ledger.RowAdded:
		t.Added++
		if held != "" {
			t.Held++
			t.Reasons[held]++
		}
	case ledger.RowKnown:
		t.Known++
	case ledger.RowDuplicate:
		t.Duplicates++
	case ledger.RowSuppressed:
		t.Suppressed++
	case ledger.RowOtherNumber, ledger.RowSharedID:
		t.OtherNumber++
	case ledger.RowChanged:
		t.Changed++
	case ledger.RowPostponed:
		t.Later++
	case ledger.RowReopened:
		t.Reopened++
	case ledger.RowClosed:
		t.Closed++
	}
}

// byPriority hands out contacts with the highest priority first, within blocks of some thousands.
type byPriority struct {
	contacts Contacts
	block    []campaign.Contact
	err      error // what came behind the block
}

// priorityBlock is how many contacts are in memory to be put in order.
const priorityBlock = 50_000

// ByPriority puts a list's contacts in the order of their priorities, highest first, and otherwise in their own order. Of a
// list with more than 50,000 contacts each 50,000 are put in order, so that memory stays bounded.
func ByPriority(contacts Contacts) Contacts { return &byPriority{contacts: contacts} }

func (b *byPriority) Next() (campaign.Contact, error) {
	if len(b.block) == 0 && b.err == nil {
		var c campaign.Contact
		for len(b.block) < priorityBlock {
			if c, b.err = b.contacts.Next(); b.err != nil {
				break
			}
			b.block = append(b.block, c)
		}
		slices.SortStableFunc(b.block, func(x, y campaign.Contact) int { return cmp.Compare(y.Priority, x.Priority) })
	}
	if len(b.block) == 0 {
		return campaign.Contact{}, b.err
	}
	c := b.block[0]
	b.block = b.block[1:]
	return c, nil
}
