package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(person("b", 3, "+14155550102"))
	ref := b.one()
	b.claim(ref, 1)
	if _, err := b.Release(b.ctx(), ref, "limited"); err != nil {
		t.Fatal(err)
	}
	ref.Token = "t2"
	b.claim(ref, 1)
	b.place(ref, "s-1")
	for range 2 {
		if err := b.Seen(b.ctx(), ref, campaign.Seen{CallerAnswered: true, CalleeAnswered: true}); err != nil {
			t.Fatal(err)
		}
	}
	b.settle(ref, talked)
	other := campaign.Ref{Campaign: camp, Contact: "b", Token: "t3"}
	b.claim(other, 1)
	b.settle(other, unknown)
	if err := b.Resolve(b.ctx(), camp, "b", Resolution{Detail: "a person"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.End(b.ctx(), camp, "b", 2, campaign.Expired); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"claimed a 1 alice ", "released a 1 alice limited", "claimed a 1 alice ", "placed a 1 alice ", "answered a 1 alice ",
		"settled a 1 alice answered", "ended a 0  answered",
		"claimed b 1 alice ", "settled b 1 alice unconfirmed", "resolved b 1 alice not called", "ended b 0  expired",
	}
	read := func(after string, count int64) (said []string, last string) {
		t.Helper()
		events, err := b.Events(b.ctx(), camp, after, count)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			said, last = append(said, fmt.Sprintf("%s %s %d %s %s", e.Kind, e.Contact, e.Attempt, e.Line, e.Text)), e.ID
		}
		return said, last
	}
	if got, _ := read("", 100); !slices.Equal(got, want) {
		t.Fatalf("events\n%q\nwant, each step once although it was repeated,\n%q", got, want)
	}
	if got, _ := read("$", 3); !slices.Equal(got, want[len(want)-3:]) {
		t.Fatalf("last events %q, want %q", got, want[len(want)-3:])
	}
	var paged []string
	for after := ""; ; {
		page, last := read(after, 4)
		if len(page) == 0 {
			break
		}
		paged, after = append(paged, page...), last
	}
	if !slices.Equal(paged, want) {
		t.Fatalf("page by page\n%q\nwant\n%q", paged, want)
	}
	if got, _ := read("$", 100); !slices.Equal(got, want) {
		t.Fatalf("all of the last events %q, want %q", got, want)
	}
}
