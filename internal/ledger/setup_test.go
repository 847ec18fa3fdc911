package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

const camp = "renewals"

// bench is a ledger on a Redis of its own, with one campaign.
type bench struct {
	*Ledger
	t     *testing.T
	rdb   *redis.Client
	idKey []byte
}

func newBench(t *testing.T) *bench {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	b := &bench{Ledger: New(rdb), t: t, rdb: rdb}
	key, err := b.IDKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.idKey = key
	b.create(campaign.Default(camp), false)
	return b
}

func (b *bench) ctx() context.Context { return b.t.Context() }

func (b *bench) create(r campaign.Rules, update bool) {
	b.t.Helper()
	if err := b.Create(b.ctx(), r, update); err != nil {
		b.t.Fatalf("create: %v", err)
	}
}

// person is a contact that is due at once.
func person(id string, row int, number string) Entry {
	return Entry{Contact: campaign.Contact{ID: id, Row: row, Numbers: []string{number}, Name: "N " + id}, Due: time.UnixMilli(1000)}
}

// add adds contacts which must all be fresh.
func (b *bench) add(entries ...Entry) {
	b.t.Helper()
	added, err := b.Add(b.ctx(), camp, b.idKey, entries)
	if err != nil {
		b.t.Fatalf("add: %v", err)
	}
	for i, a := range added {
		if a.Code != RowAdded || a.Round != 1 {
			b.t.Fatalf("add %s: got %+v, want added in round 1", entries[i].Contact.ID, a)
		}
	}
	b.check()
}

// one adds the contact "a" and returns the ref of an attempt for it.
func (b *bench) one() campaign.Ref {
	b.t.Helper()
	b.add(person("a", 2, "+14155550101"))
	return campaign.Ref{Campaign: camp, Contact: "a", Token: "t1"}
}

func claimOf(ref campaign.Ref, round int) Claim {
	return Claim{
		Ref: ref, Round: round, Number: "+14155550101", Line: "alice", LineNumber: "+16505550001", Extension: "ext1",
		SendWithin: 5 * time.Second,
	}
}

// claim claims twice, as after a lost reply, and wants the same attempt both times.
func (b *bench) claim(ref campaign.Ref, round int) campaign.Attempt {
	b.t.Helper()
	// The line's owner has freed it after the last one.
	if err := b.rdb.Del(b.ctx(), LineKey(claimOf(ref, round).LineNumber)).Err(); err != nil {
		b.t.Fatal(err)
	}
	first, err := b.Claim(b.ctx(), claimOf(ref, round))
	if err != nil {
		b.t.Fatalf("claim: %v", err)
	}
	again, err := b.Claim(b.ctx(), claimOf(ref, round))
	if err != nil || !reflect.DeepEqual(again, first) {
		b.t.Fatalf("claim repeated: got %+v, %v; want the first answer %+v", again, err, first)
	}
	b.check()
	return first
}

func (b *bench) place(ref campaign.Ref, id string) campaign.Attempt {
	b.t.Helper()
	first, err := b.Placed(b.ctx(), ref, id)
	if err != nil {
		b.t.Fatalf("placed: %v", err)
	}
	again, err := b.Placed(b.ctx(), ref, id)
	if err != nil || !reflect.DeepEqual(again, first) {
		b.t.Fatalf("placed repeated: got %+v, %v; want the first answer %+v", again, err, first)
	}
	b.check()
	return first
}

func (b *bench) settle(ref campaign.Ref, s Settlement) Settled {
	b.t.Helper()
	first, err := b.Settle(b.ctx(), ref, s)
	if err != nil {
		b.t.Fatalf("settle: %v", err)
	}
	again, err := b.Settle(b.ctx(), ref, s)
	if err != nil || !reflect.DeepEqual(again, first) {
		b.t.Fatalf("settle repeated: got %+v, %v; want the first answer %+v", again, err, first)
	}
	b.check()
	return first
}

func (b *bench) wantRefused(c Claim, want Refusal) {
	b.t.Helper()
	before := b.contact(c.Ref.Contact)
	for range 2 {
		_, err := b.Claim(b.ctx(), c)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Refusal != want {
			b.t.Fatalf("claim: got %v, want refused: %s", err, want)
		}
	}
	if after := b.contact(c.Ref.Contact); !reflect.DeepEqual(after, before) {
		b.t.Fatalf("a refused claim changed the contact from %+v to %+v", before, after)
	}
	b.check()
}

// contact reads a contact; the zero record where there is none.
func (b *bench) contact(id string) Record {
	b.t.Helper()
	r, err := b.Contact(b.ctx(), camp, id)
	if err != nil && !errors.Is(err, ErrNoContact) {
		b.t.Fatalf("read contact: %v", err)
	}
	return r
}

func (b *bench) wantState(id string, state campaign.ContactState, outcome campaign.Outcome, round int) Record {
	b.t.Helper()
	r := b.contact(id)
	if r.State != state || r.Outcome != outcome || r.Round != round {
		b.t.Fatalf("contact %s: got %s %q round %d, want %s %q round %d", id, r.State, r.Outcome, r.Round, state, outcome, round)
	}
	return r
}

// check compares the campaign's counts with its contacts.
func (b *bench) check() {
	b.t.Helper()
	if err := consistent(b.ctx(), b.Ledger, camp); err != nil {
		b.t.Fatal(err)
	}
}

func consistent(ctx context.Context, l *Ledger, name string) error {
	c, err := l.Campaign(ctx, name)
	if err != nil {
		return err
	}
	want := Counts{Outcomes: map[campaign.Outcome]int{}, Held: map[campaign.Reason]int{}}
	err = l.Each(ctx, name, func(r Record) error {
		want.Total++
		switch r.State {
		case campaign.Waiting:
			want.Waiting++
			if r.Reason != "" {
				want.Held[r.Reason]++
			}
		case campaign.Placing, campaign.Live:
			want.Live++
		case campaign.Done:
			want.Done++
			want.Outcomes[r.Outcome]++
		case campaign.UnconfirmedHeld:
			want.Unconfirmed++
		}
		switch {
		case r.State != campaign.Waiting && r.Reason != "":
			return fmt.Errorf("contact %s is %s, and yet not called now because of %s", r.Contact.ID, r.State, r.Reason)
		case (r.State == campaign.Waiting || r.State == campaign.Placing || r.State == campaign.Live) && r.Outcome != "":
			return fmt.Errorf("contact %s is %s, and yet has the outcome %s", r.Contact.ID, r.State, r.Outcome)
		}
		for i, a := range r.Attempts {
			if a.N != i+1 {
				return fmt.Errorf("contact %s: attempt %d has the number %d", r.Contact.ID, i+1, a.N)
			}
			if last := i == len(r.Attempts)-1; a.EndedAt.IsZero() != (last && (r.State == campaign.Placing || r.State == campaign.Live)) {
				return fmt.Errorf("contact %s is %s, attempt %d of %d ended %v", r.Contact.ID, r.State, a.N, len(r.Attempts), a.EndedAt)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	got := c.Counts
	if got.Waiting+got.Live+got.Done+got.Unconfirmed != got.Total {
		return fmt.Errorf("counts do not add up: %+v", got)
	}
	if got.Total != want.Total || got.Waiting != want.Waiting || got.Live != want.Live || got.Done != want.Done ||
		got.Unconfirmed != want.Unconfirmed || !maps.Equal(got.Outcomes, want.Outcomes) || !maps.Equal(got.Held, want.Held) {
		return fmt.Errorf("counts are %+v, the contacts say %+v", got, want)
	}
	return indexed(ctx, l, name, got.Open())
}

// indexed says whether a campaign is among those that are open, as it must be while it is, and not once it was closed.
func indexed(ctx context.Context, l *Ledger, name string, open bool) error {
	closed, err := l.Close(ctx, name)
	if err != nil || closed == open {
		return fmt.Errorf("open %v, and yet closed %v, %w", open, closed, err)
	}
	list, err := l.OpenCampaigns(ctx)
	if err != nil {
		return err
	}
	if there := slices.ContainsFunc(list, func(c Campaign) bool { return c.Rules.Name == name }); there != open {
		return fmt.Errorf("open %v, and among those that are open %v", open, there)
	}
	return nil
}

// Settlements as the line's owner writes them.
var (
	talked = Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true, Rang: true, Detail: "talked"},
		Seen:    campaign.Seen{CallerAnswered: true, CalleeAnswered: true, Call: "Success", Caller: "Finished", Callee: "Finished"},
		Next:    campaign.Next{Final: true, Outcome: campaign.Answered},
	}
	busyAgain = Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true, Detail: "the contact's phone: busy"},
		Seen:    campaign.Seen{CallerAnswered: true, Call: "CannotReach", Caller: "Finished", Callee: "Busy"},
		Reason:  campaign.NotDue,
	}
	lineFailed = Settlement{Verdict: campaign.Verdict{Ended: true, LineFault: true, Detail: "the agent's phone: no answer"}}
	unknown    = Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: "the answer was lost"},
		Next:    campaign.Next{Final: true, Outcome: campaign.Unconfirmed},
	}
)
