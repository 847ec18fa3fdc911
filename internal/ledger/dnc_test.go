package ledger

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestDNC(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := map[string]bool{}
	var numbers []string
	for i := range 2500 {
		numbers = append(numbers, fmt.Sprintf("+1415555%04d", i))
		want[numbers[i]] = true
	}
	for _, n := range []int{len(numbers), 0} { // the second time none is new
		if got, err := b.DNCAdd(b.ctx(), numbers...); got != n || err != nil {
			t.Fatalf("add: %d new, %v; want %d", got, err, n)
		}
	}
	for _, n := range []int{1, 0} {
		if got, err := b.DNCRemove(b.ctx(), numbers[7]); got != n || err != nil {
			t.Fatalf("remove: %d, %v; want %d", got, err, n)
		}
	}
	delete(want, numbers[7])
	for i, on := range map[int]bool{6: true, 7: false} {
		if got, err := b.DNCHas(b.ctx(), numbers[i]); got != on || err != nil {
			t.Fatalf("has %d: %v, %v; want %v", i, got, err, on)
		}
	}
	got := map[string]bool{}
	if err := b.DNCEach(b.ctx(), func(e DNCEntry) error { got[e.Number] = true; return nil }); err != nil || len(got) != len(want) {
		t.Fatalf("each: %d numbers, %v; want %d", len(got), err, len(want))
	}
	for n := range got {
		if !want[n] {
			t.Fatalf("%s is not on the list", n)
		}
	}
	stop := errors.New("stop")
	if err := b.DNCEach(b.ctx(), func(DNCEntry) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("visit that fails: %v", err)
	}
	for name, f := range map[string]func(...string) (int, error){
		"add":    func(n ...string) (int, error) { return b.DNCAdd(b.ctx(), n...) },
		"remove": func(n ...string) (int, error) { return b.DNCRemove(b.ctx(), n...) },
	} {
		if n, err := f(); n != 0 || err != nil {
			t.Errorf("%s nothing: %d, %v", name, n, err)
		}
	}
}

// TestDNCDetails keeps of two wishes the one that lasts longer, and lets a wish end when its time comes.
func TestDNCDetails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// One of before there were details.
	if err := b.rdb.SAdd(b.ctx(), keyDNC, "+14155550100").Err(); err != nil {
		t.Fatal(err)
	}
	since, past := time.UnixMilli(1700000000000).UTC(), time.UnixMilli(1700000001000).UTC()
	soon, late := time.UnixMilli(4000000000000).UTC(), time.UnixMilli(4100000000000).UTC()
	put := func(n int, entries ...DNCEntry) {
		t.Helper()
		for _, want := range []int{n, 0} {
			if got, err := b.DNCPut(b.ctx(), entries...); err != nil || got != want {
				t.Fatalf("%d are new, %v; want %d", got, err, want)
			}
		}
	}
	entry := func(number, reason string, expires time.Time) DNCEntry {
		return DNCEntry{Number: number, Reason: reason, Source: "list.csv", AddedAt: since, Expires: expires}
	}
	put(4, entry("+14155550101", "asked", time.Time{}), entry("+14155550102", "for a while", soon), entry("+14155550103", "over", past),
		entry("+14155550104", "for longer", late))
	put(0, entry("+14155550100", "until then", soon), entry("+14155550101", "until then", soon), entry("+14155550102", "for longer", late),
		entry("+14155550104", "for ever", time.Time{}), entry("+14155550104", "until then", soon))
	if n, err := b.DNCEnd(b.ctx()); n != 1 || err != nil {
		t.Fatalf("%d have ended, %v", n, err)
	}
	want := map[string]DNCEntry{
		"+14155550100": {Number: "+14155550100"}, "+14155550101": entry("+14155550101", "asked", time.Time{}),
		"+14155550102": entry("+14155550102", "for longer", late), "+14155550104": entry("+14155550104", "for ever", time.Time{}),
	}
	list := func() map[string]DNCEntry {
		got := map[string]DNCEntry{}
		if err := b.DNCEach(b.ctx(), func(e DNCEntry) error { got[e.Number] = e; return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := list(); !reflect.DeepEqual(got, want) {
		t.Fatalf("the list is %+v\nwant %+v", got, want)
	}
	if n, err := b.DNCRemove(b.ctx(), "+14155550102"); n != 1 || err != nil {
		t.Fatalf("%d removed, %v", n, err)
	}
	put(1, DNCEntry{Number: "+14155550102"})
	if e := list()["+14155550102"]; e.Reason != "" || e.AddedAt.IsZero() || !e.Expires.IsZero() {
		t.Fatalf("the entry is %+v", e)
	}
}
