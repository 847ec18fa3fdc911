package failover_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/internal/worker"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

const (
	scale    = 60 // how many times faster than real time RingCentral runs
	camp     = "renewals"
	patience = 90 * time.Second // bounds every wait; only a failure takes as long

	anna, berta = "+12122000030", "+12122000130" // contacts
	alice, bob  = "+16505550001", "+16505550002" // lines
)

// world is a Redis that can be set back, a RingCentral and workers.
type world struct {
	t      *testing.T
	dir    string // Redis's
	redis  *redistest.Server
	rdb    *redis.Client
	led    *ledger.Ledger
	sim    *ringouttest.Simulator
	url    string
	log    testlog.Buffer
	hold   time.Duration // settings.Worker's FailoverHold
	nextID int
}

func newWorld(t *testing.T, cfg ringouttest.Config) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.redis = redistest.Start(t, "--dir", w.dir, "--appendonly", "yes", "--appendfsync", "always")
	w.rdb = w.redis.Client(t)
	w.led = ledger.New(w.rdb)
	cfg.Scale = scale
	cfg.Retention = 30 * time.Minute
	w.sim, w.url = ringouttest.Start(t, cfg)
	rules := campaign.Default(camp).Faster(scale)
	rules.CallingHours = campaign.Hours{Always: true}
	if err := w.led.Create(t.Context(), rules, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// talking makes every call an answered one; with anna it lasts for about so long of real time, with others for a moment.
func talking(d time.Duration) ringouttest.Config {
	return ringouttest.Config{Ending: func(number string, _ int) ringouttest.Ending {
		if number != anna {
			return ringouttest.Ending{Name: ringouttest.Answered, Talk: 100 * time.Millisecond * scale}
		}
		return ringouttest.Ending{Name: ringouttest.Answered, Talk: d * scale}
	}}
}

// list is a call list.
type list []campaign.Contact

func (l *list) Next() (campaign.Contact, error) {
	if len(*l) == 0 {
		return campaign.Contact{}, io.EOF
	}
	c := (*l)[0]
	*l = (*l)[1:]
	return c, nil
}

// idOf is the id of the contact with a number.
func idOf(number string) string { return "c" + number[8:] }

// enqueue adds a contact.
func (w *world) enqueue(number string) {
	w.t.Helper()
	w.enqueueIn(campaign.Default(camp), number)
}

// enqueueIn adds a contact to a campaign.
func (w *world) enqueueIn(rules campaign.Rules, number string) {
	w.t.Helper()
	rules = rules.Faster(scale)
	rules.CallingHours = campaign.Hours{Always: true}
	w.nextID++
	people := list{{ID: idOf(number), Row: w.nextID, Numbers: []string{number}}}
	if _, err := tasks.NewProducer(w.rdb).Import(w.t.Context(), rules, &people, nil); err != nil {
		w.t.Fatal(err)
	}
}

// work starts a worker for lines and returns what stops it.
func (w *world) work(numbers ...string) (stop func()) {
	w.t.Helper()
	return w.workFor(func(string) string { return "default" }, numbers...)
}

// workFor is work with lines of several teams.
func (w *world) workFor(team func(number string) string, numbers ...string) (stop func()) {
	w.t.Helper()
	set := settings.Worker{
		Credentials:  settings.Credentials{Server: w.url, ClientID: "id", ClientSecret: "secret"},
		PollInterval: 3 * time.Second, CoolDown: time.Minute, FailoverHold: w.hold,
	}
	for _, n := range numbers {
		set.Lines = append(set.Lines, settings.Line{Name: "line" + n[len(n)-1:], Number: n, Team: team(n), JWT: settings.Secret("jwt-" + n)})
	}
	rdb := w.redis.Client(w.t)
	wk, err := worker.New(rdb, set, zerolog.New(&w.log), scale)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if err := wk.Run(ctx); err != nil {
			w.t.Errorf("worker: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-gone
	})
	w.t.Cleanup(stop)
	return stop
}

// until waits for a condition.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never came: %s; log:\n%s", what, w.log.String())
		}
	}
}

func (w *world) contact(number string) ledger.Record {
	w.t.Helper()
	r, err := w.led.Contact(w.t.Context(), camp, idOf(number))
	if err != nil {
		return ledger.Record{} // Redis is away
	}
	return r
}

func (w *world) approval() ledger.Approval {
	w.t.Helper()
	a, err := w.led.Approval(w.t.Context())
	if err != nil {
		return ledger.Approval{}
	}
	return a
}

func (w *world) line(number string) line.Info {
	w.t.Helper()
	lines, err := line.List(w.t.Context(), w.rdb)
	if err != nil {
		return line.Info{}
	}
	for _, l := range lines {
		if l.Number == number {
			return l
		}
	}
	return line.Info{}
}

func (w *world) dials(number string) int { return len(w.sim.Truth().DialsTo(number)) }

// answered waits until a call is going on with both ends connected.
func (w *world) answered(number string) {
	w.t.Helper()
	w.until("a conversation with "+number, func() bool {
		d := w.sim.Truth().DialsTo(number)
		return len(d) > 0 && !d[len(d)-1].AnsweredAt.IsZero()
	})
}

func (w *world) status() status.Status {
	w.t.Helper()
	return w.statusOf(camp)
}

func (w *world) statusOf(name string) status.Status {
	w.t.Helper()
	s, err := status.NewReader(w.rdb).Read(w.t.Context(), name)
	if err != nil {
		return status.Status{}
	}
	return s
}

// save copies Redis's data; load puts them back in a Redis that was killed, and starts it.
func (w *world) save() string {
	w.t.Helper()
	copied := filepath.Join(w.t.TempDir(), "data")
	if err := os.CopyFS(copied, os.DirFS(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	return copied
}

func (w *world) load(saved string) {
	w.t.Helper()
	w.redis.Kill()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(w.dir, e.Name())); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.CopyFS(w.dir, os.DirFS(saved)); err != nil {
		w.t.Fatal(err)
	}
	w.redis.Restart()
}

// honest wants that no phone got a second call while one was live.
func (w *world) honest() {
	w.t.Helper()
	if t := w.sim.Truth(); len(t.Overlaps) > 0 || len(t.OverQuota) > 0 {
		w.t.Errorf("overlaps %v, over quota %v", t.Overlaps, t.OverQuota)
	}
}

func (w *world) said(text string) bool { return strings.Contains(w.log.String(), text) }

func (w *world) wantContact(number string, state campaign.ContactState, outcome campaign.Outcome, attempts int) {
	w.t.Helper()
	r := w.contact(number)
	if r.State != state || r.Outcome != outcome || len(r.Attempts) != attempts {
		w.t.Errorf("contact %s is %s %q after %d attempts, want %s %q after %d", number, r.State, r.Outcome, len(r.Attempts), state, outcome, attempts)
	}
	for i, a := range r.Attempts {
		if a.N != i+1 {
			w.t.Errorf("contact %s: attempt %d has the number %d", number, i+1, a.N)
		}
	}
	s := w.status()
	if s.Waiting+s.Live+s.Done+s.Unconfirmed != s.Total {
		w.t.Errorf("counts do not add up: %+v", s)
	}
}

func (w *world) blockedBy(text string) bool { return slices.Contains(w.status().BlockedBy, text) }
