package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/safe"
	"github.com/ringqueue/ringqueue/tasks"
)

// monitorPath is where Asynq's monitor is.
const monitorPath = "/monitor"

// shared lets asynqmon use a client that is there already.
type shared struct{ redis.UniversalClient }

func (s shared) MakeRedisClient() any { return s.UniversalClient }

var _ asynq.RedisConnOpt = shared{}

// monitor is Asynq's, but for those of its buttons that would break a promise, and for what would make Redis read or change
// any number of tasks at once. docs/monitor.md has a table of them.
type monitor struct {
	base      string // what comes before monitorPath
	next      http.Handler
	pauses    *tasks.Pauses
	inspector *asynq.Inspector
	charts    http.Handler
	log       zerolog.Logger
	busy      chan struct{} // requests that reach into Redis
}

const (
	monitorAtOnce  = 4
	monitorQueue   = 2 * time.Second  // how long a request waits for others
	monitorTime    = 5 * time.Second  // for one that reads
	monitorAllTime = 20 * time.Second // for one that changes all tasks of a state
	mostSize       = 100              // tasks on a page
	mostTasks      = 1_000_000        // that may be before it
	monitorBody    = 64 << 10
)

func newMonitor(cfg Config) *monitor {
	root := cfg.Base + monitorPath
	m := &monitor{
		base: cfg.Base, pauses: tasks.NewPauses(cfg.Redis), inspector: asynq.NewInspectorFromRedisClient(cfg.Redis),
		charts: newCharts(cfg.Prometheus, cfg.Log), log: cfg.Log, busy: make(chan struct{}, monitorAtOnce),
	}
	options := asynqmon.Options{
		RootPath: root, RedisConnOpt: shared{cfg.Redis},
		PayloadFormatter: asynqmon.PayloadFormatterFunc(formatPayload), ResultFormatter: asynqmon.ResultFormatterFunc(formatResult),
	}
	if cfg.Prometheus != "" {
		options.PrometheusAddress = "yes" // the page only asks whether there is one, and would show the address to everybody
	}
	m.next = asynqmon.New(options)
	return m
}

var (
	pauseButton = regexp.MustCompile(`^/monitor/api/queues/([^/:]+):(pause|resume)$`)
	allButton   = regexp.MustCompile(`^/monitor/api/queues/([^/]+)/(archived|retry|completed)_tasks:(run_all|delete_all)$`)
	// What the ledger makes harmless: a task that is run looks at its contact first, and one that is done or archived is
	// needed by nobody.
	harmless = regexp.MustCompile(`^POST /monitor/api/queues/[^/]+/(archived|retry)_tasks(/[^/]+:run|:run_all|:batch_run)$|` +
		`^DELETE /monitor/api/queues/[^/]+/(archived|completed)_tasks(/[^/]+|:delete_all)$|` +
		`^POST /monitor/api/queues/[^/]+/(archived|completed)_tasks:batch_delete$`)
)

func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	r.Body = http.MaxBytesReader(w, r.Body, monitorBody)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		switch {
		case path == monitorPath+"/api/metrics":
			m.charts.ServeHTTP(w, r)
		case strings.HasPrefix(path, monitorPath+"/api/"):
			m.read(w, r)
		case strings.HasPrefix(path, monitorPath+"/static/"):
			m.next.ServeHTTP(w, m.whole(r, r.URL.Query()))
		default:
			m.page(w, r)
		}
		return
	}
	if b := pauseButton.FindStringSubmatch(path); b != nil && r.Method == http.MethodPost {
		m.pause(w, r, strings.TrimSuffix(b[1], ".again"), b[2] == "pause")
		return
	}
	if !harmless.MatchString(r.Method + " " + path) {
		http.Error(w, refusal(path), http.StatusForbidden)
		return
	}
	if b := allButton.FindStringSubmatch(path); b != nil {
		m.within(w, r, monitorAllTime, func(ctx context.Context, w http.ResponseWriter) { m.all(ctx, w, b[1], b[2], b[3] == "run_all") })
		return
	}
	m.within(w, r, monitorAllTime, func(_ context.Context, w http.ResponseWriter) { m.next.ServeHTTP(w, m.whole(r, r.URL.Query())) })
}

// whole is the request with the path that Asynq's monitor knows.
func (m *monitor) whole(r *http.Request, query url.Values) *http.Request {
	long := r.Clone(context.WithoutCancel(r.Context()))
	long.URL.Path, long.URL.RawPath, long.URL.RawQuery = m.base+r.URL.Path, "", query.Encode()
	return long
}

// read answers what only reads. A page has as many tasks as Redis gives without others noticing.
func (m *monitor) read(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	page, size := 1, 20
	for name, value := range map[string]*int{"page": &page, "size": &size} {
		if text := query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				http.Error(w, name+" takes a number from 1", http.StatusBadRequest)
				return
			}
			*value = n
		}
	}
	if size = min(size, mostSize); page > mostTasks/size {
		http.Error(w, "so far back it is not read; `campaign results` has all contacts", http.StatusBadRequest)
		return
	}
	query.Set("page", strconv.Itoa(page))
	query.Set("size", strconv.Itoa(size))
	m.within(w, r, monitorTime, func(_ context.Context, w http.ResponseWriter) { m.next.ServeHTTP(w, m.whole(r, query)) })
}

// within answers with what f says within a time; few at once reach into Redis, and those that are not answered any more count
// until they have ended.
func (m *monitor) within(w http.ResponseWriter, r *http.Request, limit time.Duration, f func(context.Context, http.ResponseWriter)) {
	busy := func() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the monitor is busy, or Redis slow; try again in a moment", http.StatusServiceUnavailable)
	}
	queued := time.NewTimer(monitorQueue)
	defer queued.Stop()
	select {
	case m.busy <- struct{}{}:
	case <-queued.C:
		busy()
		return
	case <-r.Context().Done():
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), limit)
	rec, done := &recorder{header: http.Header{}, status: http.StatusOK}, make(chan bool, 1)
	go func() {
		defer func() { <-m.busy }()
		defer cancel()
		done <- safe.Do(m.log, "Asynq's monitor", func() { f(ctx, rec) })
	}()
	select {
	case panicked := <-done:
		if panicked {
			http.Error(w, "something is wrong here; the worker's log has more", http.StatusInternalServerError)
			return
		}
		rec.send(w)
	case <-time.After(limit):
		busy()
	case <-r.Context().Done():
	}
}

// all runs or deletes all tasks of a state one by one: Asynq's own way is one script over all of them, for which everybody
// would wait. What it has not come to when the time is over is still there.
func (m *monitor) all(ctx context.Context, w http.ResponseWriter, queue, state string, run bool) {
	list := map[string]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		"archived": m.inspector.ListArchivedTasks, "retry": m.inspector.ListRetryTasks, "completed": m.inspector.ListCompletedTasks,
	}[state]
	change, word := m.inspector.DeleteTask, "deleted"
	if run {
		change, word = m.inspector.RunTask, "scheduled"
	}
	count, began := 0, time.Now()
	seen := map[string]bool{}
	for ctx.Err() == nil && time.Since(began) < monitorAllTime-2*time.Second {
		found, err := list(queue, asynq.PageSize(mostSize))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fresh := 0
		for _, task := range found {
			if ctx.Err() != nil || seen[task.ID] {
				continue
			}
			seen[task.ID] = true
			fresh++
			switch err := change(queue, task.ID); {
			case err == nil:
				count++
			case !errors.Is(err, asynq.ErrTaskNotFound):
				m.log.Warn().Err(err).Msg("console: a task of the monitor")
			}
		}
		if fresh == 0 {
			break
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, "{%q: %d}\n", word, count) // a recorder
}

// refusal says what to do instead of what a button would do.
func refusal(path string) string {
	switch {
	case strings.Contains(path, "/active_tasks"):
		return "A call is not ended from here. `campaign cancel NAME` ends a campaign, and calls that only ring the agent."
	case !strings.Contains(path, "_tasks"):
		return "A queue is a campaign. `campaign delete NAME` deletes it whole."
	case strings.Contains(path, ":run") || strings.Contains(path, "_run"):
		return "The campaign's rules say when a contact is called again. `campaign retry` gives one that is done another round."
	}
	return "The ledger says who is called, and a task that is gone comes back. `enqueue dnc add` keeps a number from being called, " +
		"`campaign pause` or `cancel NAME` a campaign."
}

// pause pauses or resumes a campaign, which is two queues.
func (m *monitor) pause(w http.ResponseWriter, r *http.Request, campaign string, on bool) {
	change := m.pauses.Resume
	if on {
		change = m.pauses.Pause
	}
	if err := change(context.WithoutCancel(r.Context()), campaign); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var (
	// What comes from other hosts, and the manifest, which browsers ask for without the session.
	foreign = regexp.MustCompile(`<link[^>]+href="https?://[^>]*>|<link rel="manifest"[^>]*>`)
	inline  = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

// page serves the monitor's own page without what it would fetch from other hosts, and with a policy that lets its own
// scripts run and no others.
func (m *monitor) page(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	m.next.ServeHTTP(rec, m.whole(r, r.URL.Query()))
	body := rec.body.Bytes()
	if !bytes.Contains(body, []byte("<div id=\"root\">")) { // a picture, or an error
		rec.send(w)
		return
	}
	body = foreign.ReplaceAll(body, nil)
	var hashes []string
	for _, script := range inline.FindAllSubmatch(body, -1) {
		sum := sha256.Sum256(script[1])
		hashes = append(hashes, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	// Its widgets write style elements as they are drawn.
	w.Header().Set("Content-Security-Policy", auth.Policy(strings.Join(hashes, " "), "'unsafe-inline'"))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body) // as above
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) } //nolint:wrapcheck // it returns none

// send passes the answer on.
func (r *recorder) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // whoever asked has gone if this fails
}

var longNumber = regexp.MustCompile(`\+?\d[\d ().-]{5,}(\d{4})\b`)

// formatPayload says whom a task is about.
func formatPayload(_ string, payload []byte) string {
	var p tasks.CallPayload
	if json.Unmarshal(payload, &p) != nil || p.Campaign == "" {
		return "not a task of ringqueue"
	}
	return fmt.Sprintf("%s: contact %s, round %d", p.Campaign, hide(p.Contact), p.Round)
}

// formatResult says what came of a task.
func formatResult(_ string, result []byte) string {
	var r tasks.Result
	if json.Unmarshal(result, &r) != nil {
		return ""
	}
	text := hide(r.Result)
	if r.Attempt > 0 {
		text += fmt.Sprintf(" (attempt %d on %s)", r.Attempt, r.Line)
	}
	return text
}

// hide masks what looks like a phone number; nothing of ours should.
func hide(text string) string { return longNumber.ReplaceAllString(text, "…$1") }
