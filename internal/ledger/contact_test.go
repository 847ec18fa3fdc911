package ledger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

func TestAdd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.DNCAdd(b.ctx(), "+14155550109"); err != nil {
		t.Fatal(err)
	}
	held := person("held", 4, "+14155550103")
	held.Due, held.Reason = time.UnixMilli(4102444800000), campaign.OutsideHours
	list := []Entry{
		person("a", 2, "+14155550101"),
		person("b", 3, "+14155550102"),
		held,
		person("a", 5, "+14155550104"),  // another row with a's id
		person("c", 6, "+14155550102"),  // another row with b's number
		person("no", 7, "+14155550109"), // on the do-not-call list
	}
	none := Added{Round: 0}
	first := []Added{
		{RowAdded, 1, list[0].Due.UTC()},
		{RowAdded, 1, list[1].Due.UTC()},
		{RowAdded, 1, held.Due.UTC()},
		none, none, none,
	}
	first[3].Code, first[4].Code, first[5].Code = RowOtherNumber, RowDuplicate, RowSuppressed
	codes, err := b.Check(b.ctx(), camp, b.idKey, []Entry{list[0], list[1], list[2], list[5]})
	if want := []RowCode{RowAdded, RowAdded, RowAdded, RowSuppressed}; err != nil || !slices.Equal(codes, want) {
		t.Fatalf("check before: %v, %v; want %v", codes, err, want)
	}
	if c, err := b.Campaign(b.ctx(), camp); err != nil || c.Counts.Total != 0 {
		t.Fatalf("a check left %+v, %v", c.Counts, err)
	}
	got, err := b.Add(b.ctx(), camp, b.idKey, list)
	if err != nil || !reflect.DeepEqual(got, first) {
		t.Fatalf("add: got %+v, %v\nwant %+v", got, err, first)
	}
	b.check()

	again := slices.Clone(first)
	again[0].Code, again[1].Code, again[2].Code, again[5].Code = RowKnown, RowKnown, RowKnown, RowKnown
	for range 2 {
		got, err = b.Add(b.ctx(), camp, b.idKey, list)
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("add again: got %+v, %v\nwant %+v", got, err, again)
		}
		b.check()
	}
	codes, err = b.Check(b.ctx(), camp, b.idKey, list)
	if want := []RowCode{RowKnown, RowKnown, RowKnown, RowOtherNumber, RowDuplicate, RowKnown}; err != nil || !slices.Equal(codes, want) {
		t.Fatalf("check after: %v, %v; want %v", codes, err, want)
	}

	c, err := b.Campaign(b.ctx(), camp)
	want := Counts{
		Total: 4, Waiting: 3, Done: 1, Outcomes: map[campaign.Outcome]int{campaign.Suppressed: 1},
		Held: map[campaign.Reason]int{campaign.OutsideHours: 1},
	}
	if err != nil || !reflect.DeepEqual(c.Counts, want) {
		t.Fatalf("counts %+v, %v; want %+v", c.Counts, err, want)
	}
	if r := b.wantState("no", campaign.Done, campaign.Suppressed, 1); len(r.Attempts) != 0 {
		t.Fatalf("record %+v", r)
	}
	r := b.wantState("held", campaign.Waiting, "", 1)
	if !reflect.DeepEqual(r.Contact, held.Contact) || !r.Due.Equal(held.Due) || r.Reason != campaign.OutsideHours {
		t.Fatalf("record %+v, want %+v", r, held)
	}

	// A contact that is being called, or done, is known and has nothing to enqueue.
	ref := campaign.Ref{Campaign: camp, Contact: "a", Token: "t1"}
	b.claim(ref, 1)
	for _, s := range []Settlement{lineFailed, {}} {
		if got, err := b.Add(b.ctx(), camp, b.idKey, list[:1]); err != nil || got[0] != (Added{Code: RowKnown}) {
			t.Fatalf("add of a contact being called or done: %+v, %v", got, err)
		}
		if s.Verdict.Ended {
			due := b.settle(ref, s).Due
			if got, err := b.Add(b.ctx(), camp, b.idKey, list[:1]); err != nil || got[0] != (Added{RowKnown, 2, due}) {
				t.Fatalf("add of a contact in round 2: %+v, %v", got, err)
			}
			if ended, err := b.End(b.ctx(), camp, "a", 2, campaign.Expired); !ended || err != nil {
				t.Fatalf("end: %v, %v", ended, err)
			}
		}
	}
	b.check()
}

func TestAddToACampaignThatTakesNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	list := []Entry{person("a", 2, "+14155550101")}
	if _, err := b.Add(b.ctx(), "nothing", b.idKey, list); !errors.Is(err, ErrCancelled) {
		t.Fatalf("add to a campaign that is not there: %v", err)
	}
	if err := b.Cancel(b.ctx(), camp); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(b.ctx(), camp, b.idKey, list); !errors.Is(err, ErrCancelled) {
		t.Fatalf("add to a cancelled campaign: %v, want ErrCancelled", err)
	}
	if r := b.contact("a"); r.State != "" {
		t.Fatalf("a cancelled campaign has the contact %+v", r)
	}
	b.check()
}

func TestOneNumberInTwoCampaigns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.one()
	b.create(campaign.Default("other"), false)
	got, err := b.Add(b.ctx(), "other", b.idKey, []Entry{person("a", 2, "+14155550101")})
	if err != nil || got[0].Code != RowAdded {
		t.Fatalf("add to the other campaign: %+v, %v", got, err)
	}
	b.check()
	if err := consistent(b.ctx(), b.Ledger, "other"); err != nil {
		t.Fatal(err)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	lists := [][]string{{"Name", "Phone"}, {"Name", "Phone", "City: \"ä\""}, {}}
	for range 2 {
		for want, header := range lists {
			if i, err := b.AddHeader(b.ctx(), camp, header); i != want || err != nil {
				t.Fatalf("header %q: index %d, %v; want %d", header, i, err, want)
			}
		}
	}
	if got, err := b.Headers(b.ctx(), camp); err != nil || !reflect.DeepEqual(got, lists) {
		t.Fatalf("headers %q, %v; want %q", got, err, lists)
	}
	if got, err := b.Headers(b.ctx(), "nothing"); err != nil || len(got) != 0 {
		t.Fatalf("headers of no campaign: %q, %v", got, err)
	}
	b.check()
}

func TestEachVisitsInTheOrderOfImport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var entries []Entry
	for i := range 450 { // more than two pages
		entries = append(entries, person(fmt.Sprintf("c%03d", (i*7)%450), i+2, fmt.Sprintf("+1415555%04d", i)))
	}
	b.add(entries...)
	i := 0
	if err := b.Each(b.ctx(), camp, func(r Record) error {
		if !reflect.DeepEqual(r.Contact, entries[i].Contact) {
			return fmt.Errorf("contact %d is %+v, want %+v", i, r.Contact, entries[i].Contact)
		}
		i++
		return nil
	}); err != nil || i != len(entries) {
		t.Fatalf("visited %d of %d: %v", i, len(entries), err)
	}
	stop := errors.New("stop")
	i = 0
	if err := b.Each(b.ctx(), camp, func(Record) error { i++; return stop }); !errors.Is(err, stop) || i != 1 {
		t.Fatalf("visit that fails: %v after %d", err, i)
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.one()
	r, c, err := b.Look(b.ctx(), camp, "a")
	if err != nil || !reflect.DeepEqual(r, b.contact("a")) || c.Rules.Name != camp || c.Counts.Total != 1 {
		t.Fatalf("look: %+v, %+v, %v", r, c, err)
	}
	if _, _, err := b.Look(b.ctx(), camp, "nobody"); !errors.Is(err, ErrNoContact) {
		t.Fatalf("look for nobody: %v, want ErrNoContact", err)
	}
	if err := b.rdb.Del(b.ctx(), keyCampaign(camp)).Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Look(b.ctx(), camp, "a"); !errors.Is(err, ErrNoCampaign) {
		t.Fatalf("look without a campaign: %v, want ErrNoCampaign", err)
	}
	if _, err := b.Contact(b.ctx(), camp, "nobody"); !errors.Is(err, ErrNoContact) {
		t.Fatalf("contact nobody: %v, want ErrNoContact", err)
	}
}

func TestCancelWaitingGoesOnWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var entries []Entry
	for i := range 1200 { // three pages
		e := person(fmt.Sprintf("c%d", i), i+2, fmt.Sprintf("+1415555%04d", i))
		if i%3 == 0 {
			e.Reason = campaign.OutsideHours
		}
		entries = append(entries, e)
	}
	b.add(entries...)
	live := campaign.Ref{Campaign: camp, Contact: "c1", Token: "t1"}
	b.claim(live, 1)
	held := campaign.Ref{Campaign: camp, Contact: "c2", Token: "t2"}
	b.claim(held, 1)
	b.settle(held, unknown)
	if err := b.Cancel(b.ctx(), camp); err != nil {
		t.Fatal(err)
	}
	// One that ends the first page and then breaks off.
	ctx, cancel := context.WithCancel(b.ctx())
	b.rdb.AddHook(&wire{after: func(cmd redis.Cmder, err error) {
		if strings.HasPrefix(cmd.Name(), "eval") && err == nil {
			cancel()
		}
	}})
	n, err := b.CancelWaiting(ctx, camp)
	if !errors.Is(err, context.Canceled) || n != stepSize-2 {
		t.Fatalf("interrupted: %d, %v; want the %d of the first step and context.Canceled", n, err, stepSize-2)
	}
	b.check()
	n, err = b.CancelWaiting(b.ctx(), camp)
	if want := 1200 - stepSize; n != want || err != nil {
		t.Fatalf("second: %d, %v; want the other %d", n, err, want)
	}
	b.check()
	if n, err = b.CancelWaiting(b.ctx(), camp); n != 0 || err != nil {
		t.Fatalf("third: %d, %v; want 0", n, err)
	}
	c, err := b.Campaign(b.ctx(), camp)
	if err != nil || !c.Cancelled || c.Counts.Live != 1 || c.Counts.Unconfirmed != 1 || c.Counts.Outcomes[campaign.Cancelled] != 1198 ||
		len(c.Counts.Held) != 0 {
		t.Fatalf("campaign %+v, %v", c, err)
	}
	// A claim that is undone after the sweep waits, and the next sweep ends it.
	if got, err := b.Release(b.ctx(), live, "limited"); got != NotClaimed || err != nil {
		t.Fatalf("release: %q, %v", got, err)
	}
	if n, err = b.CancelWaiting(b.ctx(), camp); n != 1 || err != nil {
		t.Fatalf("fourth: %d, %v; want 1", n, err)
	}
	b.check()
}
