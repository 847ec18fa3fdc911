package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// world is a campaign on a real Redis next to a model of what it must be: whatever two workers, an operator and a network
// that repeats scripts do to it in whatever order.
type world struct {
	t   *rapid.T
	ctx context.Context
	l   *Ledger
	rdb *redis.Client

	name      string
	idKey     []byte
	people    []Entry
	contacts  map[string]*model // those that were added
	cancelled bool
	ended     bool
	dnc       map[string]bool
	taken     map[string]bool // numbers that a contact has, or had when it was dialled

	workers [2]map[string]string // which token a worker has for a contact, in its memory
	tokens  []string             // all there ever were
	fresh   int
	past    []step // what may be sent again
	script  []any  // the last script that was sent

	sent    map[string]string           // contact and round → the token for which a POST may have been sent
	settled map[string]campaign.Attempt // by token, as first seen
}

// model is one contact. A due time is either now or far off.
type model struct {
	contact            campaign.Contact  // its row
	pending            *campaign.Contact // what it becomes after its call
	list               string            // the list that had it last
	removed, free      bool
	state              campaign.ContactState
	round              int
	far                bool
	charged, uncharged int
	outcome            campaign.Outcome
	reason             campaign.Reason
	attempts           []*try
	void               map[string]bool
	retry              string // the token of the last retry
}

type try struct {
	n, round                          int
	token, id, detail                 string
	ended, charged, fault, closed, up bool
	outcome                           campaign.Outcome
	seen                              campaign.Seen
}

// step is something that was done: its script may arrive again.
type step struct {
	what   string
	run    func() string // what the ledger answers
	model  func() string // what it must answer
	script []any
}

func TestProperties(t *testing.T) {
	t.Parallel()
	w := &world{}
	rdb := redistest.Start(t).Client(t)
	rdb.AddHook(&wire{after: func(cmd redis.Cmder, err error) {
		if cmd.Name() == "evalsha" && (err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT")) {
			w.script = slices.Clone(cmd.Args())
		}
	}})
	l := New(rdb)
	idKey, err := l.IDKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Loaded beforehand, so that each script goes out as EVALSHA.
	for _, s := range []*redis.Script{
		l.scripts.create, l.scripts.add, l.scripts.hold, l.scripts.end, l.scripts.claim, l.scripts.placed, l.scripts.release,
		l.scripts.seen, l.scripts.settle, l.scripts.resolve, l.scripts.cancel, l.scripts.retry, l.scripts.update, l.scripts.remove,
	} {
		if err := s.Load(t.Context(), rdb).Err(); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		*w = world{
			t: rt, ctx: t.Context(), l: l, rdb: rdb, name: "c" + strconv.Itoa(n), idKey: idKey, contacts: map[string]*model{},
			dnc: map[string]bool{}, taken: map[string]bool{}, workers: [2]map[string]string{{}, {}}, sent: map[string]string{},
			settled: map[string]campaign.Attempt{},
		}
		for i, id := range []string{"a", "b", "c", "d"} {
			// Numbers of this campaign alone: the do-not-call list is everybody's. The last one has b's number.
			number := fmt.Sprintf("+1%06d%04d", n, min(i, 2))
			if i == 3 {
				number = w.people[1].Contact.Number()
			}
			w.people = append(w.people, person(id, i+2, number))
		}
		if err := l.Create(w.ctx, w.rules(), false); err != nil {
			rt.Fatal(err)
		}
		w.do(w.add(w.people[0]))
		w.do(w.add(w.people[1]))
		rt.Repeat(map[string]func(*rapid.T){
			"add":      func(*rapid.T) { w.do(w.add(rapid.SampledFrom(w.people).Draw(w.t, "person"))) },
			"work":     func(*rapid.T) { w.work(rapid.IntRange(0, 1).Draw(w.t, "worker")) },
			"work on":  func(*rapid.T) { w.work(rapid.IntRange(0, 1).Draw(w.t, "worker")) },
			"work up":  func(*rapid.T) { w.work(rapid.IntRange(0, 1).Draw(w.t, "worker")) },
			"takeOver": w.takeOver,
			"chaos":    w.chaos,
			"replay":   w.replay,
			"crash":    func(*rapid.T) { clear(w.workers[rapid.IntRange(0, 1).Draw(w.t, "worker")]) },
			"operator": w.operator,
			"list":     w.list,
			"list on":  w.list,
			"time":     w.timePasses,
			"":         w.check,
		})
	})
}

func (w *world) rules() campaign.Rules {
	r := campaign.Default(w.name)
	r.Retry = campaign.Retry{MaxAttempts: 3, NoAnswer: campaign.Delay(time.Hour), Rejected: campaign.Never}
	if w.ended {
		r.Ends = time.Unix(1, 0).UTC()
	}
	return r
}

// do takes a step, compares the ledger's answer with the model's, and remembers the step.
func (w *world) do(s step) {
	w.t.Helper()
	w.script = nil
	got := s.run()
	if want := s.model(); got != want {
		w.t.Fatalf("%s: the ledger says %q, want %q", s.what, got, want)
	}
	s.script = w.script
	w.past = append(w.past, s)
}

// replay sends a script again, as go-redis does after a lost reply, but any time later.
func (w *world) replay(t *rapid.T) {
	s := rapid.Custom(func(t *rapid.T) step { return w.past[rapid.IntRange(0, len(w.past)-1).Draw(t, "step")] }).Draw(t, "replay")
	w.script = nil
	got := s.run()
	if want := s.model(); got != want {
		t.Fatalf("again %s: the ledger says %q, want %q", s.what, got, want)
	}
	if !reflect.DeepEqual(w.script, s.script) {
		t.Fatalf("again %s: another script was sent:\n%v\n%v", s.what, w.script, s.script)
	}
}

// work is what a worker does next for a contact: by the protocol, but it may stop, repeat or be late at any step.
func (w *world) work(n int) {
	memory := w.workers[n]
	id := w.anyone()
	token, has := memory[id]
	if !has {
		token = w.token()
		claim := w.claim(id, token, w.round(id))
		w.do(claim)
		if w.find(id, token) != nil {
			memory[id] = token
		} else if rapid.Bool().Draw(w.t, "spend") {
			w.do(w.release(id, token, true))
		}
		return
	}
	w.withToken(id, token, w.round(id))
	if a := w.find(id, token); a == nil || a.ended {
		delete(memory, id)
	}
}

// takeOver is a worker that goes on with an attempt that it finds in a line's record.
func (w *world) takeOver(*rapid.T) {
	id := w.anyone()
	if c := w.contacts[id]; c != nil && len(c.attempts) > 0 {
		last := c.attempts[len(c.attempts)-1]
		w.workers[rapid.IntRange(0, 1).Draw(w.t, "worker")][id] = last.token
		w.withToken(id, last.token, last.round)
	}
}

// chaos is any step with any token, round and contact.
func (w *world) chaos(*rapid.T) {
	token := w.token()
	if rapid.Bool().Draw(w.t, "known") {
		token = rapid.SampledFrom(w.tokens).Draw(w.t, "token")
	}
	id := w.anyone()
	w.withToken(id, token, w.round(id)+rapid.IntRange(-1, 1).Draw(w.t, "off"))
}

func (w *world) withToken(id, token string, round int) {
	switch rapid.SampledFrom([]string{"claim", "placed", "placed", "seen", "settle", "settle", "settle", "release", "void"}).Draw(w.t, "step") {
	case "claim":
		w.do(w.claim(id, token, round))
	case "placed":
		w.do(w.placed(id, token, "s-"+token))
	case "seen":
		w.do(w.see(id, token, w.call()))
	case "settle":
		w.do(w.settle(id, token, w.settlement(id)))
	case "release":
		w.do(w.release(id, token, true))
	case "void":
		w.do(w.release(id, token, false))
	}
}

// operator is everything that is no attempt.
func (w *world) operator(*rapid.T) {
	id := w.anyone()
	switch rapid.SampledFrom([]string{"hold", "end", "resolve", "resolve", "retry", "retry", "dnc", "ends", "cancel", "sweep"}).Draw(w.t, "decision") {
	case "hold":
		reasons := []campaign.Reason{"", campaign.OutsideHours, campaign.Paused}
		w.do(w.hold(id, rapid.SampledFrom(reasons).Draw(w.t, "reason")))
	case "end":
		w.do(w.end(id, w.round(id)+rapid.IntRange(-1, 0).Draw(w.t, "off"), campaign.Expired))
	case "resolve":
		w.do(w.resolve(id))
	case "retry":
		w.do(w.retry(id))
	case "dnc":
		w.suppress(w.people[rapid.IntRange(0, 2).Draw(w.t, "number")].Contact.Number(), rapid.Bool().Draw(w.t, "on"))
	case "ends":
		w.ended = rapid.Bool().Draw(w.t, "ended")
		err := w.l.Create(w.ctx, w.rules(), true)
		if refused := w.cancelled && errors.Is(err, ErrCancelled); err != nil && !refused {
			w.t.Fatal(err)
		} else if w.cancelled && err == nil {
			w.t.Fatal("a cancelled campaign took new rules")
		}
		if w.cancelled {
			w.ended = false
		}
	case "cancel":
		if rapid.IntRange(0, 3).Draw(w.t, "sure") == 3 {
			if err := w.l.Cancel(w.ctx, w.name); err != nil {
				w.t.Fatal(err)
			}
			w.cancelled = true
		}
	case "sweep":
		if w.cancelled {
			w.do(w.sweep())
		}
	}
}

// timePasses makes a contact due that is not yet.
func (w *world) timePasses(*rapid.T) {
	for _, id := range slices.Sorted(maps.Keys(w.contacts)) {
		if c := w.contacts[id]; c.state == campaign.Waiting && c.far {
			if err := w.rdb.HSet(w.ctx, keyContact(w.name, id), "d", 1).Err(); err != nil {
				w.t.Fatal(err)
			}
			c.far = false
		}
	}
}

func (w *world) suppress(number string, on bool) {
	var err error
	if w.dnc[number] = on; on {
		_, err = w.l.DNCAdd(w.ctx, number)
	} else {
		_, err = w.l.DNCRemove(w.ctx, number)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) anyone() string { return rapid.SampledFrom(w.people).Draw(w.t, "contact").Contact.ID }

func (w *world) token() string {
	w.fresh++
	w.tokens = append(w.tokens, "t"+strconv.Itoa(w.fresh))
	return w.tokens[len(w.tokens)-1]
}

func (w *world) round(id string) int {
	if c := w.contacts[id]; c != nil {
		return c.round
	}
	return 1
}

func (w *world) number(id string) string {
	if c := w.contacts[id]; c != nil {
		return c.contact.Number()
	}
	for _, p := range w.people {
		if p.Contact.ID == id {
			return p.Contact.Number()
		}
	}
	return ""
}

func (w *world) ref(id, token string) campaign.Ref {
	return campaign.Ref{Campaign: w.name, Contact: id, Token: token}
}

// call is what polling saw of some call, whether it has ended or not.
func (w *world) call() campaign.Seen {
	legs := rapid.SampledFrom([]string{"InProgress", "Success", "Finished", "Busy", "NoAnswer", "Rejected", "CannotReach", "NotEnoughFunds", "NoSuchUser"})
	var seen campaign.Seen
	for range rapid.IntRange(0, 3).Draw(w.t, "polls") {
		seen = seen.With(campaign.Legs{Call: "InProgress", Caller: legs.Draw(w.t, "caller"), Callee: legs.Draw(w.t, "callee")})
	}
	return seen
}

// settlement is what the rules make of some call.
func (w *world) settlement(id string) Settlement {
	s := Settlement{Seen: w.call()}
	if s.Verdict = campaign.Classify(s.Seen); !s.Verdict.Ended {
		s.Verdict = campaign.Missed(s.Seen)
	}
	var h campaign.History
	if c := w.contacts[id]; c != nil {
		h = campaign.History{Charged: c.charged, Uncharged: c.uncharged}
	}
	now := time.Now()
	if s.Next = w.rules().Next(s.Verdict, h, now); !s.Next.Final {
		if s.After = s.Next.At.Sub(now); s.After > 0 {
			s.Reason = campaign.NotDue
		}
	}
	return s
}

func (w *world) find(id, token string) *try {
	if c := w.contacts[id]; c != nil {
		for _, a := range c.attempts {
			if a.token == token {
				return a
			}
		}
	}
	return nil
}

func (c *model) move(to campaign.ContactState, outcome campaign.Outcome) {
	if c.pending != nil && c.state != campaign.Waiting && (to == campaign.Waiting || to == campaign.Done) {
		c.contact, c.pending = *c.pending, nil
		if to == campaign.Waiting {
			c.round++
		}
	}
	c.state, c.outcome = to, outcome
	if to != campaign.Waiting {
		c.reason = ""
	}
}

func (c *model) again(w *world, after time.Duration, reason campaign.Reason) {
	if w.cancelled {
		c.move(campaign.Done, campaign.Cancelled)
		return
	}
	c.round++
	c.far = after > 0
	c.move(campaign.Waiting, "")
	c.reason = reason
}

func (w *world) add(e Entry) step {
	id := e.Contact.ID
	return step{
		what: "add " + id,
		run: func() string {
			got, err := w.l.Add(w.ctx, w.name, w.idKey, []Entry{e})
			if err != nil {
				if !errors.Is(err, ErrCancelled) {
					w.t.Fatal(err)
				}
				return "cancelled"
			}
			return fmt.Sprint(got[0].Code, got[0].Round)
		},
		model: func() string {
			if w.cancelled {
				return "cancelled"
			}
			if c := w.contacts[id]; c != nil {
				switch {
				case c.now().Number() != e.Contact.Number():
					return fmt.Sprint(RowOtherNumber, 0)
				case c.state == campaign.Waiting:
					return fmt.Sprint(RowKnown, c.round)
				}
				return fmt.Sprint(RowKnown, 0)
			}
			return w.join(e.Contact, "")
		},
	}
}

// join adds a contact to the model.
func (w *world) join(row campaign.Contact, token string) string {
	if w.taken[row.Number()] {
		return fmt.Sprint(RowDuplicate, 0)
	}
	w.taken[row.Number()] = true
	c := &model{contact: row, state: campaign.Waiting, round: 1, void: map[string]bool{}, list: token}
	w.contacts[row.ID] = c
	if w.dnc[row.Number()] || row.DoNotCall != "" {
		c.move(campaign.Done, campaign.Suppressed)
		return fmt.Sprint(RowSuppressed, 0)
	}
	return fmt.Sprint(RowAdded, 1)
}

// now is the contact's row as it is, or will be after its call.
func (c *model) now() campaign.Contact {
	if c.pending != nil {
		return *c.pending
	}
	return c.contact
}

// list is a list that is imported again, of one row that may have changed, or one from which some have gone.
func (w *world) list(*rapid.T) {
	token := w.token()
	if rapid.IntRange(0, 4).Draw(w.t, "missing") == 0 {
		w.remove(token)
		return
	}
	e := rapid.SampledFrom(w.people).Draw(w.t, "person")
	e.Contact.Numbers = rapid.SampledFrom(w.people).Draw(w.t, "number of").Contact.Numbers
	e.Contact.Name = rapid.SampledFrom([]string{"Ada", "Bo"}).Draw(w.t, "name")
	e.Contact.Zone = rapid.SampledFrom([]string{"", "Europe/Berlin"}).Draw(w.t, "zone")
	if rapid.IntRange(0, 9).Draw(w.t, "no") == 0 {
		e.Contact.DoNotCall = "the list says so"
	}
	how := Update{Known: true, Reopen: rapid.Bool().Draw(w.t, "reopen")}
	check, err := w.l.CheckUpdate(w.ctx, w.name, w.idKey, []Entry{e}, how)
	if err != nil {
		w.t.Fatal(err)
	}
	w.script = nil
	got, err := w.l.Update(w.ctx, w.name, w.idKey, token, []Entry{e}, how)
	said := "cancelled"
	if err == nil {
		said = fmt.Sprint(got[0].Code, got[0].Round)
	} else if !errors.Is(err, ErrCancelled) {
		w.t.Fatal(err)
	}
	if want := w.update(e.Contact, token, how); said != want {
		w.t.Fatalf("update %+v: the ledger says %q, want %q", e, said, want)
	}
	// A look beforehand says the same of what is free to be had.
	if err == nil && check[0] != got[0].Code {
		w.t.Fatalf("update %+v: the look beforehand says %q, the update %q", e, check[0], got[0].Code)
	}
	// Sent again, it changes nothing and says the same, but that who was added is known by then.
	if err == nil && w.script != nil {
		again, err := parseAdded(w.rdb.Do(w.ctx, w.script...), 1)
		if err != nil {
			w.t.Fatal(err)
		}
		if c := got[0].Code; again[0] != got[0] && c != RowAdded && c != RowSuppressed {
			w.t.Fatalf("update %+v again: %+v, want %+v", e, again[0], got[0])
		}
	}
}

func (w *world) update(row campaign.Contact, token string, how Update) string {
	c := w.contacts[row.ID]
	switch {
	case w.cancelled:
		return "cancelled"
	case c == nil:
		return w.join(row, token)
	}
	is, done, waits := c.now(), c.state == campaign.Done, c.state == campaign.Waiting
	stop := is.Stop
	if done {
		stop = ""
	}
	gone := c.removed && c.outcome == campaign.Cancelled
	no := row.DoNotCall != ""
	number := is.Number() != row.Number() || gone && c.free && how.Reopen
	says := func(code RowCode) string {
		c.list = token
		if c.state == campaign.Waiting {
			return fmt.Sprint(code, c.round)
		}
		return fmt.Sprint(code, 0)
	}
	if number && !no && waits && len(c.attempts) == 0 && !c.free {
		delete(w.taken, is.Number())
	}
	plain := row
	plain.DoNotCall = ""
	var code RowCode
	switch {
	case no && (done || stop == campaign.Suppressed), !no && !number && stop == "" && !gone && is.Name == row.Name && is.Zone == row.Zone:
		return says(RowKnown)
	case done && !how.Reopen:
		return says(RowClosed)
	case no || w.dnc[row.Number()]:
		code = RowSuppressed
	case number && w.taken[row.Number()]:
		code = RowDuplicate
	}
	outcome := campaign.Cancelled
	if code == RowSuppressed {
		outcome = campaign.Suppressed
	}
	switch {
	case code != "" && done:
	case code != "" && waits:
		c.contact = plain
		if number && !no {
			c.free = c.free || w.taken[row.Number()]
			w.taken[row.Number()] = true
		}
		c.move(campaign.Done, outcome)
	case code != "":
		plain.Stop = outcome
		c.pending = &plain
	default:
		if number {
			w.taken[row.Number()] = true
			if done && len(c.attempts) == 0 && !c.free && is.Number() != row.Number() {
				delete(w.taken, is.Number())
			}
			c.free = false
		}
		switch {
		case !waits && !done:
			c.pending = &plain
			code = RowPostponed
		case done:
			c.contact, c.removed, c.uncharged, c.far = plain, false, 0, false
			c.move(campaign.Waiting, "")
			c.round++
			code = RowReopened
		default:
			textOnly := !number && stop == "" && is.Zone == row.Zone
			c.contact = plain
			if code = RowChanged; !textOnly {
				c.round++
				c.far = c.far && !number && len(c.attempts) > 0
				c.reason = ""
			}
		}
	}
	return says(code)
}

// remove takes those out whom a list has no more.
func (w *world) remove(token string) {
	has := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(w.contacts)) {
		has[id] = rapid.Bool().Draw(w.t, "still listed "+id)
	}
	wantRemoved, wantLater, err := w.l.Missing(w.ctx, w.name, func(id string) bool { return has[id] })
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(has)) {
		if has[id] {
			if err := w.l.NoteListed(w.ctx, w.name, token, id); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	removed, later := 0, 0
	for id, c := range w.contacts {
		switch {
		case has[id] || c.state == campaign.Done || c.now().Stop != "":
		case c.state == campaign.Waiting:
			c.removed = true
			c.move(campaign.Done, campaign.Cancelled)
			if len(c.attempts) == 0 && !c.free {
				delete(w.taken, c.contact.Number())
				c.free = true
			}
			removed++
		default:
			c.removed = true
			gone := c.now()
			gone.Stop = campaign.Cancelled
			c.pending = &gone
			later++
		}
	}
	for range 2 { // the second time nothing is left to do
		r, l, err := w.l.RemoveMissing(w.ctx, w.name, token, w.idKey)
		if err != nil || r != removed || l != later {
			w.t.Fatalf("removed are %d, after their calls %d, %v; want %d, %d", r, l, err, removed, later)
		}
		if removed != wantRemoved || later != wantLater {
			w.t.Fatalf("the look beforehand says %d, %d; want %d, %d", wantRemoved, wantLater, removed, later)
		}
		removed, later, wantRemoved, wantLater = 0, 0, 0, 0
	}
	if err := w.l.ForgetListed(w.ctx, w.name, token); err != nil {
		w.t.Fatal(err)
	}
}

// retry gives one contact another round if it was busy or the agent hung up.
func (w *world) retry(id string) step {
	token := w.token()
	outcomes := []campaign.Outcome{campaign.Busy, campaign.LineUnavailable, campaign.Expired}
	return step{
		what: "retry " + id,
		run: func() string {
			got, err := w.l.Retry(w.ctx, w.name, token, []string{id}, outcomes)
			switch {
			case errors.Is(err, ErrCancelled):
				return "cancelled"
			case errors.Is(err, ErrEnded):
				return "ended"
			case err != nil:
				w.t.Fatal(err)
			}
			if len(got) == 0 {
				return "none"
			}
			return fmt.Sprint(got[0].Contact, got[0].Round)
		},
		model: func() string {
			c := w.contacts[id]
			switch {
			case w.cancelled:
				return "cancelled"
			case w.ended:
				return "ended"
			case c == nil:
				return "none"
			}
			if c.state == campaign.Done && slices.Contains(outcomes, c.outcome) && c.retry != token {
				c.round++
				c.uncharged, c.far, c.retry = 0, false, token
				c.move(campaign.Waiting, "")
			}
			if c.state != campaign.Waiting || c.retry != token {
				return "none"
			}
			return fmt.Sprint(id, c.round)
		},
	}
}

func (w *world) claim(id, token string, round int) step {
	number := w.number(id)
	return step{
		what: fmt.Sprintf("claim %s %s round %d", id, token, round),
		run: func() string {
			a, err := w.l.Claim(w.ctx, Claim{Ref: w.ref(id, token), Round: round, Number: number, Line: "alice", SendWithin: time.Second})
			if refused, ok := errors.AsType[*RefusedError](err); ok {
				return string(refused.Refusal)
			}
			if err != nil {
				w.t.Fatal(err)
			}
			w.mayPost(id, token, a)
			return fmt.Sprintf("claimed %d in round %d, ended %v", a.N, a.Round, !a.EndedAt.IsZero())
		},
		model: func() string {
			if a := w.find(id, token); a != nil {
				return fmt.Sprintf("claimed %d in round %d, ended %v", a.n, a.round, a.ended)
			}
			c := w.contacts[id]
			switch {
			case c == nil:
				return string(RefusedGone)
			case c.void[token]:
				return string(RefusedVoid)
			case c.state == campaign.Placing || c.state == campaign.Live:
				return string(RefusedLive)
			case c.state != campaign.Waiting:
				return string(RefusedSettled)
			case c.round != round:
				return string(RefusedRound)
			case c.far:
				return string(RefusedNotDue)
			case w.cancelled:
				return string(RefusedCancelled)
			case w.ended:
				return string(RefusedEnded)
			case w.dnc[number]:
				return string(RefusedSuppressed)
			}
			a := &try{n: len(c.attempts) + 1, round: round, token: token}
			c.attempts = append(c.attempts, a)
			c.move(campaign.Placing, "")
			return fmt.Sprintf("claimed %d in round %d, ended false", a.n, a.round)
		},
	}
}

// mayPost is the promise itself, apart from the model: in one round of a contact only one token was ever handed out whose
// claim was not undone by somebody who knew that no phone had rung.
func (w *world) mayPost(id, token string, a campaign.Attempt) {
	key := id + " " + strconv.Itoa(a.Round)
	if other, ok := w.sent[key]; ok && other != token {
		w.t.Fatalf("round %s may be dialled for %s and for %s", key, other, token)
	}
	w.sent[key] = token
}

func (w *world) release(id, token string, undo bool) step {
	return step{
		what: fmt.Sprintf("release %s %s undo %v", id, token, undo),
		run: func() string {
			got, err := w.l.release(w.ctx, w.ref(id, token), undo, "test")
			if err != nil {
				w.t.Fatal(err)
			}
			if undo && got == NotClaimed {
				maps.DeleteFunc(w.sent, func(key, sent string) bool { return sent == token && strings.HasPrefix(key, id+" ") })
			}
			return string(got)
		},
		model: func() string {
			c, a := w.contacts[id], w.find(id, token)
			switch {
			case c == nil:
				return string(NotClaimed)
			case a == nil:
				c.void[token] = true
				return string(NotClaimed)
			case a.id != "" || a.closed || (a.ended && a.outcome != campaign.Unconfirmed):
				return string(IsPlaced)
			case !undo:
				return string(StillClaimed)
			}
			c.attempts = c.attempts[:len(c.attempts)-1]
			c.void[token] = true
			c.move(campaign.Waiting, "")
			return string(NotClaimed)
		},
	}
}

func (w *world) placed(id, token, ringOut string) step {
	return step{
		what: fmt.Sprintf("placed %s %s", id, token),
		run: func() string {
			a, err := w.l.Placed(w.ctx, w.ref(id, token), ringOut)
			if err != nil {
				return "gone"
			}
			return fmt.Sprint(a.N, a.RingOutID, !a.EndedAt.IsZero())
		},
		model: func() string {
			c, a := w.contacts[id], w.find(id, token)
			if a == nil {
				return "gone"
			}
			if a.id == "" {
				a.id = ringOut
				held := c.state == campaign.UnconfirmedHeld && a.outcome == campaign.Unconfirmed && !a.closed
				if held {
					a.ended, a.outcome, a.detail = false, "", ""
				}
				if held || c.state == campaign.Placing && !a.ended {
					c.move(campaign.Live, "")
				}
			}
			return fmt.Sprint(a.n, a.id, a.ended)
		},
	}
}

func (w *world) see(id, token string, seen campaign.Seen) step {
	return step{
		what: fmt.Sprintf("seen %s %s", id, token),
		run: func() string {
			if err := w.l.Seen(w.ctx, w.ref(id, token), seen); err != nil {
				w.t.Fatal(err)
			}
			return ""
		},
		model: func() string {
			if a := w.find(id, token); a != nil && !a.ended {
				a.seen, a.up = seen, a.up || seen.CalleeAnswered
			}
			return ""
		},
	}
}

func (w *world) settle(id, token string, s Settlement) step {
	stands := func(c *model, a *try) string {
		return fmt.Sprint(a.n, a.outcome, a.charged, a.fault, c.state, c.outcome, c.round)
	}
	return step{
		what: fmt.Sprintf("settle %s %s %+v", id, token, s),
		run: func() string {
			got, err := w.l.Settle(w.ctx, w.ref(id, token), s)
			if err != nil {
				return "gone"
			}
			a := got.Attempt
			return fmt.Sprint(a.N, a.Outcome, a.Charged, a.LineFault, got.State, got.Outcome, got.Round)
		},
		model: func() string {
			c, a := w.contacts[id], w.find(id, token)
			if a == nil {
				return "gone"
			}
			held := a.outcome == campaign.Unconfirmed && !a.closed && c.state == campaign.UnconfirmedHeld
			if a.ended && (!held || s.Verdict.Outcome == campaign.Unconfirmed) {
				return stands(c, a)
			}
			a.ended, a.seen, a.detail, a.outcome = true, s.Seen, s.Verdict.Detail, s.Verdict.Outcome
			a.up = a.up || s.Seen.CalleeAnswered
			a.fault = a.fault || s.Verdict.LineFault
			if s.Verdict.Outcome == campaign.Unconfirmed {
				c.move(campaign.UnconfirmedHeld, campaign.Unconfirmed)
				return stands(c, a)
			}
			if a.charged = s.Verdict.Charged; a.charged {
				c.charged++
			} else {
				c.uncharged++
			}
			if s.Next.Final {
				c.move(campaign.Done, s.Next.Outcome)
			} else {
				c.again(w, s.After, s.Reason)
			}
			return stands(c, a)
		},
	}
}

func (w *world) hold(id string, reason campaign.Reason) step {
	return step{
		what: fmt.Sprintf("hold %s %q", id, reason),
		run: func() string {
			if err := w.l.Hold(w.ctx, w.name, id, reason); err != nil {
				w.t.Fatal(err)
			}
			return ""
		},
		model: func() string {
			if c := w.contacts[id]; c != nil && c.state == campaign.Waiting {
				c.reason = reason
			}
			return ""
		},
	}
}

func (w *world) end(id string, round int, outcome campaign.Outcome) step {
	return step{
		what: fmt.Sprintf("end %s round %d", id, round),
		run: func() string {
			ended, err := w.l.End(w.ctx, w.name, id, round, outcome)
			if err != nil {
				w.t.Fatal(err)
			}
			return strconv.FormatBool(ended)
		},
		model: func() string {
			c := w.contacts[id]
			switch {
			case c == nil:
				return "false"
			case c.state == campaign.Done && c.outcome == outcome:
				return "true"
			case c.state != campaign.Waiting || c.round != round:
				return "false"
			}
			c.move(campaign.Done, outcome)
			return "true"
		},
	}
}

func (w *world) resolve(id string) step {
	r := Resolution{Detail: "not called"}
	if rapid.Bool().Draw(w.t, "called") {
		r = Resolution{
			Outcome: rapid.SampledFrom([]campaign.Outcome{campaign.Answered, campaign.Busy, campaign.NoAnswer}).Draw(w.t, "found"),
			Charged: true, Detail: "found out",
		}
		var h campaign.History
		if c := w.contacts[id]; c != nil {
			h = campaign.History{Charged: c.charged, Uncharged: c.uncharged}
		}
		now := time.Now()
		if r.Next = w.rules().Next(campaign.Verdict{Ended: true, Charged: true, Outcome: r.Outcome}, h, now); !r.Next.Final {
			r.After = r.Next.At.Sub(now)
		}
	}
	return step{
		what: fmt.Sprintf("resolve %s %+v", id, r),
		run: func() string {
			switch err := w.l.Resolve(w.ctx, w.name, id, r); {
			case errors.Is(err, ErrNoContact):
				return "gone"
			case errors.Is(err, ErrNotUnconfirmed):
				return "not unconfirmed"
			case err != nil:
				w.t.Fatal(err)
			}
			return "ok"
		},
		model: func() string {
			c := w.contacts[id]
			if c == nil {
				return "gone"
			}
			var a *try
			if len(c.attempts) > 0 {
				a = c.attempts[len(c.attempts)-1]
			}
			if c.state != campaign.UnconfirmedHeld {
				if a != nil && a.closed && a.outcome == r.Outcome && a.detail == r.Detail {
					return "ok"
				}
				return "not unconfirmed"
			}
			a.closed, a.detail, a.outcome = true, r.Detail, r.Outcome
			if a.charged = r.Charged; a.charged {
				c.charged++
			}
			if r.Outcome != "" && r.Next.Final {
				c.move(campaign.Done, r.Next.Outcome)
			} else {
				c.again(w, r.After, "")
			}
			return "ok"
		},
	}
}

func (w *world) sweep() step {
	return step{
		what: "cancel those who wait",
		run: func() string {
			n, err := w.l.CancelWaiting(w.ctx, w.name)
			if err != nil {
				w.t.Fatal(err)
			}
			return strconv.Itoa(n)
		},
		model: func() string {
			n := 0
			for _, c := range w.contacts {
				if c.state == campaign.Waiting {
					c.move(campaign.Done, campaign.Cancelled)
					n++
				}
			}
			return strconv.Itoa(n)
		},
	}
}

// check compares every record and the counts with the model.
func (w *world) check(t *rapid.T) {
	if err := consistent(w.ctx, w.l, w.name); err != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := w.l.Each(w.ctx, w.name, func(r Record) error {
		c := w.contacts[r.Contact.ID]
		if c == nil {
			return fmt.Errorf("contact %s was never added", r.Contact.ID)
		}
		seen++
		if r.State != c.state || r.Round != c.round || r.Charged != c.charged || r.Uncharged != c.uncharged ||
			r.Outcome != c.outcome || r.Reason != c.reason || len(r.Attempts) != len(c.attempts) {
			return fmt.Errorf("contact %s is %+v, want %+v", r.Contact.ID, r, *c)
		}
		if !r.Contact.Same(c.contact) {
			return fmt.Errorf("contact %s has the row %+v, want %+v", r.Contact.ID, r.Contact, c.contact)
		}
		if c.state == campaign.Waiting && c.far != r.Due.After(time.Now()) {
			return fmt.Errorf("contact %s is due %s, want later: %v", r.Contact.ID, r.Due, c.far)
		}
		for i, a := range r.Attempts {
			m := c.attempts[i]
			got := try{
				n: a.N, round: a.Round, token: a.Token, id: a.RingOutID, detail: a.Detail, ended: !a.EndedAt.IsZero(),
				charged: a.Charged, fault: a.LineFault, closed: m.closed, up: !a.AnsweredAt.IsZero(), outcome: a.Outcome, seen: a.Seen,
			}
			if got != *m {
				return fmt.Errorf("contact %s: attempt %+v, want %+v", r.Contact.ID, got, *m)
			}
			if c.void[a.Token] {
				return fmt.Errorf("contact %s: attempt %d has the void token %s", r.Contact.ID, a.N, a.Token)
			}
			if m.ended && (m.outcome != campaign.Unconfirmed || m.closed) {
				if err := w.unchanged(r.Contact.ID, a); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if seen != len(w.contacts) {
		t.Fatalf("%d contacts, want %d", seen, len(w.contacts))
	}
}

// unchanged compares a settled attempt with what it was when it was settled. An id may still become known.
func (w *world) unchanged(id string, a campaign.Attempt) error {
	key := id + " " + a.Token
	was, ok := w.settled[key]
	if !ok {
		w.settled[key] = a
		return nil
	}
	if was.RingOutID == "" {
		was.RingOutID, was.PlacedAt = a.RingOutID, a.PlacedAt
	}
	if !reflect.DeepEqual(a, was) {
		return fmt.Errorf("contact %s: the settled attempt %+v became %+v", id, was, a)
	}
	return nil
}
