package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/tasks"
)

// monitorPath is where Asynq's monitor is.
const monitorPath = "/monitor"

// shared lets asynqmon use a client that is there already.
type shared struct{ redis.UniversalClient }

func (s shared) MakeRedisClient() any { return s.UniversalClient }

var _ asynq.RedisConnOpt = shared{}

// monitor is Asynq's, but for those of its buttons that would break a promise. docs/monitor.md has a table of them.
type monitor struct {
	next   http.Handler
	pauses *tasks.Pauses
}

func newMonitor(cfg Config) *monitor {
	return &monitor{pauses: tasks.NewPauses(cfg.Redis), next: asynqmon.New(asynqmon.Options{
		RootPath: monitorPath, RedisConnOpt: shared{cfg.Redis}, PrometheusAddress: cfg.Prometheus,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(formatPayload), ResultFormatter: asynqmon.ResultFormatterFunc(formatResult),
	})}
}

var (
	pauseButton = regexp.MustCompile(`^/monitor/api/queues/([^/:]+):(pause|resume)$`)
	// What the ledger makes harmless: a task that is run looks at its contact first, and one that is done or archived is
	// needed by nobody.
	harmless = regexp.MustCompile(`^POST /monitor/api/queues/[^/]+/(archived|retry)_tasks(/[^/]+:run|:run_all|:batch_run)$|` +
		`^DELETE /monitor/api/queues/[^/]+/(archived|completed)_tasks(/[^/]+|:delete_all)$|` +
		`^POST /monitor/api/queues/[^/]+/(archived|completed)_tasks:batch_delete$`)
)

func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if strings.HasPrefix(path, monitorPath+"/api/") || strings.HasPrefix(path, monitorPath+"/static/") {
			m.next.ServeHTTP(w, r)
			return
		}
		m.page(w, r)
		return
	}
	if b := pauseButton.FindStringSubmatch(path); b != nil && r.Method == http.MethodPost {
		m.pause(w, r, strings.TrimSuffix(b[1], ".again"), b[2] == "pause")
		return
	}
	if harmless.MatchString(r.Method + " " + path) {
		m.next.ServeHTTP(w, r)
		return
	}
	http.Error(w, refusal(path), http.StatusForbidden)
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
	m.next.ServeHTTP(rec, r)
	body := rec.body.Bytes()
	if !bytes.Contains(body, []byte("<div id=\"root\">")) { // a picture, or an error
		maps.Copy(w.Header(), rec.header)
		w.WriteHeader(rec.status)
		_, _ = w.Write(body) // whoever asked has gone if this fails
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
