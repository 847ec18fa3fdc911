// Package ledger is the record of campaigns, contacts and attempts in Redis.
//
// The ledger alone says what was done. A contact is waiting, placing, live, done or unconfirmed; every change of state is
// one Lua script on Redis's clock that also moves the campaign's counts, so that waiting + live + done + unconfirmed =
// total at every instant. Scripts that belong to an attempt carry its token and give their first answer again when they
// are repeated with it, because go-redis sends a script again after a lost reply.
package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// Errors that callers tell apart.
var (
	ErrNoCampaign = errors.New("no such campaign")
	ErrNoContact  = errors.New("no such contact")
	ErrCancelled  = errors.New("the campaign is cancelled")
)

// RulesDifferError says that a campaign exists with other rules than the ones given.
type RulesDifferError struct {
	Name    string
	Changes []campaign.Change
}

func (e *RulesDifferError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "campaign %s exists with other rules; --update replaces them:", e.Name)
	for _, c := range e.Changes {
		fmt.Fprintf(&b, "\n  %s: %s → %s", c.Field, c.Old, c.New)
	}
	return b.String()
}

// Ledger reads and writes the record. It is safe for concurrent use.
type Ledger struct {
	rdb     redis.UniversalClient
	scripts scripts
	known   atomic.Pointer[Approval] // what Beat last saw approved
	beaten  atomic.Pointer[Approval] // what Beat saw last
}

// New returns a ledger on a Redis client. The client stays the caller's to close.
func New(rdb redis.UniversalClient) *Ledger {
	return &Ledger{rdb: rdb, scripts: newScripts()}
}

// IDKey is this installation's secret for contact ids made from numbers (HMAC-SHA256); made on first use.
func (l *Ledger) IDKey(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, wrap("id key", err)
	}
	if err := l.rdb.SetNX(ctx, keyIDKey, fresh, 0).Err(); err != nil {
		return nil, wrap("id key", err)
	}
	key, err := l.rdb.Get(ctx, keyIDKey).Bytes()
	return key, wrap("id key", err)
}

// Counts are a campaign's contacts by state, by outcome, and by what keeps them from being called.
type Counts struct {
	Total, Waiting, Live, Done, Unconfirmed int
	Outcomes                                map[campaign.Outcome]int
	Held                                    map[campaign.Reason]int
}

// Open says whether contacts are still to be called or being called.
func (c Counts) Open() bool { return c.Waiting+c.Live > 0 }

// Revision tells rules that a campaign has had from one another.
type Revision string

// Campaign is a campaign as the ledger has it.
type Campaign struct {
	Rules     campaign.Rules
	Revision  Revision
	Cancelled bool
	Paused    bool // what its two queues last agreed on
	CreatedAt time.Time
	Note      string    // for people: what keeps it from being called, until NoteUntil
	NoteUntil time.Time // on Redis's clock
	Deleting  time.Time // since when it is being deleted, and so cancelled; zero if it is not
	Counts    Counts
}

// Create creates a campaign, or finds the one of this name. If that one has other rules, they are replaced when update
// is set; otherwise the error is a *RulesDifferError. A cancelled campaign is ErrCancelled, one that is being deleted
// ErrDeleting.
func (l *Ledger) Create(ctx context.Context, rules campaign.Rules, update bool) error {
	src, err := json.Marshal(rules)
	if err != nil {
		return wrap("create campaign", err)
	}
	ends := ""
	if !rules.Ends.IsZero() {
		ends = strconv.FormatInt(rules.Ends.UnixMilli(), 10)
	}
	reply, err := l.run(ctx, l.scripts.create, []string{keyCampaign(rules.Name), keyCampaigns}, rules.Name, src, ends, flag(update))
	if err != nil {
		return wrap("create campaign", err)
	}
	switch reply[0] {
	case "cancelled":
		return ErrCancelled
	case "deleting":
		return ErrDeleting
	case "differs":
		var old campaign.Rules
		if err := json.Unmarshal([]byte(reply[1]), &old); err != nil {
			return wrap("read rules", err)
		}
		return &RulesDifferError{Name: rules.Name, Changes: old.Diff(rules)}
	}
	return nil
}

// Campaign reads one campaign with its counts, which are of one instant.
func (l *Ledger) Campaign(ctx context.Context, name string) (Campaign, error) {
	h, err := l.rdb.HGetAll(ctx, keyCampaign(name)).Result()
	if err != nil {
		return Campaign{}, wrap("read campaign", err)
	}
	if h["rules"] == "" {
		return Campaign{}, fmt.Errorf("%w: %s", ErrNoCampaign, name)
	}
	return parseCampaign(h)
}

// Campaigns reads all campaigns, oldest first.
func (l *Ledger) Campaigns(ctx context.Context) ([]Campaign, error) {
	names, err := l.rdb.ZRange(ctx, keyCampaigns, 0, -1).Result()
	if err != nil {
		return nil, wrap("list campaigns", err)
	}
	return l.read(ctx, names)
}

// read reads those of some campaigns that are there, in order.
func (l *Ledger) read(ctx context.Context, names []string) ([]Campaign, error) {
	if len(names) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.MapStringStringCmd, len(names))
	if _, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			cmds[i] = p.HGetAll(ctx, keyCampaign(name))
		}
		return nil
	}); err != nil {
		return nil, wrap("list campaigns", err)
	}
	list := make([]Campaign, 0, len(names))
	for _, cmd := range cmds {
		if cmd.Val()["rules"] == "" {
			continue
		}
		c, err := parseCampaign(cmd.Val())
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func parseCampaign(h map[string]string) (Campaign, error) {
	c := Campaign{
		Revision:  Revision(cmp.Or(h["rev"], "0")),
		Cancelled: h["state"] != "active",
		Paused:    h["paused"] == "1",
		CreatedAt: millis(h["created"]),
		Note:      h["note"],
		NoteUntil: millis(h["note_until"]),
		Deleting:  millis(h["deleting"]),
		Counts: Counts{
			Total: number(h["total"]), Waiting: number(h["waiting"]), Live: number(h["live"]),
			Done: number(h["done"]), Unconfirmed: number(h["unconfirmed"]),
			Outcomes: map[campaign.Outcome]int{}, Held: map[campaign.Reason]int{},
		},
	}
	if err := json.Unmarshal([]byte(h["rules"]), &c.Rules); err != nil {
		return Campaign{}, wrap("read rules", err)
	}
	for field, value := range h {
		if o, ok := strings.CutPrefix(field, "outcome:"); ok && number(value) > 0 {
			c.Counts.Outcomes[campaign.Outcome(o)] = number(value)
		}
		if r, ok := strings.CutPrefix(field, "held:"); ok && number(value) > 0 {
			c.Counts.Held[campaign.Reason(r)] = number(value)
		}
	}
	return c, nil
}

// Cancel marks a campaign as cancelled: no attempt can be claimed from then on. CancelWaiting ends what is left.
func (l *Ledger) Cancel(ctx context.Context, name string) error {
	_, err := l.stop(ctx, name, "cancelled")
	return err
}

func (l *Ledger) stop(ctx context.Context, name, state string) (Incarnation, error) {
	reply, err := l.run(ctx, l.scripts.stop, []string{keyCampaign(name)}, state)
	if err != nil {
		return "", wrap("stop campaign", err)
	}
	switch reply[0] {
	case "gone":
		return "", fmt.Errorf("%w: %s", ErrNoCampaign, name)
	case "live":
		return "", ErrLive
	}
	return Incarnation(reply[1]), nil
}

// stepSize is how many contacts one script ends or deletes at most. Redis serves nobody else meanwhile: 2 to 4 ms.
const stepSize = 200

// CancelWaiting ends the waiting contacts of a cancelled campaign, in small steps, and says how many it ended. It may be
// repeated, and goes on where an interrupted one stopped.
func (l *Ledger) CancelWaiting(ctx context.Context, name string) (int, error) {
	const page = stepSize
	ended := 0
	for from := int64(0); ; from += page {
		ids, err := l.rdb.LRange(ctx, keyOrder(name), from, from+page-1).Result()
		if err != nil {
			return ended, wrap("cancel", err)
		}
		if len(ids) == 0 {
			return ended, nil
		}
		keys := []string{keyCampaign(name), keyEvents(name)}
		args := make([]any, 0, len(ids))
		for _, id := range ids {
			keys = append(keys, keyContact(name, id))
			args = append(args, id)
		}
		n, err := l.runInt(ctx, l.scripts.cancel, keys, args...)
		if err != nil {
			return ended, wrap("cancel", err)
		}
		ended += n
	}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // absent fields count as zero
	return n
}

func millis(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
