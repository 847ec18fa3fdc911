package ledger

import (
	"slices"
	"testing"
	"time"
)

func dueNames(t *testing.T, l *Ledger) []string {
	t.Helper()
	due, err := l.Due(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(due))
	for _, d := range due {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

func TestDue(t *testing.T) {
	t.Parallel()
	l, ctx := newBench(t).Ledger, t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(l.Wake(ctx, "later", time.Hour))
	must(l.Wake(ctx, "now", 0))
	if got := dueNames(t, l); !slices.Equal(got, []string{"now"}) {
		t.Fatalf("due are %v, want just now", got)
	}
	must(l.Wake(ctx, "later", 0)) // sooner wins
	must(l.Wake(ctx, "later", time.Hour))
	if got := dueNames(t, l); !slices.Equal(got, []string{"later", "now"}) {
		t.Fatalf("due are %v, want both", got)
	}
	seen, err := l.Due(ctx, 100)
	must(err)
	// Woken between the look into the queues and the rest: it must not be lost.
	must(l.Wake(ctx, "now", 0))
	for _, d := range seen {
		must(l.Rest(ctx, d, Never))
	}
	if got := dueNames(t, l); !slices.Equal(got, []string{"now"}) {
		t.Fatalf("due are %v, want the one that was woken meanwhile", got)
	}
	seen, err = l.Due(ctx, 100)
	must(err)
	must(l.Rest(ctx, seen[0], time.Hour))
	if got := dueNames(t, l); len(got) != 0 {
		t.Fatalf("due are %v, want none", got)
	}
}
