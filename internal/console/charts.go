package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/ringqueue/ringqueue/campaign"
)

const (
	chartsTime   = 5 * time.Second // for all queries of a request
	chartsAtOnce = 2               // requests
	chartsBody   = 4 << 20         // of an answer of Prometheus
	chartsSpan   = 31 * 24 * time.Hour
	mostCharted  = 50   // queues of a request
	mostPoints   = 2000 // of a curve
)

// The queries of the monitor's page of charts, by the names under which it expects their answers. %s is a filter by queue.
var chartQueries = map[string]string{
	"queue_size":                      "asynq_queue_size{%s}",
	"queue_latency_seconds":           "asynq_queue_latency_seconds{%s}",
	"queue_memory_usage_approx_bytes": "asynq_queue_memory_usage_approx_bytes{%s}",
	"tasks_processed_per_second":      "rate(asynq_tasks_processed_total{%s}[5m])",
	"tasks_failed_per_second":         "rate(asynq_tasks_failed_total{%s}[5m])",
	"error_rate":                      "rate(asynq_tasks_failed_total{%[1]s}[5m]) / rate(asynq_tasks_processed_total{%[1]s}[5m])",
	"pending_tasks_by_queue":          `asynq_tasks_enqueued_total{state="pending",%s}`,
	"retry_tasks_by_queue":            `asynq_tasks_enqueued_total{state="retry",%s}`,
	"archived_tasks_by_queue":         `asynq_tasks_enqueued_total{state="archived",%s}`,
}

// charts asks a Prometheus for the monitor's charts, and for nothing else. Who it is asked as is known to nobody who looks.
type charts struct {
	server *url.URL // nil for none
	client *http.Client
	log    zerolog.Logger
	busy   chan struct{}
	now    func() time.Time
}

func newCharts(address string, log zerolog.Logger) *charts {
	c := &charts{log: log, busy: make(chan struct{}, chartsAtOnce), now: time.Now, client: &http.Client{
		Timeout:       chartsTime,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 8, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if u, err := url.Parse(address); err == nil && address != "" {
		c.server = u
	}
	return c
}

func (c *charts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.server == nil {
		http.Error(w, "there is no Prometheus; CONSOLE_PROMETHEUS names one", http.StatusNotFound)
		return
	}
	filter, during, err := c.asked(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case c.busy <- struct{}{}:
		defer func() { <-c.busy }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "others are asking Prometheus; try again in a moment", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), chartsTime)
	defer cancel()
	answers := make(map[string]json.RawMessage, len(chartQueries))
	type answer struct {
		name string
		body json.RawMessage
	}
	all := make(chan answer, len(chartQueries))
	group, ctx := errgroup.WithContext(ctx)
	for name, query := range chartQueries {
		group.Go(func() error {
			body, err := c.query(ctx, fmt.Sprintf(query, filter), during)
			all <- answer{name, body}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		c.log.Warn().Err(err).Msg("console: Prometheus")
		http.Error(w, "Prometheus does not answer as it should; the worker's log has more", http.StatusBadGateway)
		return
	}
	close(all)
	for a := range all {
		answers[a.name] = a.body
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answers) // whoever asked has gone if this fails
}

// span is the time that charts show, as Prometheus takes it.
type span struct{ start, end, step string }

// asked reads what the page asks for: of which queues, and for how long until when.
func (c *charts) asked(q url.Values) (filter string, s span, err error) {
	length, end := time.Hour, c.now()
	if text := q.Get("duration"); text != "" {
		n, err := strconv.Atoi(text)
		if length = time.Duration(n) * time.Second; err != nil || n < 1 || length > chartsSpan {
			return "", s, errors.New("duration takes seconds, of 31 days at most")
		}
	}
	if text := q.Get("endtime"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if end = time.Unix(n, 0); err != nil || end.After(c.now().Add(24*time.Hour)) || end.Before(time.Unix(0, 0)) {
			return "", s, errors.New("endtime takes a Unix time that is not in the future")
		}
	}
	var names []string
	for name := range strings.SplitSeq(q.Get("queues"), ",") {
		if name == "" {
			continue
		}
		if !campaign.ValidName(strings.TrimSuffix(name, ".again")) {
			return "", s, errors.New("queues takes names of queues with commas between them")
		}
		if names = append(names, strings.ReplaceAll(name, ".", `\\.`)); len(names) > mostCharted {
			return "", s, fmt.Errorf("queues takes %d names at most", mostCharted)
		}
	}
	if len(names) > 0 {
		filter = `queue=~"` + strings.Join(names, "|") + `"`
	}
	step := max(10*time.Second, (length / mostPoints).Round(time.Second))
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	return filter, span{start: unix(end.Add(-length)), end: unix(end), step: strconv.Itoa(int(step.Seconds()))}, nil
}

// query asks for one curve. Its errors name no address: it may have a password in it.
func (c *charts) query(ctx context.Context, text string, s span) (json.RawMessage, error) {
	u := c.server.JoinPath("/api/v1/query_range")
	u.RawQuery = url.Values{"query": {text}, "start": {s.start}, "end": {s.end}, "step": {s.step}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("the address of CONSOLE_PROMETHEUS is none")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it is wanted
	body, err := io.ReadAll(io.LimitReader(resp.Body, chartsBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read Prometheus's answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("ask Prometheus: it answers with status %d", resp.StatusCode)
	case len(body) > chartsBody || !json.Valid(body):
		return nil, errors.New("ask Prometheus: its answer is no JSON, or too large")
	}
	return body, nil
}
