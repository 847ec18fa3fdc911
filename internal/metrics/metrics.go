// Package metrics is what Prometheus is told of a worker: what it does itself, and what Redis says of all workers together.
// Labels are names that operators choose (teams, lines' states, campaigns, schedules), and few; nothing personal.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/version"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// AgentFailure is the outcome of an attempt that never reached the contact.
const AgentFailure = "agent_failure"

// Metrics counts what a worker does. It is safe for concurrent use.
type Metrics struct {
	registry  *prometheus.Registry
	attempts  *prometheus.CounterVec
	lineWait  *prometheus.HistogramVec
	quotaWait *prometheus.HistogramVec
	requests  *prometheus.HistogramVec
	responses *prometheus.CounterVec
	reader    *reader
}

// Why a line that a worker has does not dial, beside what its state says.
const (
	HeldByLogin = "login" // RingCentral does not let its extension log in
	HeldByRedis = "redis" // Redis was restarted, and the line's calls are not compared yet
)

// HeldLine is a line that does not dial.
type HeldLine struct{ Team, Line, Reason string }

// WatchHeld says where to ask which lines are held. It is for the time before the metrics are served.
func (m *Metrics) WatchHeld(held func() []HeldLine) { m.reader.held = held }

// Config is what metrics are read from.
type Config struct {
	Redis      redis.UniversalClient
	Worker     string // whose lines are counted
	Limiter    *ratelimit.Limiter
	Extensions []string // keys of the extensions whose quotas are read
	Log        zerolog.Logger
}

// Waits are short when all is well, and a calling campaign's are up to minutes.
var waits = []float64{0.1, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800}

// New returns metrics on a registry of their own.
func New(cfg Config) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringqueue_attempts_total", Help: "Attempts that this worker settled, by outcome; agent_failure never reached the contact.",
		}, []string{"team", "outcome"}),
		lineWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ringqueue_line_wait_seconds", Help: "How long contacts that are due have waited for a line.", Buckets: waits,
		}, []string{"team"}),
		quotaWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ringqueue_quota_wait_seconds", Help: "How long requests have waited for a slot of RingCentral's quotas.", Buckets: waits,
		}, []string{"group"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ringqueue_ringcentral_request_seconds", Help: "How long RingCentral has taken to answer.",
			Buckets: []float64{0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10},
		}, []string{"operation"}),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringqueue_ringcentral_responses_total", Help: "RingCentral's answers by HTTP status; none where there was no answer.",
		}, []string{"operation", "code"}),
	}
	m.reader = newReader(cfg)
	m.registry.MustRegister(m.attempts, m.lineWait, m.quotaWait, m.requests, m.responses, m.reader, buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// buildInfo says which ringqueue the worker is.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ringqueue_build_info", Help: "1, with the version of the worker.",
	}, []string{"version"})
	g.WithLabelValues(version.String()).Set(1)
	return g
}

// Names lists ringqueue's metrics, a histogram's without suffix.
func Names() []string {
	names := []string{
		"ringqueue_attempts_total", "ringqueue_build_info", "ringqueue_line_wait_seconds", "ringqueue_quota_wait_seconds",
		"ringqueue_ringcentral_request_seconds", "ringqueue_ringcentral_responses_total",
	}
	for _, d := range descriptions {
		names = append(names, d.name)
	}
	slices.Sort(names)
	return names
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// LineWait is line.Config's OnWait.
func (m *Metrics) LineWait(team string, d time.Duration) {
	m.lineWait.WithLabelValues(team).Observe(d.Seconds())
}

// Settled is line.Config's OnSettled.
func (m *Metrics) Settled(team string, a campaign.Attempt) {
	outcome := string(a.Outcome)
	if outcome == "" {
		outcome = AgentFailure
	}
	m.attempts.WithLabelValues(team, outcome).Inc()
}

// QuotaWait is line.Extension's OnWait.
func (m *Metrics) QuotaWait(group ringout.Group, d time.Duration) {
	m.quotaWait.WithLabelValues(string(group)).Observe(d.Seconds())
}

// Request is ringout.Config's OnRequest: it is told of what was really sent.
func (m *Metrics) Request(e ringout.Exchange) {
	code := "none"
	switch {
	case e.Status > 0:
		code = strconv.Itoa(e.Status)
	case errors.Is(e.Err, context.Canceled):
		return // the worker stops
	}
	m.responses.WithLabelValues(string(e.Operation), code).Inc()
	m.requests.WithLabelValues(string(e.Operation)).Observe(e.Duration.Seconds())
}
