package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// both previews and imports a list and checks that they say the same.
func (b *bundle) both(t *testing.T, list rows, again Again, want Tally) {
	t.Helper()
	want.Reasons = map[campaign.Reason]int{}
	preview, err := b.producer.PreviewAgain(t.Context(), b.rules, new(slices.Clone(list)), again)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.producer.ImportAgain(t.Context(), b.rules, new(slices.Clone(list)), again, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(preview, want) {
		t.Fatalf("preview %+v\nimport  %+v\nwant    %+v", preview, got, want)
	}
	c, err := b.ledger.Campaign(t.Context(), b.rules.Name)
	if n := c.Counts; err != nil || n.Waiting+n.Live+n.Done+n.Unconfirmed != n.Total {
		t.Fatalf("counts %+v, %v", n, err)
	}
}

func (b *bundle) record(t *testing.T, id string) ledger.Record {
	t.Helper()
	r, err := b.ledger.Contact(t.Context(), b.rules.Name, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tasksOf lists the rounds of a contact that are enqueued.
func (b *bundle) tasksOf(t *testing.T, id string) (rounds []int) {
	t.Helper()
	for round := range 6 {
		for _, queue := range []string{b.rules.Name, b.rules.Name + ".again"} {
			if _, err := b.inspector.GetTaskInfo(queue, fmt.Sprintf("%s:%s:%d", b.rules.Name, id, round)); err == nil {
				rounds = append(rounds, round)
			}
		}
	}
	return rounds
}

// TestLivingList imports a list that changes from day to day.
func TestLivingList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	list := *contacts(8)
	update := Again{Update: true}
	b.both(t, list, update, Tally{Added: 8})
	b.both(t, list, update, Tally{Known: 8})
	if _, err := b.ledger.DNCAdd(t.Context(), "+12129990003"); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "c5", campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true, Rang: true})
	b.settle(t, "c6", campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true})
	live := campaign.Ref{Campaign: "spring", Contact: "c7", Token: "live"}
	if _, err := b.ledger.Claim(t.Context(), ledger.Claim{Ref: live, Round: 1, Number: contact(7).Number(), Line: "alice", SendWithin: time.Second}); err != nil {
		t.Fatal(err)
	}

	next := slices.Clone(list)
	next[0].Row = 99                              // the same, elsewhere in the list
	next[1].Name = "Ada"                          // another name
	next[2].Numbers = []string{"+12129990002"}    // another number
	next[3].Numbers = []string{"+12129990003"}    // one that may not be called
	next[4].Numbers = contact(0).Numbers          // one that somebody else has
	next[5].Numbers = []string{"+12129990005"}    // of one who is done
	next[6].Numbers = []string{"+12129990006"}    // of one who was busy
	next[7].Numbers = []string{"+12129990007"}    // of one who is being called
	next = append(next, contact(20), contact(21)) // and two who are new, one of whom is not to be called
	next[9].DoNotCall = "Do not call: yes"
	want := Tally{Added: 1, Known: 1, Changed: 3, Suppressed: 2, Duplicates: 1, Closed: 1, Later: 1}
	b.both(t, next, update, want)
	for id, want := range map[string]struct {
		state   campaign.ContactState
		outcome campaign.Outcome
		number  string
		tasks   []int
	}{
		"c0":  {campaign.Waiting, "", contact(0).Number(), []int{1}},
		"c1":  {campaign.Waiting, "", contact(1).Number(), []int{1}},
		"c2":  {campaign.Waiting, "", "+12129990002", []int{1, 2}},
		"c3":  {campaign.Done, campaign.Suppressed, "+12129990003", []int{1}},
		"c4":  {campaign.Done, campaign.Cancelled, contact(0).Number(), []int{1}},
		"c5":  {campaign.Done, campaign.Answered, contact(5).Number(), []int{1}},
		"c6":  {campaign.Waiting, "", "+12129990006", []int{1, 3}}, // round 2 is the busy one's, whose task settle left out
		"c7":  {campaign.Placing, "", contact(7).Number(), []int{1}},
		"c21": {campaign.Done, campaign.Suppressed, contact(21).Number(), nil},
	} {
		r := b.record(t, id)
		if r.State != want.state || r.Outcome != want.outcome || r.Contact.Number() != want.number {
			t.Errorf("%s is %s %s with %s, want %+v", id, r.State, r.Outcome, r.Contact.Number(), want)
		}
		if got := b.tasksOf(t, id); !slices.Equal(got, want.tasks) {
			t.Errorf("%s has tasks of the rounds %v, want %v", id, got, want.tasks)
		}
	}
	if r := b.record(t, "c6"); r.Charged != 1 || len(r.Attempts) != 1 || r.Attempts[0].Number != contact(6).Number() {
		t.Errorf("the busy one has lost its attempt: %+v", r)
	}
	if r := b.record(t, "c1"); r.Contact.Name != "Ada" || r.Round != 1 {
		t.Errorf("the renamed one is %+v", r)
	}

	// After its call the one who was live has the new number, in a round of its own.
	if _, err := dial.NewBook(b.ledger, b.producer, time.Now).Settle(t.Context(), live,
		campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true}, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	if r := b.record(t, "c7"); r.State != campaign.Waiting || r.Contact.Number() != "+12129990007" || r.Attempts[0].Number != contact(7).Number() || r.Charged != 1 {
		t.Errorf("the one who was live is %+v", r)
	}
	// The same again changes nothing; who is done needs more than that.
	b.both(t, next[:8], update, Tally{Known: 7, Closed: 1})
	b.both(t, next[:8], Again{Update: true, Reopen: true}, Tally{Known: 7, Reopened: 1})
	if r := b.record(t, "c5"); r.State != campaign.Waiting || r.Contact.Number() != "+12129990005" || r.Charged != 1 || r.Round != 2 {
		t.Errorf("the reopened one is %+v", r)
	}
	if got := b.tasksOf(t, "c5"); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the reopened one has tasks of the rounds %v", got)
	}
	// Without Update nothing changes.
	b.both(t, list, Again{}, Tally{Known: 2, OtherNumber: 6})
}

// TestRemoveMissing removes whom a list has no more, and lets them come back.
func TestRemoveMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	list := *contacts(600)
	b.both(t, list, Again{}, Tally{Added: 600})
	live := campaign.Ref{Campaign: "spring", Contact: "c1", Token: "live"}
	if _, err := b.ledger.Claim(t.Context(), ledger.Claim{Ref: live, Round: 1, Number: contact(1).Number(), Line: "alice", SendWithin: time.Second}); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "c3", campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true, Rang: true})
	var half rows
	for i := 0; i < len(list); i += 2 {
		half = append(half, list[i])
	}
	listed := NewListed()
	b.both(t, half, Again{Update: true, Listed: listed}, Tally{Known: 300})
	for _, preview := range []bool{true, false} { // a rejected row is no missing one
		if err := b.producer.NoteListed(t.Context(), "spring", listed, preview, "c5"); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []func(context.Context, string, *Listed) (int, int, error){b.producer.PreviewMissing, b.producer.RemoveMissing} {
		if removed, later, err := f(t.Context(), "spring", listed); removed != 297 || later != 1 || err != nil {
			t.Errorf("%d are removed, %d after their calls, %v; want 297 and 1", removed, later, err)
		}
	}
	if left := b.rdb.Keys(t.Context(), "ringqueue:{ledger}:listed:*").Val(); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	if r := b.record(t, "c7"); r.State != campaign.Done || r.Outcome != campaign.Cancelled {
		t.Errorf("a missing one is %+v", r)
	}
	// The one who was live ends after its call.
	if _, err := dial.NewBook(b.ledger, b.producer, time.Now).Settle(t.Context(), live,
		campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true}, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	r := b.record(t, "c1")
	if d := b.rules.Gate(campaign.Situation{Contact: r.Contact}, time.Now()); d.Never != campaign.Cancelled {
		t.Errorf("the one who was live is %+v and may be called: %+v", r, d)
	}
	// They come back only if that is asked for; who answered stays done. The live one's task has not come yet: its row is as it
	// was before its removal.
	b.both(t, list, Again{Update: true}, Tally{Known: 302, Changed: 1, Closed: 297})
	b.both(t, list, Again{Update: true, Reopen: true}, Tally{Known: 303, Reopened: 297})
	if c, err := b.ledger.Campaign(t.Context(), "spring"); err != nil || c.Counts.Waiting != 599 || c.Counts.Outcomes[campaign.Cancelled] != 0 {
		t.Errorf("counts %+v, %v", c.Counts, err)
	}
}

// TestSharedIDs has one column of customers for several people of a company each.
func TestSharedIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	list := *contacts(700)
	for i := range list {
		list[i].ID = fmt.Sprintf("k%d", i%500) // 200 have the id of another one, of another batch
	}
	list[1].ID, list[2].ID = "k0", "k0" // and two of the same one
	shared := Again{SharedIDs: true}
	b.both(t, list, shared, Tally{Added: 700, SharedID: 200})
	for range 2 { // each time they get the same ids
		b.both(t, list, shared, Tally{Known: 700, SharedID: 200})
		b.both(t, list, Again{SharedIDs: true, Update: true, Reopen: true}, Tally{Known: 700, SharedID: 200})
	}
	// In another order, and with one who is new, too.
	slices.Reverse(list)
	more := append(slices.Clone(list), campaign.Contact{ID: "k7", Row: 900, Numbers: []string{"+12129990007"}})
	b.both(t, more, Again{SharedIDs: true, Update: true}, Tally{Known: 700, Added: 1, SharedID: 201})
	// Alone, it is a number that has changed.
	b.both(t, rows{{ID: "k9", Row: 2, Numbers: []string{"+12129990009"}}}, shared, Tally{OtherNumber: 1})
	b.both(t, rows{{ID: "k9", Row: 2, Numbers: []string{"+12129990009"}}}, Again{SharedIDs: true, Update: true}, Tally{Changed: 1})
	if r := b.record(t, "k9"); r.Contact.Number() != "+12129990009" {
		t.Errorf("k9 is %+v", r)
	}
}

func TestByPriority(t *testing.T) {
	t.Parallel()
	list := *contacts(6)
	for i, p := range []int{0, 2, -1, 2, 1, 0} {
		list[i].Priority = p
	}
	var got []string
	in := ByPriority(&list)
	for {
		c, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.ID)
	}
	if want := "c1 c3 c4 c0 c5 c2"; strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
	many := ByPriority(contacts(priorityBlock + 3))
	n := 0
	for ; ; n++ {
		if _, err := many.Next(); err != nil {
			break
		}
	}
	if n != priorityBlock+3 {
		t.Errorf("%d contacts came", n)
	}
}

// TestNotBefore enqueues a contact for its own time.
func TestNotBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := contact(0)
	c.NotBefore = time.Now().Add(3 * time.Hour).Truncate(time.Second)
	if _, err := b.producer.Import(t.Context(), b.rules, &rows{c}, nil); err != nil {
		t.Fatal(err)
	}
	if r := b.record(t, "c0"); !r.Due.Equal(c.NotBefore) || r.Reason != campaign.NotDue || !r.Contact.NotBefore.Equal(c.NotBefore) {
		t.Errorf("the contact is %+v", r)
	}
	if info := b.info(t, "spring", "spring:c0:1"); !info.NextProcessAt.Equal(c.NotBefore) {
		t.Errorf("its task comes at %s, want %s", info.NextProcessAt, c.NotBefore)
	}
}
