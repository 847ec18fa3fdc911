package schedule

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// world is a Redis of its own, a folder for lists, and a clock by which instants come.
type world struct {
	t      *testing.T
	rdb    *redis.Client
	store  *Store
	ledger *ledger.Ledger
	folder string
	clock  atomic.Pointer[time.Time]
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	return &world{t: t, rdb: rdb, store: NewStore(rdb), ledger: ledger.New(rdb), folder: t.TempDir()}
}

func (w *world) set(now time.Time) { w.clock.Store(&now) }

// runner looks at the world's clock and waits for nothing longer than it must.
func (w *world) runner(change ...func(*Config)) *Runner {
	cfg := Config{
		Every: time.Millisecond, Lease: time.Second, Quiet: time.Minute, Retry: time.Millisecond, Patience: time.Hour,
		Now: func(context.Context) (time.Time, error) { return *w.clock.Load(), nil },
	}
	for _, f := range change {
		f(&cfg)
	}
	return NewRunner(w.rdb, zerolog.New(zerolog.NewTestWriter(w.t)), cfg)
}

// look lets a runner do what there is to do now.
func (w *world) look(r *Runner) {
	w.t.Helper()
	if err := r.turn(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	r.wg.Wait()
}

// file writes a list of n contacts, the first of which is number from, that nobody has changed for long.
func (w *world) file(name string, from, n int) string {
	w.t.Helper()
	path := filepath.Join(w.folder, name)
	w.write(path, list(from, n))
	return path
}

func (w *world) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		w.t.Fatal(err)
	}
}

func list(from, n int) string {
	var b strings.Builder
	b.WriteString("id,phone,name\n")
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "%d,%s,Person %d\n", i, phone(i), i)
	}
	return b.String()
}

func phone(i int) string { return fmt.Sprintf("+1212%07d", 2000000+i) }

// rule is a schedule at nine each day in New York.
func (w *world) rule(name, path string) Rule {
	rules := campaign.Default("any")
	rules.CallingHours = campaign.Hours{Always: true}
	return Rule{
		Name: name, When: When{Cron: "0 9 * * *", Zone: "America/New_York"}, List: path, Rules: rules,
		CatchUp: 2 * time.Hour, Overlap: OverlapSkip, Keep: 60,
	}
}

// add stores a rule as if it were now.
func (w *world) add(rule Rule, now time.Time) {
	w.t.Helper()
	if err := w.store.Add(w.t.Context(), rule, true); err != nil {
		w.t.Fatal(err)
	}
	if err := w.rdb.HSet(w.t.Context(), keyRule(rule.Name), "next", nextAfter(rule, now)).Err(); err != nil {
		w.t.Fatal(err)
	}
	w.set(now)
}

// runs reads a schedule's runs, newest first.
func (w *world) runs(name string) []Run {
	w.t.Helper()
	runs, err := w.store.Runs(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return runs
}

// counts are a campaign's.
func (w *world) counts(name string) ledger.Counts {
	w.t.Helper()
	camp, err := w.ledger.Campaign(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return camp.Counts
}

// eventually lets a runner look until a condition holds.
func (w *world) eventually(r *Runner, what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		if w.look(r); ok() {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("it never came that %s; runs: %+v", what, w.runs("daily"))
		}
	}
}

func at(t *testing.T, zone, civil string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	instant, err := time.ParseInLocation("2006-01-02T15:04", civil, loc)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}
