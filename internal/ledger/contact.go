package ledger

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// Entry is a contact to add, with the instant from which it may be called and the reason why not sooner.
type Entry struct {
	Contact campaign.Contact
	Due     time.Time
	Reason  campaign.Reason
}

// Added says what became of a contact that was added.
type Added struct {
	Code  RowCode
	Round int       // the round to enqueue; 0: nothing to enqueue
	Due   time.Time // when that round is due
}

// RowCode is what an import did with a contact.
type RowCode string

// The codes of Added.
const (
	RowAdded       RowCode = "added"
	RowKnown       RowCode = "known"        // it was imported before
	RowDuplicate   RowCode = "duplicate"    // another row of the campaign has this number
	RowSuppressed  RowCode = "suppressed"   // on the do-not-call list, or the list says so: recorded as done
	RowOtherNumber RowCode = "other_number" // the contact of this id has another number; nothing was changed
	RowSharedID    RowCode = "shared"       // the same, and the list has had the id before: only from Update
)

// AddHeader stores a call list's header with the campaign and returns its index, which Contact.List refers to.
// The same header gets the same index again.
func (l *Ledger) AddHeader(ctx context.Context, name string, header []string) (int, error) {
	src, err := json.Marshal(header)
	if err != nil {
		return 0, wrap("add header", err)
	}
	for i := 0; ; i++ {
		field := "header:" + strconv.Itoa(i)
		if _, err := l.rdb.HSetNX(ctx, keyCampaign(name), field, src).Result(); err != nil {
			return 0, wrap("add header", err)
		}
		old, err := l.rdb.HGet(ctx, keyCampaign(name), field).Bytes()
		if err != nil {
			return 0, wrap("add header", err)
		}
		if string(old) == string(src) {
			return i, nil
		}
	}
}

// Headers returns the headers of all lists that were imported into a campaign, by index.
func (l *Ledger) Headers(ctx context.Context, name string) ([][]string, error) {
	h, err := l.rdb.HGetAll(ctx, keyCampaign(name)).Result()
	if err != nil {
		return nil, wrap("read headers", err)
	}
	var headers [][]string
	for i := 0; ; i++ {
		src, ok := h["header:"+strconv.Itoa(i)]
		if !ok {
			return headers, nil
		}
		var header []string
		if err := json.Unmarshal([]byte(src), &header); err != nil {
			return nil, wrap("read headers", err)
		}
		headers = append(headers, header)
	}
}

// Add adds contacts in one script; the reply has one Added per contact, in order. A campaign that is not there or is
// cancelled is ErrCancelled. idKey is what IDKey returned.
func (l *Ledger) Add(ctx context.Context, name string, idKey []byte, contacts []Entry) ([]Added, error) {
	return l.add(ctx, name, idKey, "", contacts)
}

func (l *Ledger) add(ctx context.Context, name string, idKey []byte, token string, contacts []Entry) ([]Added, error) {
	keys := make([]string, 0, 5+len(contacts))
	keys = append(keys, keyCampaign(name), keyOrder(name), keyNumbers(name), keyDNC, keyEvents(name))
	args := make([]any, 0, 1+8*len(contacts))
	args = append(args, token)
	for _, n := range contacts {
		src, err := json.Marshal(n.Contact)
		if err != nil {
			return nil, wrap("add contacts", err)
		}
		keys = append(keys, keyContact(name, n.Contact.ID))
		args = append(args, n.Contact.ID, src, rowOf(n.Contact), n.Contact.Number(), digest(idKey, n.Contact.Number()),
			n.Due.UnixMilli(), string(n.Reason), flag(n.Contact.DoNotCall != ""))
	}
	return parseAdded(l.scripts.add.Run(ctx, l.rdb, keys, args...), len(contacts))
}

// parseAdded reads the reply of a script that takes n contacts.
func parseAdded(cmd *redis.Cmd, n int) ([]Added, error) {
	rows, err := cmd.Slice()
	if err != nil {
		if strings.HasPrefix(err.Error(), "REFUSED") {
			return nil, ErrCancelled
		}
		return nil, wrap("add contacts", err)
	}
	if len(rows) != n {
		return nil, fmt.Errorf("ledger: add contacts: %d replies for %d contacts", len(rows), n)
	}
	added := make([]Added, len(rows))
	for i, row := range rows {
		cells, ok := row.([]any)
		if !ok || len(cells) != 3 {
			return nil, fmt.Errorf("ledger: add contacts: unexpected reply %T", row)
		}
		code, round, due := text(cells[0]), text(cells[1]), text(cells[2])
		added[i] = Added{Code: RowCode(code), Round: number(round), Due: millis(due)}
	}
	return added, nil
}

// Check says what Add would do with contacts, and changes nothing. What the given contacts have among themselves, a number
// twice or an id, is the caller's to find.
func (l *Ledger) Check(ctx context.Context, name string, idKey []byte, contacts []Entry) ([]RowCode, error) {
	return l.CheckUpdate(ctx, name, idKey, contacts, Update{})
}

// CheckUpdate is Check for Update.
func (l *Ledger) CheckUpdate(ctx context.Context, name string, idKey []byte, contacts []Entry, how Update) ([]RowCode, error) {
	stand, err := l.standing(ctx, name, ids(contacts))
	if err != nil {
		return nil, err
	}
	numbers := make([]*redis.BoolCmd, len(contacts))
	suppressed := make([]*redis.BoolCmd, len(contacts))
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, n := range contacts {
			numbers[i] = p.SIsMember(ctx, keyNumbers(name), digest(idKey, n.Contact.Number()))
			suppressed[i] = p.SIsMember(ctx, keyDNC, n.Contact.Number())
		}
		return nil
	}); err != nil {
		return nil, wrap("check contacts", err)
	}
	var headers [][]string
	if how.Known {
		if headers, err = l.Headers(ctx, name); err != nil {
			return nil, err
		}
	}
	codes := make([]RowCode, len(contacts))
	for i, n := range contacts {
		no := n.Contact.DoNotCall != "" || suppressed[i].Val()
		switch is := stand[i]; {
		case is.state == "" && numbers[i].Val():
			codes[i] = RowDuplicate
		case is.state == "" && no:
			codes[i] = RowSuppressed
		case is.state == "":
			codes[i] = RowAdded
		case !how.Known && is.contact.Number() != n.Contact.Number():
			codes[i] = RowOtherNumber
		case !how.Known && n.Contact.DoNotCall != "" && is.state == campaign.Waiting:
			codes[i] = RowSuppressed
		case !how.Known:
			codes[i] = RowKnown
		default:
			codes[i] = is.becomes(is.differs(n.Contact, headers, how), how, no, numbers[i].Val())
		}
	}
	return codes, nil
}

// digest stands for a number in the set that finds duplicates: 8 bytes, of no use without the key.
func digest(idKey []byte, number string) []byte {
	mac := hmac.New(sha256.New, idKey)
	mac.Write([]byte(number))
	return mac.Sum(nil)[:8]
}

func rowOf(c campaign.Contact) string {
	return strconv.Itoa(c.List) + ":" + strconv.Itoa(c.Row)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// Record is a contact as the ledger has it.
type Record struct {
	Contact            campaign.Contact
	State              campaign.ContactState
	Round              int
	Due                time.Time
	Charged, Uncharged int
	Outcome            campaign.Outcome
	Reason             campaign.Reason // why it is not called now
	Attempts           []campaign.Attempt
}

// Attempt returns the attempt that has this token.
func (r Record) Attempt(token string) (campaign.Attempt, bool) {
	for _, a := range r.Attempts {
		if a.Token == token {
			return a, true
		}
	}
	return campaign.Attempt{}, false
}

// Contact reads one contact with its attempts.
func (l *Ledger) Contact(ctx context.Context, name, id string) (Record, error) {
	h, err := l.rdb.HGetAll(ctx, keyContact(name, id)).Result()
	if err != nil {
		return Record{}, wrap("read contact", err)
	}
	if len(h) == 0 {
		return Record{}, fmt.Errorf("%w: %s in %s", ErrNoContact, id, name)
	}
	return parseContact(id, h)
}

// Look reads a contact and its campaign in one round trip.
func (l *Ledger) Look(ctx context.Context, name, id string) (Record, Campaign, error) {
	var contact, camp *redis.MapStringStringCmd
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		contact, camp = p.HGetAll(ctx, keyContact(name, id)), p.HGetAll(ctx, keyCampaign(name))
		return nil
	}); err != nil {
		return Record{}, Campaign{}, wrap("read contact", err)
	}
	if len(contact.Val()) == 0 {
		return Record{}, Campaign{}, fmt.Errorf("%w: %s in %s", ErrNoContact, id, name)
	}
	if camp.Val()["rules"] == "" {
		return Record{}, Campaign{}, fmt.Errorf("%w: %s", ErrNoCampaign, name)
	}
	r, err := parseContact(id, contact.Val())
	if err != nil {
		return Record{}, Campaign{}, err
	}
	c, err := parseCampaign(camp.Val())
	return r, c, err
}

// Each reads all contacts of a campaign in the order of their import, a page at a time.
func (l *Ledger) Each(ctx context.Context, name string, visit func(Record) error) error {
	const page = 200
	for from := int64(0); ; from += page {
		ids, err := l.rdb.LRange(ctx, keyOrder(name), from, from+page-1).Result()
		if err != nil {
			return wrap("read contacts", err)
		}
		if len(ids) == 0 {
			return nil
		}
		cmds := make([]*redis.MapStringStringCmd, len(ids))
		if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, id := range ids {
				cmds[i] = p.HGetAll(ctx, keyContact(name, id))
			}
			return nil
		}); err != nil {
			return wrap("read contacts", err)
		}
		for i, cmd := range cmds {
			if len(cmd.Val()) == 0 {
				continue
			}
			r, err := parseContact(ids[i], cmd.Val())
			if err != nil {
				return err
			}
			if err := visit(r); err != nil {
				return err
			}
		}
	}
}

func parseContact(id string, h map[string]string) (Record, error) {
	r := Record{
		State: campaign.ContactState(h["s"]), Round: number(h["r"]), Due: millis(h["d"]),
		Charged: number(h["ch"]), Uncharged: number(h["un"]),
		Outcome: campaign.Outcome(h["o"]), Reason: campaign.Reason(h["w"]),
	}
	if err := json.Unmarshal([]byte(h["c"]), &r.Contact); err != nil {
		return Record{}, wrap("read contact", err)
	}
	r.Contact.ID = id
	for i := 1; i <= number(h["n"]); i++ {
		a, err := parseAttempt(h["a"+strconv.Itoa(i)])
		if err != nil {
			return Record{}, err
		}
		r.Attempts = append(r.Attempts, a)
	}
	return r, nil
}
