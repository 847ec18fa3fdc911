package console

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/reconcile"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/tasks"
)

// room is a console on a Redis of its own, with a campaign of three contacts.
type room struct {
	t        *testing.T
	rdb      *redis.Client
	ledger   *ledger.Ledger
	producer *tasks.Producer
	handler  http.Handler
	url      string
}

func newRoom(t *testing.T, cfg ...auth.Config) *room {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	r := &room{t: t, rdb: rdb, ledger: ledger.New(rdb), producer: tasks.NewProducer(rdb)}
	r.campaign("spring", 3)
	inside, err := New(t.Context(), Config{Redis: rdb, Log: zerolog.Nop(), Ready: func(context.Context) (bool, string) { return false, "not yet" }})
	if err != nil {
		t.Fatal(err)
	}
	cfg = append(cfg, auth.Config{Addr: "127.0.0.1:8080", Log: zerolog.Nop()})
	d, err := auth.New(t.Context(), cfg[0], rdb)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(d.Wrap(inside))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	r.handler, r.url = inside, server.URL
	return r
}

func (r *room) campaign(name string, n int) {
	r.t.Helper()
	rules := campaign.Default(name)
	rules.CallingHours = campaign.Hours{Always: true}
	in, err := r.producer.Open(r.t.Context(), rules, tasks.Open{Columns: []string{"mobile"}})
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range n {
		number := fmt.Sprintf("+1212555%04d", 100+i)
		if _, _, err := in.Call(r.t.Context(), tasks.Contact{Number: number, ID: fmt.Sprintf("c%d", i), Name: "Ada", Values: []string{number}}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *room) line(number, name string, more ...any) {
	r.t.Helper()
	r.rdb.SAdd(r.t.Context(), "ringqueue:{ledger}:lines", number)
	fields := append([]any{"name", name, "team", "default", "owner", "w1", "lease", time.Now().Add(time.Hour).UnixMilli()}, more...)
	if err := r.rdb.HSet(r.t.Context(), "ringqueue:{ledger}:line:"+number, fields...).Err(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) ask(method, path string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("Origin", r.url)
		req.Header.Set("Content-Type", "application/json")
		req.Body = io.NopCloser(strings.NewReader(`{"task_ids":["spring:c0:1"]}`))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	src, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(src), resp.Header
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.line("+16505550001", `<script>alert("x")</script>`)
	for _, tt := range []struct {
		path   string
		status int
		has    []string
	}{
		{"/", 200, []string{`href="/campaigns/spring"`, "0 of 3", "…0001", "&lt;script&gt;alert", "free", "None. <code>enqueue schedule add"}},
		{"/campaigns/spring", 200, []string{"<h1>spring", "0 of 3 done", "/monitor/queues/spring", "Nobody is done yet"}},
		{"/campaigns/nope", 404, []string{"There is no campaign of this name"}},
		{"/campaigns/nope/results.csv", 404, []string{"There is no campaign of this name"}},
		{"/campaigns/spring/results.csv", 200, []string{"contact_id,row,number", "c0,0,+12125550100,Ada"}},
		{"/campaigns/spring/results.jsonl", 200, []string{`{"contact_id": "c0"`}},
		{"/campaigns/spring/report.html", 200, []string{"<h1>spring</h1>"}},
		{"/nope", 404, []string{"There is no such page"}},
		{"/static/console.css", 200, []string{"--answered"}},
		{"/static/console.js", 200, []string{"EventSource"}},
		{"/healthz", 200, []string{"ok"}},
		{"/readyz", 503, []string{"not yet"}},
		{"/monitor/", 200, []string{`<div id="root">`, "FLAG_ROOT_PATH"}},
		{"/monitor/queues/spring", 200, []string{`<div id="root">`}},
	} {
		code, body, header := r.ask("GET", tt.path)
		if code != tt.status {
			t.Errorf("%s: %d, want %d", tt.path, code, tt.status)
		}
		for _, want := range tt.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s has no %s:\n%.2000s", tt.path, want, body)
			}
		}
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "fonts.googleapis.com") && strings.Contains(body, `<div id="root">`) {
			t.Errorf("%s: %.2000s", tt.path, body)
		}
		if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: policy %q", tt.path, csp)
		}
	}
	if _, body, _ := r.ask("GET", "/"); strings.Contains(body, "+1650555") || strings.Contains(body, "style=") {
		t.Errorf("a number or a style: %s", body)
	}
}

// TestViewersSeeNoNumbers asks the console itself, as a viewer who was let in.
func TestViewersSeeNoNumbers(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, path := range []string{"/campaigns/spring/results.csv", "/campaigns/spring/results.jsonl", "/campaigns/spring/report.html", "/campaigns/spring", "/"} {
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, http.NoBody))
		if body := w.Body.String(); w.Code != 200 || strings.Contains(body, "12125550100") || strings.Contains(path, "results") && !strings.Contains(body, "…0100") {
			t.Errorf("%s: %d %s", path, w.Code, body)
		}
	}
}

// TestStream watches the first page's stream while a campaign is paused.
func TestStream(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("%q does not come: %v", text, lines.Err())
	}
	until("event: live")
	until(">running<")
	if code, body, _ := r.ask("POST", "/monitor/api/queues/spring.again:pause"); code != 204 {
		t.Fatalf("pause: %d %s", code, body)
	}
	until(">paused<")
	s, err := status.NewReader(r.rdb).Read(t.Context(), "spring")
	if err != nil || s.State != status.StatePaused {
		t.Errorf("status %+v, %v", s, err)
	}
	if n := r.rdb.Exists(t.Context(), asynqkeys.Paused("spring"), asynqkeys.Paused("spring.again")).Val(); n != 2 {
		t.Errorf("%d of the two queues are paused", n)
	}
	if code, _, _ := r.ask("POST", "/monitor/api/queues/spring:resume"); code != 204 {
		t.Errorf("resume: %d", code)
	}
	until(">running<")
}

// TestMonitorButtons presses every button of the monitor: none of them loses a contact or has one called that is done.
func TestMonitorButtons(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	inspector := asynq.NewInspectorFromRedisClient(r.rdb)
	if err := inspector.ArchiveTask("spring", "spring:c1:1"); err != nil {
		t.Fatal(err)
	}
	if ok, err := r.ledger.End(ctx, "spring", "c1", 1, campaign.Expired); err != nil || !ok {
		t.Fatal(err)
	}
	refused := []string{
		"DELETE /monitor/api/queues/spring", "POST /monitor/api/queues/spring/active_tasks/x:cancel", "POST /monitor/api/queues/spring/active_tasks:cancel_all",
		"POST /monitor/api/queues/spring/active_tasks:batch_cancel",
	}
	for _, state := range []string{"pending", "scheduled", "retry"} {
		base := " /monitor/api/queues/spring/" + state + "_tasks"
		refused = append(refused, "DELETE"+base+"/spring:c0:1", "DELETE"+base+":delete_all", "POST"+base+":batch_delete",
			"POST"+base+"/spring:c0:1:archive", "POST"+base+":archive_all", "POST"+base+":batch_archive")
	}
	for _, action := range []string{"/spring:c0:1:run", ":run_all", ":batch_run"} {
		refused = append(refused, "POST /monitor/api/queues/spring/scheduled_tasks"+action,
			"POST /monitor/api/queues/spring/groups/g/aggregating_tasks"+action)
	}
	for _, button := range refused {
		method, path, _ := strings.Cut(button, " ")
		if code, body, _ := r.ask(method, path); code != 403 || !strings.Contains(body, "`") {
			t.Errorf("%s: %d %q", button, code, body)
		}
	}
	info, err := inspector.GetQueueInfo("spring")
	if err != nil || info.Pending != 2 || info.Archived != 1 {
		t.Errorf("after the refused buttons: %+v, %v", info, err)
	}
	// Running an archived task of a contact that is done rings nobody: the handler looks at the ledger first.
	if code, body, _ := r.ask("POST", "/monitor/api/queues/spring/archived_tasks/spring:c1:1:run"); code/100 != 2 {
		t.Errorf("run: %d %s", code, body)
	}
	task, _, err := tasks.NewCallTask("spring", "c1", 1, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	h := tasks.HandleCall(dial.New(dial.Config{
		Ledger: r.ledger, Follower: r.producer, Pauses: tasks.NewPauses(r.rdb), Now: time.Now,
	}))
	if err := h(ctx, task); err != nil { // without lines: it would panic if it asked for one
		t.Errorf("the task that was run: %v", err)
	}
	for _, button := range []string{
		"POST /monitor/api/queues/spring/archived_tasks:run_all", "POST /monitor/api/queues/spring/archived_tasks:batch_run",
		"DELETE /monitor/api/queues/spring/archived_tasks:delete_all", "POST /monitor/api/queues/spring/archived_tasks:batch_delete",
		"DELETE /monitor/api/queues/spring/completed_tasks:delete_all", "POST /monitor/api/queues/spring/completed_tasks:batch_delete",
		"POST /monitor/api/queues/spring/retry_tasks:run_all",
	} {
		method, path, _ := strings.Cut(button, " ")
		if code, body, _ := r.ask(method, path); code/100 != 2 {
			t.Errorf("%s: %d %q", button, code, body)
		}
	}
	c, err := r.ledger.Campaign(ctx, "spring")
	if err != nil || c.Counts.Total != 3 || c.Counts.Waiting != 2 || c.Counts.Done != 1 {
		t.Errorf("counts %+v, %v", c.Counts, err)
	}
	// Asynq deletes a task by its id wherever it is, so a forged request can delete one that waits (above: that of c0). A
	// worker enqueues it again.
	reconciling, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		reconcile.New(reconcile.Config{
			Redis: r.rdb, Ledger: r.ledger, Tasks: tasks.NewInspector(r.rdb, r.producer), Log: zerolog.Nop(),
			Held:   func(ctx context.Context) ([]campaign.Ref, error) { return line.Held(ctx, r.rdb) },
			Timing: reconcile.Timing{Every: 100 * time.Millisecond},
		}).Run(reconciling)
		close(ended)
	}()
	defer func() {
		stop()
		<-ended
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		_, body, _ := r.ask("GET", "/monitor/api/queues/spring/pending_tasks")
		if strings.Contains(body, "spring: contact c0, round 1") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the task does not come back: %s", body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"v":1,"campaign":"a","contact":"1042","round":2}`:         "a: contact 1042, round 2",
		`{"v":1,"campaign":"a","contact":"+16505550123","round":2}`: "a: contact …0123, round 2",
		"nonsense": "not a task of ringqueue",
	} {
		if got := formatPayload("", []byte(payload)); got != want {
			t.Errorf("%s reads %q", payload, got)
		}
	}
	if got := formatResult("", []byte(`{"result":"busy, again 2026-11-24 15:04 UTC","attempt":1,"line":"alice"}`)); got != "busy, again 2026-11-24 15:04 UTC (attempt 1 on alice)" {
		t.Errorf("result reads %q", got)
	}
}

// counter counts what Redis is asked.
type counter struct{ n atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// large is a console with 20 campaigns and 200 lines.
func large(tb testing.TB) (*pages, *counter) {
	tb.Helper()
	rdb := redistest.Start(tb).Client(tb)
	ctx := tb.Context()
	l := ledger.New(rdb)
	for i := range 20 {
		name := fmt.Sprintf("campaign-%d", i)
		if err := l.Create(ctx, campaign.Default(name), false); err != nil {
			tb.Fatal(err)
		}
		rdb.HSet(ctx, "ringqueue:{ledger}:campaign:"+name, "total", 5000, "waiting", 3000, "done", 2000, "outcome:answered", 1500, "outcome:busy", 500)
	}
	for i := range 200 {
		number := fmt.Sprintf("+1650555%04d", i)
		rdb.SAdd(ctx, "ringqueue:{ledger}:lines", number)
		rdb.HSet(ctx, "ringqueue:{ledger}:line:"+number, "name", fmt.Sprintf("line-%d", i), "team", "default", "owner", "w1", "lease", time.Now().Add(time.Hour).UnixMilli())
	}
	count := &counter{}
	rdb.AddHook(count)
	p, err := newPages(ctx, Config{Redis: rdb, Log: zerolog.Nop()})
	if err != nil {
		tb.Fatal(err)
	}
	return p, count
}

// TestBudget counts the commands that viewers cost Redis in a minute of the console's clock: no more than 20 a second each.
func TestBudget(t *testing.T) {
	t.Parallel()
	p, count := large(t)
	begin := time.Now()
	for viewers := 1; viewers <= 10; viewers *= 10 {
		p.viewers = viewers
		before := count.n.Load()
		for second := range 60 {
			p.now = func() time.Time {
				return begin.Add(time.Duration(viewers)*time.Hour + time.Duration(second)*time.Second)
			}
			for range viewers {
				if _, err := p.snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		spent := count.n.Load() - before
		if most := int64(60 * perSecond * viewers); spent > most+300 || spent == 0 { // one reading more, at the beginning
			t.Errorf("%d viewers cost %d commands in a minute, want %d at most", viewers, spent, most)
		}
	}
}

// BenchmarkIndex draws the first page with 20 campaigns and 200 lines, read anew each time.
func BenchmarkIndex(b *testing.B) {
	p, count := large(b)
	mux := http.NewServeMux()
	p.route(mux)
	before := count.n.Load()
	for b.Loop() {
		p.first.good = time.Time{}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), "GET", "/", http.NoBody))
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
	b.ReportMetric(float64(count.n.Load()-before)/float64(b.N), "commands/op")
}
