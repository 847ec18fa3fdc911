package e2e

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/ledger"
)

// TestTerminate stops a worker during conversations; the next one takes them over and records what became of them.
func TestTerminate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(8*time.Second))
	people := numbers(3)
	w.list("people.csv", people...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("t"))
	first := w.worker(alice, bob)
	w.eventually("the worker has seen two conversations", func() bool { return w.answers("t") == 2 })
	first.signal(terminate)
	if code := first.ends(10 * time.Second); code != 0 {
		t.Errorf("the worker ended with status %d", code)
	}
	if s := w.status("t"); s.Live != 2 || talkers(w) != 2 {
		t.Fatalf("the calls do not go on: %+v, %d talk", s, talkers(w))
	}
	second := w.worker(alice, bob)
	s := w.done("t")
	if s.Outcomes["answered"] != 3 {
		t.Errorf("status: %+v", s)
	}
	if n := strings.Count(second.err.String(), "live call taken over"); n != 2 {
		t.Errorf("%d calls taken over, want 2", n)
	}
	onceEach(t, w, people)
	for _, r := range w.results("t") {
		if d, _ := r["duration_s"].(float64); d < 4 || d > 12 {
			t.Errorf("%v talked for %v s, want about 8", r["contact_id"], r["duration_s"])
		}
	}
	w.eventually("Asynq has nothing left of the campaign", func() bool { return w.queued("t") == 0 })
}

// TestStandby kills a worker that has the lines while another one stands by.
func TestStandby(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(20*time.Second))
	people := numbers(3)
	w.list("people.csv", people...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("s"))
	first := w.worker(alice, bob)
	w.eventually("two conversations go on", func() bool { return talkers(w) == 2 })
	standby := w.worker(alice, bob)
	w.eventually("the second worker stands by", func() bool { return strings.Contains(standby.err.String(), "standing by") })
	first.kill()
	killed := time.Now()
	w.eventually("the calls are taken over", func() bool {
		return strings.Count(standby.err.String(), "live call taken over") == 2
	})
	if took := time.Since(killed); took > 22*time.Second { // a lease and the time to ask for it
		t.Errorf("taking over took %s", took)
	}
	w.eventually("the two conversations are on record", func() bool { return w.status("s").Outcomes["answered"] >= 2 })
	// The third call need not be waited for, only that it is nobody's second one.
	for number, n := range dialled(w.honest()) {
		if n != 1 || !slices.Contains(people, number) {
			t.Errorf("%s was dialled %d times", number, n)
		}
	}
}

// answers counts the contacts who have answered as far as the ledger knows.
func (w *world) answers(name string) int {
	w.t.Helper()
	events, err := ledger.New(w.rdb).Events(context.Background(), name, "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Kind == "answered" {
			n++
		}
	}
	return n
}

// talkers counts the calls in which both talk now.
func talkers(w *world) int {
	n := 0
	truth := w.sim.Truth()
	for _, d := range truth.Dials {
		if !d.AnsweredAt.IsZero() && d.EndedAt.IsZero() {
			n++
		}
	}
	return n
}

func onceEach(t *testing.T, w *world, people []string) {
	t.Helper()
	want := map[string]int{}
	for _, p := range people {
		want[p] = 1
	}
	if got := dialled(w.honest()); !maps.Equal(got, want) {
		t.Errorf("dialled %v, want each once of %v", got, people)
	}
}
