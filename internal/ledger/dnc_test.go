package ledger

import (
	"errors"
	"fmt"
	"testing"
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
	if err := b.DNCEach(b.ctx(), func(n string) error { got[n] = true; return nil }); err != nil || len(got) != len(want) {
		t.Fatalf("each: %d numbers, %v; want %d", len(got), err, len(want))
	}
	for n := range got {
		if !want[n] {
			t.Fatalf("%s is not on the list", n)
		}
	}
	stop := errors.New("stop")
	if err := b.DNCEach(b.ctx(), func(string) error { return stop }); !errors.Is(err, stop) {
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
