package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/tasks"
)

// hangable is a console on a Redis that can be suspended, as a worker serves it.
func hangable(t *testing.T) (*room, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t)
	rdb := server.Client(t)
	r := &room{t: t, rdb: rdb, producer: tasks.NewProducer(rdb)}
	r.campaign("spring", 3)
	asking := Client(rdb)
	t.Cleanup(func() { _ = asking.Close() })
	inside, err := New(t.Context(), Config{Redis: asking, Log: zerolog.Nop(), Ready: func(ctx context.Context) (bool, string) {
		return rdb.Ping(ctx).Err() == nil, "ok" // with the calls' own client, which has more patience
	}})
	if err != nil {
		t.Fatal(err)
	}
	way, err := auth.New(t.Context(), auth.Config{Addr: "127.0.0.1:8080", Log: zerolog.Nop()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(way.Wrap(inside))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	r.handler, r.url = inside, s.URL
	return r, server
}

// TestRedisHangs has twenty viewers look on while Redis is suspended.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	r, server := hangable(t)
	var viewers sync.WaitGroup
	for range 20 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		viewers.Go(func() {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	for _, path := range []string{"/", "/campaigns/spring", "/readyz"} {
		if code, body, _ := r.ask("GET", path); code != 200 {
			t.Fatalf("%s: %d %s", path, code, body)
		}
	}
	server.Pause()
	defer server.Continue()
	time.Sleep(2 * time.Second) // what was read before is no longer good
	for round := range 3 {
		for path, want := range map[string]struct {
			status int
			says   string
		}{
			"/":                 {200, "nothing is known since"},
			"/campaigns/spring": {200, "nothing is known since"},
			"/campaigns/other":  {503, "nothing is known since"},
			"/readyz":           {503, "Redis does not answer"},
			"/healthz":          {200, "ok"},
			"/monitor/":         {200, "root"},
		} {
			began := time.Now()
			code, body, _ := r.ask("GET", path)
			took := time.Since(began)
			if code != want.status || !strings.Contains(body, want.says) {
				t.Errorf("round %d, %s: %d %.3000s", round, path, code, body)
			}
			if took > 5*time.Second { // two on a machine that has time
				t.Errorf("round %d, %s: after %s", round, path, took)
			}
		}
	}
	server.Continue()
	for deadline := time.Now().Add(time.Minute); ; {
		if code, body, _ := r.ask("GET", "/"); code == 200 && !strings.Contains(body, "nothing is known since") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
}

func TestReading(t *testing.T) {
	t.Parallel()
	now, reads := time.Now(), 0
	var fail error
	hold := make(chan struct{})
	close(hold)
	r := &reading[int]{patience: 20 * time.Millisecond, limit: time.Minute, now: func() time.Time { return now }, read: func(context.Context) (int, time.Duration, error) {
		<-hold
		reads++
		return reads, time.Second, fail
	}}
	get := func(want int, fails bool) {
		t.Helper()
		if got, err := r.get(t.Context()); got != want || (err != nil) != fails {
			t.Errorf("%d, %v; want %d", got, err, want)
		}
	}
	get(1, false)
	get(1, false) // still good
	now = now.Add(2 * time.Second)
	get(2, false)
	began := now
	now, fail = now.Add(2*time.Second), io.ErrUnexpectedEOF
	get(2, true)
	for range 100 {
		get(2, true)
	}
	if reads != 3 {
		t.Errorf("a failure is not remembered: %d reads", reads)
	}
	if _, err := r.get(t.Context()); !strings.HasPrefix(err.Error(), "nothing is known since "+began.UTC().Format("15:04:05")) {
		t.Error(err)
	}
	now, fail = now.Add(failedFor), nil
	get(4, false)
	// One that hangs is waited for once, and by nobody after that; there is only one.
	hold = make(chan struct{})
	now = now.Add(2 * time.Second)
	before := runtime.NumGoroutine()
	for range 50 {
		get(4, true)
	}
	if n := runtime.NumGoroutine(); n > before+20 { // other tests run too
		t.Errorf("%d goroutines more", n-before)
	}
	close(hold)
	for deadline := time.Now().Add(time.Minute); ; {
		if got, err := r.get(t.Context()); err == nil && got == 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
}

// TestMonitorIsBounded asks the monitor for everything at once.
func TestMonitorIsBounded(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.campaign("big", 400)
	var page struct {
		Tasks []json.RawMessage `json:"tasks"`
	}
	code, body, _ := r.ask("GET", "/monitor/api/queues/big/pending_tasks?size=1000000")
	if err := json.Unmarshal([]byte(body), &page); code != 200 || err != nil || len(page.Tasks) != mostSize {
		t.Errorf("a page of a million: %d, %d tasks, %v", code, len(page.Tasks), err)
	}
	for query, want := range map[string]int{
		"size=-1": 400, "size=x": 400, "page=0": 400, "page=9999999999": 400, "page=99999999999999999999": 400, "size=100&page=4": 200, "page=2": 200, "": 200,
	} {
		if code, body, _ := r.ask("GET", "/monitor/api/queues/big/pending_tasks?"+query); code != want {
			t.Errorf("%s: %d %.200s", query, code, body)
		}
	}
	// All of a state: one by one, and none is forgotten.
	inspector := asynq.NewInspectorFromRedisClient(r.rdb)
	for i := range 250 {
		if err := inspector.ArchiveTask("big", fmt.Sprintf("big:c%d:1", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.rdb.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if code, body, _ := r.ask("POST", "/monitor/api/queues/big/archived_tasks:run_all"); code != 200 || !strings.Contains(body, `{"scheduled": 250}`) {
		t.Errorf("run all: %d %s", code, body)
	}
	for i := range 250 {
		if err := inspector.ArchiveTask("big", fmt.Sprintf("big:c%d:1", i)); err != nil {
			t.Fatal(err)
		}
	}
	if code, body, _ := r.ask("DELETE", "/monitor/api/queues/big/archived_tasks:delete_all"); code != 200 || !strings.Contains(body, `{"deleted": 250}`) {
		t.Errorf("delete all: %d %s", code, body)
	}
	if info, err := inspector.GetQueueInfo("big"); err != nil || info.Pending != 150 || info.Archived != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestMonitorWhileRedisHangs: few requests wait for Redis, and they end.
func TestMonitorWhileRedisHangs(t *testing.T) {
	t.Parallel()
	r, server := hangable(t)
	if code, _, _ := r.ask("GET", "/monitor/api/queues/spring/pending_tasks"); code != 200 {
		t.Fatal(code)
	}
	before := runtime.NumGoroutine()
	server.Pause()
	defer server.Continue()
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			resp, err := http.Get(r.url + "/monitor/api/queues/spring/pending_tasks")
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode/100 != 5 {
				t.Errorf("%d", resp.StatusCode)
			}
		})
	}
	all.Wait()
	server.Continue()
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+60; time.Sleep(50 * time.Millisecond) { // other tests run too
		if time.Now().After(deadline) {
			t.Fatalf("goroutines: %d before, %d after", before, runtime.NumGoroutine())
		}
	}
	if code, _, _ := r.ask("GET", "/monitor/api/queues/spring/pending_tasks"); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}

// TestCharts: a viewer asks a Prometheus for curves of queues, and for nothing else.
func TestCharts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var queries, users []string
	release := make(chan struct{})
	hang := false
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		user, password, _ := r.BasicAuth()
		queries, users = append(queries, r.URL.Query().Get("query")), append(users, user+":"+password)
		hangs := hang
		mu.Unlock()
		if hangs {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, `{"status":"success","data":{"result":[]}}`)
	}))
	t.Cleanup(prometheus.Close)
	t.Cleanup(func() { close(release) })
	rdb := redistest.Start(t).Client(t)
	address := strings.Replace(prometheus.URL, "http://", "http://scraper:pass-word@", 1)
	handler, err := New(t.Context(), Config{Redis: rdb, Prometheus: address, Base: "/ringqueue", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context, path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", path, http.NoBody))
		return w.Code, w.Body.String()
	}
	code, body := ask(t.Context(), "/monitor/api/metrics?queues=spring,spring.again&duration=3600")
	var answers map[string]any
	if err := json.Unmarshal([]byte(body), &answers); code != 200 || err != nil || len(answers) != 9 {
		t.Fatalf("%d %s", code, body)
	}
	for i, q := range queries {
		if !strings.Contains(q, `{queue=~"spring|spring\\.again"}`) && !strings.Contains(q, `,queue=~"spring|spring\\.again"}`) || users[i] != "scraper:pass-word" {
			t.Errorf("asked as %s: %s", users[i], q)
		}
	}
	for _, evil := range []string{
		`queues=x%22%7D+or+up+or+y%7Bz%3D%22`, "queues=.*", "queues=a|b", "duration=0", "duration=-1", "duration=99999999", "duration=x", "endtime=x", "endtime=99999999999", "queues=" + strings.Repeat("a,", 60),
	} {
		if code, _ := ask(t.Context(), "/monitor/api/metrics?"+evil); code != 400 {
			t.Errorf("%s: %d", evil, code)
		}
	}
	for _, path := range []string{"/monitor/", "/monitor/queue_metrics", "/"} {
		if _, body := ask(t.Context(), path); strings.Contains(body, "pass-word") || strings.Contains(body, prometheus.URL) {
			t.Errorf("%s shows the address", path)
		}
	}
	if _, body := ask(t.Context(), "/monitor/"); !strings.Contains(body, `FLAG_ROOT_PATH="\/ringqueue\/monitor"`) || !strings.Contains(body, `FLAG_PROMETHEUS_SERVER_ADDRESS="yes"`) {
		t.Errorf("the monitor's page: %.1500s", body)
	}
	mu.Lock()
	hang = true
	mu.Unlock()
	before := runtime.NumGoroutine()
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // whoever looks has gone
		if code, body := ask(ctx, "/monitor/api/metrics"); code != 502 || strings.Contains(body, "pass-word") {
			t.Errorf("a Prometheus that hangs: %d %s", code, body)
		}
		cancel()
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+30; time.Sleep(20 * time.Millisecond) { // other tests run too
		if time.Now().After(deadline) {
			t.Fatalf("goroutines: %d before, %d after", before, runtime.NumGoroutine())
		}
	}
	began := time.Now()
	if code, _ := ask(t.Context(), "/monitor/api/metrics"); code != 502 || time.Since(began) > 4*chartsTime {
		t.Errorf("%d after %s", code, time.Since(began))
	}
}
