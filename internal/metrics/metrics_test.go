package metrics

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/schedule"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// scrape reads the metrics as Prometheus does, without those of Go and of the process.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var b strings.Builder
	for l := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(l, "ringqueue_") {
			b.WriteString(l)
		}
	}
	return b.String()
}

func wants(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+got, "\n"+l+"\n") {
			t.Errorf("there is no %s in\n%s", l, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	ctx := t.Context()
	l := ledger.New(rdb)
	for name, n := range map[string]int{"spring": 3, "done": 0} {
		if err := l.Create(ctx, campaign.Default(name), false); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if _, err := l.Add(ctx, name, []byte("key"), []ledger.Entry{{Due: time.Now(), Contact: campaign.Contact{
				ID: string(rune('a' + i)), Name: "Secret Person", Numbers: []string{"+1212555010" + string(rune('0'+i))},
			}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ref := campaign.Ref{Campaign: "spring", Contact: "a", Token: "t"}
	if _, err := l.Claim(ctx, ledger.Claim{Ref: ref, Round: 1, Number: "+12125550100", Line: "alice", SendWithin: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for number, fields := range map[string][]any{
		"+16505550001": {"name", "alice", "team", "sales", "owner", "w1", "state", "occupied", "campaign", "spring", "since", time.Now().Add(-6 * time.Hour).UnixMilli()},
		"+16505550002": {"name", "bob", "team", "sales", "owner", "w1", "paused", 1},
		"+16505550003": {"name", "carol", "team", "sales", "owner", "w2"},
		"+16505550004": {"name", "dave", "team", "sales", "owner", "w1", "note", "no credit"},
	} {
		rdb.SAdd(ctx, "ringqueue:{ledger}:lines", number)
		rdb.HSet(ctx, "ringqueue:{ledger}:line:"+number, append(fields, "lease", time.Now().Add(time.Hour).UnixMilli())...)
	}
	store := schedule.NewStore(rdb)
	if err := store.Add(ctx, schedule.Rule{
		Name: "daily", When: schedule.When{Cron: "@daily", Zone: "UTC"}, List: "/nowhere.csv", Rules: campaign.Default("x"), Keep: 1,
	}, false); err != nil {
		t.Fatal(err)
	}
	limiter := ratelimit.New(ratelimit.Config{Redis: rdb, Limits: ratelimit.Defaults()})
	if _, err := limiter.Wait(ctx, ratelimit.Key{Owner: "0123456789abcdef", Group: "heavy"}); err != nil {
		t.Fatal(err)
	}
	m := New(Config{Redis: rdb, Worker: "w1", Limiter: limiter, Extensions: []string{"0123456789abcdef"}, Log: zerolog.Nop()})
	m.LineWait("sales", time.Second)
	m.QuotaWait(ringout.Heavy, time.Second)
	m.Settled("sales", campaign.Attempt{Outcome: campaign.Busy})
	m.Settled("sales", campaign.Attempt{Detail: "the agent did not answer"})
	m.WatchHeld(func() []HeldLine { return []HeldLine{{Team: "sales", Line: "dave", Reason: HeldByLogin}} })
	m.Request(ringout.Exchange{Operation: ringout.OperationPlace, Status: 200, Duration: time.Second})
	m.Request(ringout.Exchange{Operation: ringout.OperationStatus, Err: errors.New("connection refused")})
	m.Request(ringout.Exchange{Operation: ringout.OperationPresence, Err: context.Canceled})

	got := scrape(t, m)
	wants(t, got,
		`ringqueue_attempts_total{outcome="busy",team="sales"} 1`, `ringqueue_attempts_total{outcome="agent_failure",team="sales"} 1`,
		`ringqueue_line_state{state="occupied",team="sales"} 1`, `ringqueue_line_state{state="paused",team="sales"} 1`,
		`ringqueue_line_state{state="free",team="sales"} 0`, `ringqueue_line_state{state="suspended",team="sales"} 1`,
		`ringqueue_live_calls{team="sales"} 1`, `ringqueue_line_held{line="dave",reason="login",team="sales"} 1`,
		`ringqueue_contacts{campaign="spring",state="waiting",team="default"} 2`, `ringqueue_contacts{campaign="spring",state="live",team="default"} 1`,
		`ringqueue_unconfirmed_contacts 0`, `ringqueue_redis_up 1`, `ringqueue_failover_holding 0`, `ringqueue_asynq_tasks{state="archived"} 0`,
		`ringqueue_quota_used_ratio{extension="0123456789ab",group="heavy"} 0.1`,
		`ringqueue_quota_blocked_until_seconds{extension="0123456789ab",group="heavy"} 0`,
		`ringqueue_schedule_failing{schedule="daily"} 0`, `ringqueue_schedule_overdue_seconds{schedule="daily"} 0`,
		`ringqueue_ringcentral_responses_total{code="200",operation="place"} 1`, `ringqueue_ringcentral_responses_total{code="none",operation="status"} 1`,
		`ringqueue_line_wait_seconds_count{team="sales"} 1`, `ringqueue_quota_wait_seconds_count{group="heavy"} 1`,
	)
	if !strings.Contains(got, `ringqueue_oldest_call_seconds{team="sales"} 2160`) { // six hours and the time that the test takes
		t.Errorf("the oldest call is not six hours old:\n%s", got)
	}
	for _, personal := range []string{`\+?\d{10,}"`, "Secret", `campaign="done"`, "nowhere", "presence"} {
		if found := regexp.MustCompile(personal).FindString(got); found != "" {
			t.Errorf("%q is in the metrics", found)
		}
	}
	for _, name := range Names() {
		if !strings.Contains(got, name) {
			t.Errorf("%s is missing", name)
		}
	}
	for l := range strings.Lines(got) {
		name, _, _ := strings.Cut(strings.Fields(l)[0], "{")
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if !slices.Contains(Names(), name) {
			t.Errorf("%s is not among Names", name)
		}
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}

	// A run whose list cannot be used.
	if _, err := store.RunNow(ctx, "daily"); err != nil {
		t.Fatal(err)
	}
	run := schedule.NewRunner(rdb, zerolog.Nop(), schedule.Config{Every: time.Millisecond})
	runs, stop := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() { run.Run(runs); close(finished) }()
	fresh := New(Config{Redis: rdb, Worker: "w1", Limiter: limiter, Log: zerolog.Nop()})
	for deadline := time.Now().Add(time.Minute); !strings.Contains(scrape(t, fresh), `ringqueue_schedule_failing{schedule="daily"} 1`); {
		if time.Now().After(deadline) {
			t.Fatalf("the schedule does not fail:\n%s", scrape(t, fresh))
		}
		fresh = New(Config{Redis: rdb, Worker: "w1", Limiter: limiter, Log: zerolog.Nop()})
	}
	stop()
	<-finished

	server.Kill()
	away := New(Config{Redis: rdb, Worker: "w1", Limiter: limiter, Log: zerolog.New(io.Discard)})
	if got := scrape(t, away); !strings.HasPrefix(got, "ringqueue_build_info{version=") || !strings.HasSuffix(got, "\"} 1\nringqueue_redis_up 0\n") {
		t.Errorf("without Redis:\n%s", got)
	}
}

// TestOverdue: a run that nobody starts is overdue from its instant on; one that was started late is not.
func TestOverdue(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	store := schedule.NewStore(rdb)
	if err := store.Add(ctx, schedule.Rule{
		Name: "minutely", When: schedule.When{Cron: "* * * * *", Zone: "UTC"}, List: "/nowhere.csv", Rules: campaign.Default("x"), Keep: 1,
	}, false); err != nil {
		t.Fatal(err)
	}
	overdue := func() float64 {
		m := New(Config{Redis: rdb, Worker: "w1", Limiter: ratelimit.New(ratelimit.Config{Redis: rdb}), Log: zerolog.Nop()})
		for l := range strings.Lines(scrape(t, m)) {
			if value, ok := strings.CutPrefix(l, `ringqueue_schedule_overdue_seconds{schedule="minutely"} `); ok {
				n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		t.Fatal("there is no such series")
		return 0
	}
	if got := overdue(); got != 0 {
		t.Errorf("before its instant: %f s", got)
	}
	key := "ringqueue:{schedule}:rule:minutely"
	next := rdb.HGet(ctx, key, "next").Val()
	late := strconv.FormatInt(time.Now().Add(-20*time.Minute).UnixMilli(), 10)
	if len(next) != len(late) {
		late = late[:len(next)] // in seconds
	}
	rdb.HSet(ctx, key, "next", late)
	if got := overdue(); got < 1199 || got > 3600 {
		t.Errorf("twenty minutes after it: %f s", got)
	}
	rdb.HSet(ctx, key, "next", next)
	if got := overdue(); got > 120 {
		t.Errorf("with the next one to come: %f s", got)
	}
}
