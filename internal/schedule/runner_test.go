package schedule

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

const newYork = "America/New_York"

// TestYear runs schedules of three zones over a year on an injected clock: each instant has one run, complete, of its own name.
func TestYear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.file("due.csv", 1, 2)
	// Numbers that may not be called are done at once.
	if _, err := w.ledger.DNCAdd(t.Context(), phone(1), phone(2)); err != nil {
		t.Fatal(err)
	}
	begin := at(t, "UTC", "2026-01-01T00:00")
	var rules []Rule
	for name, when := range map[string]When{
		"weekdays": {Cron: "0 9 * * MON-FRI", Zone: newYork},
		"sundays":  {Cron: "30 2 * * SUN", Zone: "Europe/Berlin"}, // the days on which clocks change
		"monthly":  {Cron: "45 1 1 * *", Zone: "Australia/Lord_Howe"},
	} {
		rule := w.rule(name, path)
		rule.When, rule.Keep = when, 1000
		rules = append(rules, rule)
		w.add(rule, begin)
	}
	a, b := w.runner(), w.runner()
	end := begin.AddDate(1, 0, 0)
	for now := begin; now.Before(end); {
		next := end
		all, err := w.store.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Next.Before(next) {
				next = one.Next
			}
		}
		now = next
		w.set(now)
		w.look(a)
		w.look(b)
		w.look(a)
	}
	for _, rule := range rules {
		instants, total := rule.When.Between(begin, end.Add(-time.Second), 1000)
		runs := w.runs(rule.Name)
		slices.Reverse(runs)
		if len(runs) != total {
			t.Fatalf("%s has %d runs, want %d", rule.Name, len(runs), total)
		}
		for i, run := range runs {
			if !run.Instant.Equal(instants[i]) || run.State != StateDone || run.Contacts != 2 || run.Name != RunName(rule.Name, rule.When, instants[i]) {
				t.Errorf("run %d is %+v, want one at %s with 2 contacts", i, run, instants[i])
			}
			if c := w.counts(run.Name); c.Total != 2 || c.Outcomes[campaign.Suppressed] != 2 {
				t.Errorf("%s has %+v", run.Name, c)
			}
		}
	}
}

// TestLate tells what becomes of instants at which no worker was up.
func TestLate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		now   string
		runs  []State // oldest first
		next  string
		catch time.Duration
	}{
		{"in time", "2026-03-10T09:00", []State{StateRunning}, "2026-03-11T09:00", 0},
		{"a worker was being restarted", "2026-03-10T09:01", []State{StateRunning}, "2026-03-11T09:00", 0},
		{"not caught up", "2026-03-10T09:02", []State{StateMissed}, "2026-03-11T09:00", 0},
		{"caught up", "2026-03-10T11:00", []State{StateRunning}, "2026-03-11T09:00", 2 * time.Hour},
		{"too late", "2026-03-10T11:01", []State{StateMissed}, "2026-03-11T09:00", 2 * time.Hour},
		{"days without a worker", "2026-03-13T10:00", []State{StateMissed, StateMissed, StateMissed, StateRunning}, "2026-03-14T09:00", 2 * time.Hour},
		{"all of them caught up means the newest", "2026-03-11T10:00", []State{StateMissed, StateRunning}, "2026-03-12T09:00", 72 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rule := w.rule("daily", w.file("due.csv", 1, 3))
			rule.CatchUp = tt.catch
			w.add(rule, at(t, newYork, "2026-03-10T08:00"))
			w.set(at(t, newYork, tt.now))
			r := w.runner()
			w.look(r)
			w.look(r)
			runs := w.runs("daily")
			slices.Reverse(runs)
			var states []State
			for _, run := range runs {
				states = append(states, run.State)
			}
			if !slices.Equal(states, tt.runs) {
				t.Errorf("runs are %v, want %v", states, tt.runs)
			}
			one, err := w.store.Get(t.Context(), "daily")
			if err != nil {
				t.Fatal(err)
			}
			if want := at(t, newYork, tt.next); !one.Next.Equal(want) {
				t.Errorf("the next instant is %s, want %s", one.Next, want)
			}
		})
	}
}

// TestOverlap starts a run whose predecessor has contacts 1 to 4 open, with a list of contacts 3 to 6.
func TestOverlap(t *testing.T) {
	t.Parallel()
	first, second := "daily-20260310T0900", "daily-20260311T0900"
	begin := func(t *testing.T, overlap Overlap) (*world, *Runner) {
		t.Helper()
		w := newWorld(t)
		rule := w.rule("daily", w.file("due.csv", 1, 4))
		rule.Overlap = overlap
		w.add(rule, at(t, newYork, "2026-03-10T08:00"))
		w.set(at(t, newYork, "2026-03-10T09:00"))
		r := w.runner()
		w.eventually(r, "the first run runs", func() bool { return w.runs("daily")[0].State == StateRunning })
		w.file("due.csv", 3, 4)
		w.set(at(t, newYork, "2026-03-11T09:00"))
		w.look(r)
		return w, r
	}
	t.Run("skip", func(t *testing.T) {
		t.Parallel()
		w, _ := begin(t, OverlapSkip)
		if run := w.runs("daily")[0]; run.State != StateSkipped || !strings.Contains(run.Detail, first) {
			t.Errorf("the second run is %+v", run)
		}
		if _, err := w.ledger.Campaign(t.Context(), second); !errors.Is(err, ledger.ErrNoCampaign) {
			t.Errorf("the second run has a campaign: %v", err)
		}
	})
	t.Run("queue", func(t *testing.T) {
		t.Parallel()
		w, r := begin(t, OverlapQueue)
		for range 3 {
			w.look(r)
		}
		if run := w.runs("daily")[0]; run.State != StateListed || !strings.Contains(run.Detail, first) {
			t.Fatalf("the second run is %+v", run)
		}
		// Its list was read at its instant: what becomes of the file is nothing to it.
		if err := os.Remove(filepath.Join(w.folder, "due.csv")); err != nil {
			t.Fatal(err)
		}
		w.finish(first)
		w.eventually(r, "the second run runs", func() bool { return w.runs("daily")[0].State == StateRunning })
		if c := w.counts(second); c.Total != 4 {
			t.Errorf("the second run has %+v", c)
		}
		w.eventually(r, "the first run is done", func() bool { return w.runs("daily")[1].State == StateDone })
	})
	t.Run("replace", func(t *testing.T) {
		t.Parallel()
		w, r := begin(t, OverlapReplace)
		w.eventually(r, "the second run runs", func() bool { return w.runs("daily")[0].State == StateRunning })
		if c := w.counts(first); c.Outcomes[campaign.Cancelled] != 4 {
			t.Errorf("the first run has %+v", c)
		}
		if c := w.counts(second); c.Total != 4 {
			t.Errorf("the second run has %+v", c)
		}
	})
	t.Run("replace leaves conversations alone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		rule := w.rule("daily", w.file("due.csv", 1, 4))
		rule.Overlap = OverlapReplace
		w.add(rule, at(t, newYork, "2026-03-10T08:00"))
		w.set(at(t, newYork, "2026-03-10T09:00"))
		r := w.runner()
		w.eventually(r, "the first run runs", func() bool { return w.runs("daily")[0].State == StateRunning })
		if _, err := w.ledger.Claim(t.Context(), ledger.Claim{
			Ref: campaign.Ref{Campaign: first, Contact: "3", Token: "one"}, Round: 1, Number: phone(3), Line: "alice",
			LineNumber: "+16505550001", SendWithin: time.Minute,
		}); err != nil {
			t.Fatal(err)
		}
		w.file("due.csv", 3, 4)
		w.set(at(t, newYork, "2026-03-11T09:00"))
		w.eventually(r, "the second run runs", func() bool { return w.runs("daily")[0].State == StateRunning })
		run := w.runs("daily")[0]
		if c := w.counts(second); c.Total != 3 || run.LeftOut != 1 {
			t.Errorf("contact 3, who is being talked to, is called again: %+v, %+v", c, run)
		}
	})
}

// finish ends all waiting contacts of a campaign.
func (w *world) finish(name string) {
	w.t.Helper()
	if err := w.ledger.Each(w.t.Context(), name, func(r ledger.Record) error {
		_, err := w.ledger.End(w.t.Context(), name, r.Contact.ID, r.Round, campaign.Expired)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
}

// TestLists reads lists as they are met in life.
func TestLists(t *testing.T) {
	t.Parallel()
	due := func(t *testing.T, source func(w *world) string) (*world, *Runner) {
		t.Helper()
		w := newWorld(t)
		w.add(w.rule("daily", source(w)), at(t, newYork, "2026-03-10T08:00"))
		w.set(at(t, newYork, "2026-03-10T09:00"))
		return w, w.runner()
	}
	running := func(w *world) func() bool { return func() bool { return w.runs("daily")[0].State == StateRunning } }
	t.Run("missing, then there", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string { return filepath.Join(w.folder, "due.csv") })
		w.look(r)
		if run := w.runs("daily")[0]; run.State != StateDue || !strings.Contains(run.Detail, "due.csv: there is no such file") {
			t.Fatalf("the run is %+v", run)
		}
		w.file("due.csv", 1, 5)
		w.eventually(r, "it runs", running(w))
		if run := w.runs("daily")[0]; run.Contacts != 5 || run.Detail != "" {
			t.Errorf("the run is %+v", run)
		}
	})
	t.Run("broken to the end", func(t *testing.T) {
		t.Parallel()
		w, _ := due(t, func(w *world) string {
			path := filepath.Join(w.folder, "due.csv")
			w.write(path, "name,city\nAda,London\n")
			return path
		})
		// Another schedule is none the worse for it.
		good := w.rule("good", w.file("good.csv", 1, 2))
		w.add(good, at(t, newYork, "2026-03-10T08:00"))
		w.set(at(t, newYork, "2026-03-10T09:00"))
		r := w.runner(func(c *Config) { c.Patience = time.Nanosecond })
		w.eventually(r, "it is given up", func() bool { return w.runs("daily")[0].State == StateFailed })
		if run := w.runs("daily")[0]; !strings.Contains(run.Detail, "due.csv") || !strings.Contains(run.Detail, "phone") {
			t.Errorf("the reason is %q", run.Detail)
		}
		w.eventually(r, "the good one runs", func() bool { return w.runs("good")[0].State == StateRunning })
		if n, err := w.rdb.Exists(t.Context(), keyList("daily-20260310T0900")).Result(); err != nil || n != 0 {
			t.Errorf("its list is kept: %d, %v", n, err)
		}
	})
	t.Run("one id for several people", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string {
			path := filepath.Join(w.folder, "due.csv")
			w.write(path, "id,name,phone\nacme,Ada,+12125550101\nacme,Ben,+12125550102\nacme,Cem,+12125550103\nzeta,Dora,+12125550104\n")
			return path
		})
		w.eventually(r, "it runs", running(w))
		if c, err := w.ledger.Campaign(t.Context(), w.runs("daily")[0].Name); err != nil || c.Counts.Total != 4 || c.Counts.Waiting != 4 {
			t.Errorf("the campaign has %+v, %v; want all four people", c.Counts, err)
		}
	})
	t.Run("one id for several people of several files", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string {
			w.write(filepath.Join(w.folder, "a.csv"), "id,name,phone\nacme,Ada,+12125550101\nacme,Ben,+12125550102\n")
			w.write(filepath.Join(w.folder, "b.csv"), "id,name,phone\nacme,Cem,+12125550103\nzeta,Dora,+12125550104\n")
			return filepath.Join(w.folder, "*.csv")
		})
		w.eventually(r, "it runs", running(w))
		if c, err := w.ledger.Campaign(t.Context(), w.runs("daily")[0].Name); err != nil || c.Counts.Total != 4 || c.Counts.Waiting != 4 {
			t.Errorf("the campaign has %+v, %v; want all four people", c.Counts, err)
		}
	})
	t.Run("being written", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string { return w.file("due.csv", 1, 5) })
		path := filepath.Join(w.folder, "due.csv")
		if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		w.look(r)
		if run := w.runs("daily")[0]; run.State != StateDue || !strings.Contains(run.Detail, "still being written") {
			t.Fatalf("the run is %+v", run)
		}
		old := time.Now().Add(-2 * time.Minute)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		w.rdb.HDel(t.Context(), keyRun("daily-20260310T0900"), "retry") // it would look again in 20 s
		w.eventually(r, "it runs", running(w))
	})
	t.Run("several files", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string {
			w.file("due-1.csv", 1, 5)
			w.file("due-2.csv", 4, 5) // 4 and 5 are in both
			return filepath.Join(w.folder, "due-*.csv")
		})
		w.eventually(r, "it runs", running(w))
		if c := w.counts("daily-20260310T0900"); c.Total != 8 {
			t.Errorf("there are %d contacts, want 8", c.Total)
		}
	})
	t.Run("stored", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string {
			if _, err := w.store.StoreList(t.Context(), "vip", "vip.csv", strings.NewReader(list(1, 20000))); err != nil {
				t.Fatal(err)
			}
			return "stored:vip"
		})
		w.eventually(r, "it runs", running(w))
		if c := w.counts("daily-20260310T0900"); c.Total != 20000 {
			t.Errorf("there are %d contacts, want 20000", c.Total)
		}
		if removed, err := w.store.RemoveList(t.Context(), "vip"); err != nil || !removed {
			t.Errorf("removed: %t, %v", removed, err)
		}
	})
	t.Run("some rows are wrong", func(t *testing.T) {
		t.Parallel()
		w, r := due(t, func(w *world) string {
			path := filepath.Join(w.folder, "due.csv")
			w.write(path, list(1, 2)+"9,nonsense,Nobody\n")
			return path
		})
		w.eventually(r, "it runs", running(w))
		if run := w.runs("daily")[0]; run.Contacts != 2 || run.Rejected != 1 || !strings.Contains(run.Detail, "line 4") {
			t.Errorf("the run is %+v", run)
		}
	})
}

func TestFetch(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	send := func(w http.ResponseWriter, text string) { _, _ = w.Write([]byte(text)) } // the reader may have gone
	mux := http.NewServeMux()
	serve := func(path string, f func(w http.ResponseWriter, r *http.Request)) { mux.HandleFunc("GET "+path, f) }
	serve("/due.csv", func(w http.ResponseWriter, _ *http.Request) { send(w, list(1, 3)) })
	serve("/moved.csv", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/due.csv", http.StatusFound) })
	serve("/down", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/due.csv", http.StatusFound)
	})
	serve("/large.csv", func(w http.ResponseWriter, _ *http.Request) { send(w, list(1, 1000)) })
	serve("/slow.csv", func(w http.ResponseWriter, r *http.Request) {
		send(w, list(1, 3))
		w.(http.Flusher).Flush()
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	serve("/gone.csv", http.NotFound)
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	defer close(stop)

	w := newWorld(t)
	for _, tt := range []struct {
		path     string
		contacts int
		problem  string
	}{
		{"/due.csv?key=secret", 3, ""},
		{"/moved.csv", 3, ""},
		{"/down", 0, "redirects to where no list may be fetched from"},
		{"/large.csv", 0, "/large.csv: is larger than"},
		{"/slow.csv?key=secret", 0, "/slow.csv?…: "},
		{"/gone.csv", 0, "/gone.csv: the server answers 404 Not Found"},
	} {
		client := server.Client()
		client.CheckRedirect = newClient().CheckRedirect
		longest := time.Minute
		if tt.path == "/slow.csv?key=secret" {
			longest = 200 * time.Millisecond
		}
		s := source{rdb: w.rdb, client: client, most: 10000, longest: longest}
		snap, err := s.snapshot(t.Context(), w.rule("daily", server.URL+tt.path))
		if tt.problem == "" && (err != nil || snap.contacts != tt.contacts) {
			t.Errorf("%s: %d contacts, %v; want %d", tt.path, snap.contacts, err, tt.contacts)
		}
		if tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v; want %q and no secret", tt.path, err, tt.problem)
		}
	}
	if keys := w.rdb.Keys(t.Context(), "ringqueue:{schedule}:reading:*").Val(); len(keys) != 2 {
		t.Errorf("%d snapshots are left, want those of the two lists that could be read", len(keys))
	}
}

func TestCheckList(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"/lists/due.csv", "due-*.csv", "https://example.com/due.csv?k=1", "http://127.0.0.1:8000/x.csv", "stored:vip"} {
		if err := CheckList(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "http://example.com/x.csv", "ftp://example.com/x.csv", "https://me:pw@example.com/x.csv", "stored:", "stored:A b", "due[.csv", "https://"} {
		if err := CheckList(bad); err == nil || !strings.HasPrefix(err.Error(), "--csv") || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSteer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	rule := w.rule("daily", w.file("due.csv", 1, 2))
	if err := w.store.Pause(ctx, "daily"); !errors.Is(err, ErrNone) {
		t.Errorf("pause of none: %v", err)
	}
	w.add(rule, at(t, newYork, "2026-03-01T08:00"))
	if err := w.store.Add(ctx, rule, false); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := rule
	other.Keep = 7
	if err := w.store.Add(ctx, other, false); !errors.Is(err, ErrDiffers) {
		t.Errorf("another one of the name: %v", err)
	}
	r := w.runner()
	if err := w.store.Pause(ctx, "daily"); err != nil {
		t.Fatal(err)
	}
	w.set(at(t, newYork, "2026-03-01T09:00"))
	w.look(r)
	if runs := w.runs("daily"); len(runs) != 0 {
		t.Errorf("a paused schedule has run: %+v", runs)
	}
	if err := w.store.Resume(ctx, "daily"); err != nil {
		t.Fatal(err)
	}
	one, err := w.store.Get(ctx, "daily")
	if err != nil || !one.Next.After(time.Now()) {
		t.Errorf("next is %s, %v: what has passed in a pause is not caught up", one.Next, err)
	}
	name, err := w.store.RunNow(ctx, "daily")
	if err != nil {
		t.Fatal(err)
	}
	w.eventually(r, "the run by hand runs", func() bool { return w.runs("daily")[0].State == StateRunning })
	if c := w.counts(name); c.Total != 2 {
		t.Errorf("%s has %+v", name, c)
	}
	if after, err := w.store.Get(ctx, "daily"); err != nil || !after.Next.Equal(one.Next) {
		t.Errorf("a run by hand moved the next instant from %s to %s, %v", one.Next, after.Next, err)
	}
}

// TestChangedAtTheInstant changes a rule between an instant and its firing: the instant still has its run.
func TestChangedAtTheInstant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	rule := w.rule("daily", w.file("due.csv", 1, 2))
	rule.When = When{Cron: "* * * * *", Zone: "UTC"}
	now, err := w.store.Now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.add(rule, now.Add(-30*time.Second-time.Minute).Truncate(time.Second)) // the next instant is in the last half minute or so
	one, err := w.store.Get(ctx, "daily")
	if err != nil {
		t.Fatal(err)
	}
	if now.Sub(one.Next) > 59*time.Second {
		t.Skip("the minute is just over")
	}
	rule.Keep = 7
	if err := w.store.Add(ctx, rule, true); err != nil {
		t.Fatal(err)
	}
	if after, err := w.store.Get(ctx, "daily"); err != nil || !after.Next.Equal(one.Next) {
		t.Errorf("the next instant is %s, %v; want %s, which has not been fired", after.Next, err, one.Next)
	}
}
