package crashtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/campaign/campaignfile"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
	"github.com/ringqueue/ringqueue/tasks"
)

// rules call at any hour and soon again. Delays are far enough apart that a record of one attempt is not taken for another's.
const rules = `
name: c
calling_hours: always
wrap_up: 200ms
ring_limit: 3s
longest_call: 5m
retry: {max_attempts: 3, busy: 3s, no_answer: 3s, rejected: never, unreachable: 3s}
`

// world is a Redis, a RingCentral and the workers of one test.
type world struct {
	t     *testing.T
	redis *redistest.Server
	rdb   *redis.Client
	led   *ledger.Ledger
	sim   *ringouttest.Simulator
	rules campaign.Rules
	dir   string
	env   []string
	lines int

	contacts int        // imported
	workers  []*process // all that were ever started
	counts   *sampler
}

// config is what a test's world is like beyond the usual.
type config struct {
	lines    int
	maxLines int      // that one worker takes; 0: all
	redis    []string // redis-server's arguments
	sim      ringouttest.Config
}

func newWorld(t *testing.T, c config) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), lines: c.lines}
	parsed, err := campaignfile.Parse("rules.yaml", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	w.rules = parsed
	w.redis = redistest.Start(t, append([]string{"--appendonly", "yes", "--appendfsync", "everysec"}, c.redis...)...)
	w.rdb = w.redis.Client(t)
	w.led = ledger.New(w.rdb)
	c.sim.Scale = scale
	c.sim.Ending = func(number string, attempt int) ringouttest.Ending {
		e := ringouttest.ByNumber(number, attempt)
		if e.Name == ringouttest.Rejected {
			e.Talk = 15 * time.Second // the agent stays long enough for some poll to see who hung up
		}
		return e
	}
	if c.sim.Retention == 0 {
		c.sim.Retention = time.Hour
	}
	sim, url := ringouttest.Start(t, c.sim)
	w.sim = sim
	w.env = []string{
		"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), fmt.Sprintf("RINGQUEUE_TEST_SCALE=%d", scale),
		"REDIS_URL=" + w.redis.URL(), "RC_SERVER_URL=" + url, "RC_APP_CLIENT_ID=client-id", "RC_APP_CLIENT_SECRET=" + secret("app"),
	}
	file := fmt.Sprintf("cool_down: 40s\nmax_lines: %d\nteams:\n  default:\n    lines:\n", c.maxLines)
	for i := range c.lines {
		file += fmt.Sprintf("      - {name: line%d, number: %q, jwt_env: JWT%d}\n", i, agent(i), i)
		w.env = append(w.env, fmt.Sprintf("JWT%d=%s", i, secret(fmt.Sprint(i))))
	}
	if err := os.WriteFile(filepath.Join(w.dir, "ringqueue.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// secret is a credential that no log may hold.
func secret(of string) string { return "very-secret-" + of }

// agent is the number of a line.
func agent(i int) string { return fmt.Sprintf("+165055510%02d", i) }

// person is a number whose last two digits say how calls to it end.
func person(i int, ending string) string { return fmt.Sprintf("+1415%05d%s", i, ending) }

// list is the contacts of an import.
type list []campaign.Contact

// Next is the next contact.
func (l *list) Next() (campaign.Contact, error) {
	if len(*l) == 0 {
		return campaign.Contact{}, io.EOF
	}
	c := (*l)[0]
	*l = (*l)[1:]
	return c, nil
}

// enqueue imports n more contacts, whose numbers end with the given digits in turn. The counts are watched from then on.
func (w *world) enqueue(n int, endings ...string) {
	w.t.Helper()
	var people list
	for i := range n {
		c := w.contacts + i
		people = append(people, campaign.Contact{
			ID: fmt.Sprintf("c%03d", c), Row: c + 2, Name: "Somebody", Numbers: []string{person(c, endings[i%len(endings)])},
		})
	}
	w.contacts += n
	if err := w.led.Create(w.t.Context(), w.rules, false); err != nil {
		w.t.Fatal(err)
	}
	tally, err := tasks.NewProducer(w.rdb).Import(w.t.Context(), w.rules, &people, nil)
	if err != nil || tally.Added != n {
		w.t.Fatalf("imported %d of %d contacts: %v", tally.Added, n, err)
	}
	if w.counts == nil {
		w.counts = w.sample()
	}
}

// sampler looks all the time whether the counts add up.
type sampler struct {
	mu    sync.Mutex
	looks int
	last  ledger.Counts
	wrong []string
}

func (w *world) sample() *sampler {
	s := &sampler{}
	ctx, cancel := context.WithCancel(context.Background())
	client := redis.NewClient(&redis.Options{Addr: w.redis.Addr(), ReadTimeout: time.Second, ContextTimeoutEnabled: true})
	led := ledger.New(client)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// Redis may be away: that is some tests' purpose.
			if c, err := led.Campaign(ctx, w.rules.Name); err == nil {
				s.look(c.Counts)
			}
		}
	})
	w.t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := client.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return s
}

func (s *sampler) look(c ledger.Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if c.Total < s.last.Total || c.Waiting+c.Live+c.Done+c.Unconfirmed != c.Total || min(c.Waiting, c.Live, c.Done, c.Unconfirmed) < 0 {
		s.wrong = append(s.wrong, fmt.Sprintf("%+v", c))
	}
	s.last = c
}

func (s *sampler) counts() ledger.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// eventually waits for a condition.
func (w *world) eventually(what string, met func() bool) {
	w.t.Helper()
	w.within(patience, what, met)
}

func (w *world) within(d time.Duration, what string, met func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(d)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		if time.Now().After(deadline) {
			w.t.Fatalf("within %s it has not come about that %s; the counts are %+v", d, what, w.counts.counts())
		}
		<-tick.C
	}
}

// up says whether a worker has started: a Redis that goes away before that is a reason to end.
func (w *world) up(p *process) bool { return p.said("standing by") || p.said("line leased") }

// over waits until nobody waits for a call and nobody is on one.
// Those for whom every agent's phone fails are kept for as long as that lasts: an operator's cancel ends them.
func (w *world) over() {
	w.t.Helper()
	ctx := w.t.Context()
	w.eventually("all are done but those for whom agents' phones fail", func() bool {
		c, err := w.led.Campaign(ctx, w.rules.Name)
		if err != nil || c.Counts.Live > 0 {
			return false
		}
		if c.Counts.Waiting == 0 {
			return true
		}
		kept := 0
		err = w.led.Each(ctx, w.rules.Name, func(r ledger.Record) error {
			if r.State == campaign.Waiting && failedOnly(r) {
				kept++
			}
			return nil
		})
		return err == nil && kept == c.Counts.Waiting
	})
	if _, err := tasks.Cancel(ctx, w.rdb, w.rules.Name); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("the campaign is done", func() bool {
		c, err := w.led.Campaign(ctx, w.rules.Name)
		return err == nil && c.Counts.Waiting+c.Counts.Live == 0
	})
}

// keptFor is after how many failures of agents' phones in a row, and nothing else, a contact is taken for one that is kept.
const keptFor = 3

func failedOnly(r ledger.Record) bool {
	for _, a := range r.Attempts {
		if a.EndedAt.IsZero() || a.Charged || a.Outcome != "" {
			return false
		}
	}
	return len(r.Attempts) >= keptFor
}

// lapse makes Asynq give the tasks of dead workers to others when the next worker starts. It does so by itself after one
// to two minutes; here the leases that nobody has renewed for longer than that end at once. Living workers renew theirs
// every 5 s.
func (w *world) lapse(unrenewed time.Duration) {
	w.t.Helper()
	first, again := tasks.Queues(w.rules.Name)
	for _, q := range []string{first, again} {
		key := "asynq:{" + q + "}:lease"
		leases, err := w.rdb.ZRangeWithScores(w.t.Context(), key, 0, -1).Result()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, l := range leases {
			if renewed := time.Unix(int64(l.Score), 0).Add(-asynqLease); time.Since(renewed) < unrenewed {
				continue
			}
			l.Score = float64(time.Now().Add(-2 * asynqLease).Unix())
			if err := w.rdb.ZAddXX(w.t.Context(), key, l).Err(); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// finish replaces all workers by fresh ones, which get every task that was lost on the way, and waits for the end.
func (w *world) finish() {
	w.t.Helper()
	w.endAll()
	w.lapse(0)
	w.start()
	w.start()
	w.over()
}

// asynqLease is how long Asynq leaves a task to a worker that does not renew it.
const asynqLease = 30 * time.Second

// leak says what in a text must not be in any log: somebody's whole number, or a secret.
func (w *world) leak(text string) string {
	if strings.Contains(text, secret("")) {
		return "a secret"
	}
	for _, d := range w.sim.Truth().Dials {
		if strings.Contains(text, d.To[1:]) || strings.Contains(text, d.From[1:]) {
			return "a whole number"
		}
	}
	return ""
}
