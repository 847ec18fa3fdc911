package metrics

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/schedule"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/tasks"
)

const (
	fresh         = 5 * time.Second // how long what was read from Redis is good
	patience      = 3 * time.Second
	mostCampaigns = 100
	mostSchedules = 200
)

type description struct {
	name, help string
	labels     []string
}

var descriptions = []description{
	{"ringqueue_line_state", "Lines that this worker has, by state.", []string{"team", "state"}},
	{"ringqueue_live_calls", "Calls on lines that this worker has.", []string{"team"}},
	{"ringqueue_oldest_call_seconds", "Since when the oldest call on lines that this worker has goes on; 0 for none.", []string{"team"}},
	{"ringqueue_contacts", "Contacts of campaigns that are not over, by state; the same from every worker.", []string{"campaign", "team", "state"}},
	{"ringqueue_unconfirmed_contacts", "Contacts of all campaigns that wait for a person's decision; the same from every worker.", nil},
	{"ringqueue_quota_used_ratio", "Share of a quota that is used in the present window.", []string{"extension", "group"}},
	{"ringqueue_quota_blocked_until_seconds", "When RingCentral's penalty ends (Unix time); 0 for none.", []string{"extension", "group"}},
	{"ringqueue_schedule_lateness_seconds", "How late the newest run of a schedule was started.", []string{"schedule"}},
	{"ringqueue_schedule_overdue_seconds", "How long ago a run of a schedule was due that has not been started; 0 for none.", []string{"schedule"}},
	{"ringqueue_schedule_failing", "1 if the list of a schedule's newest run cannot be used.", []string{"schedule"}},
	{"ringqueue_redis_up", "1 if Redis answers.", nil},
	{"ringqueue_redis_ping_seconds", "How long Redis took to answer.", nil},
	{"ringqueue_redis_memory_used_ratio", "Share of Redis's maxmemory, or of its machine's memory, that is used.", nil},
	{"ringqueue_asynq_tasks", "Tasks of campaigns that are not over, by Asynq's state; the same from every worker.", []string{"state"}},
	{"ringqueue_failover_holding", "1 while lines or contacts are held because Redis was restarted and is being compared with RingCentral's records.", nil},
	{"ringqueue_line_held", "1 for each line of this worker that does not dial because its login is refused or Redis was restarted.", []string{"team", "line", "reason"}},
}

// reader reads Redis when Prometheus asks.
type reader struct {
	cfg     Config
	ledger  *ledger.Ledger
	store   *schedule.Store
	descs   map[string]*prometheus.Desc
	held    func() []HeldLine // may be nil
	mu      sync.Mutex
	read    time.Time
	metrics []prometheus.Metric
}

func newReader(cfg Config) *reader {
	r := &reader{cfg: cfg, ledger: ledger.New(cfg.Redis), store: schedule.NewStore(cfg.Redis), descs: map[string]*prometheus.Desc{}}
	for _, d := range descriptions {
		r.descs[d.name] = prometheus.NewDesc(d.name, d.help, d.labels, nil)
	}
	return r
}

// Describe is prometheus.Collector's.
func (r *reader) Describe(to chan<- *prometheus.Desc) {
	for _, d := range r.descs {
		to <- d
	}
}

// Collect is prometheus.Collector's. Where Redis does not answer, that is all there is to say.
func (r *reader) Collect(to chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.read) > fresh {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r.metrics = nil
		up := 1.0
		if err := r.readAll(ctx); err != nil {
			r.cfg.Log.Warn().Err(err).Msg("metrics cannot be read from Redis")
			r.metrics, up = nil, 0
		}
		r.add("ringqueue_redis_up", up)
		r.read = time.Now()
	}
	for _, m := range r.metrics {
		to <- m
	}
	if r.held == nil {
		return
	}
	for _, l := range r.held() {
		to <- prometheus.MustNewConstMetric(r.descs["ringqueue_line_held"], prometheus.GaugeValue, 1, l.Team, l.Line, l.Reason)
	}
}

func (r *reader) add(name string, value float64, labels ...string) {
	r.metrics = append(r.metrics, prometheus.MustNewConstMetric(r.descs[name], prometheus.GaugeValue, value, labels...))
}

func (r *reader) readAll(ctx context.Context) error {
	began := time.Now()
	if err := r.cfg.Redis.Ping(ctx).Err(); err != nil {
		return err //nolint:wrapcheck // Redis is away, and the log says what is not read
	}
	r.add("ringqueue_redis_ping_seconds", time.Since(began).Seconds())
	for _, part := range []func(context.Context) error{r.memory, r.failover, r.lines, r.campaigns, r.quotas, r.schedules} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) memory(ctx context.Context) error {
	info, err := r.cfg.Redis.Info(ctx, "memory").Result()
	if redis.IsPermissionError(err) {
		return nil // the worker has said so at its start
	}
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	used, most := infoNumber(info, "used_memory"), infoNumber(info, "maxmemory")
	if most == 0 {
		most = infoNumber(info, "total_system_memory")
	}
	if most > 0 {
		r.add("ringqueue_redis_memory_used_ratio", used/most)
	}
	return nil
}

func infoNumber(info, field string) float64 {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			n, _ := strconv.ParseFloat(value, 64) // absent counts as zero
			return n
		}
	}
	return 0
}

func (r *reader) failover(ctx context.Context) error {
	a, err := r.ledger.Approval(ctx)
	if err != nil {
		return err
	}
	holding := 0.0
	if a.Changed() {
		holding = 1
	}
	r.add("ringqueue_failover_holding", holding)
	return nil
}

func (r *reader) lines(ctx context.Context) error {
	all, err := line.List(ctx, r.cfg.Redis)
	if err != nil {
		return err
	}
	type key struct{ team, state string }
	states, live, oldest := map[key]int{}, map[string]int{}, map[string]time.Duration{}
	for _, l := range all {
		if l.Worker != r.cfg.Worker {
			continue
		}
		live[l.Team] += 0
		state := string(l.State)
		switch {
		case l.State == line.Occupied:
			live[l.Team]++
			if !l.Since.IsZero() {
				oldest[l.Team] = max(oldest[l.Team], time.Since(l.Since))
			}
		case l.State == line.Blocked:
		case l.Note != "":
			state = "suspended"
		case !l.Paused.IsZero() && l.State == line.Free:
			state = "paused"
		case l.State == line.Free:
			state = "free"
		}
		states[key{l.Team, state}]++
	}
	for team, n := range live {
		r.add("ringqueue_live_calls", float64(n), team)
		r.add("ringqueue_oldest_call_seconds", oldest[team].Seconds(), team)
		for _, state := range []string{"free", "occupied", "wrap_up", "cooling", "blocked", "paused", "suspended"} {
			r.add("ringqueue_line_state", float64(states[key{team, state}]), team, state)
		}
	}
	return nil
}

// taskStates are the states of Asynq's tasks that are counted. Tasks that are pending or active are in lists, others in
// sorted sets.
var taskStates = map[string]func(queue string) string{
	"pending": asynqkeys.Pending, "active": asynqkeys.Active, "scheduled": asynqkeys.Scheduled, "retry": asynqkeys.Retry,
	"archived": asynqkeys.Archived,
}

func (r *reader) campaigns(ctx context.Context) error {
	all, err := r.ledger.Campaigns(ctx)
	if err != nil {
		return err
	}
	unconfirmed, n := 0, 0
	counts := map[string][]*redis.IntCmd{}
	p := r.cfg.Redis.Pipeline()
	for _, c := range slices.Backward(all) { // the newest first
		unconfirmed += c.Counts.Unconfirmed
		if !c.Counts.Open() {
			continue
		}
		if n++; n > mostCampaigns {
			continue
		}
		name := c.Rules.Name
		for state, value := range map[string]int{
			"waiting": c.Counts.Waiting, "live": c.Counts.Live, "done": c.Counts.Done, "unconfirmed": c.Counts.Unconfirmed,
		} {
			r.add("ringqueue_contacts", float64(value), name, c.Rules.Team, state)
		}
		first, again := tasks.Queues(name)
		for state, key := range taskStates {
			for _, queue := range []string{first, again} {
				if state == "pending" || state == "active" {
					counts[state] = append(counts[state], p.LLen(ctx, key(queue)))
				} else {
					counts[state] = append(counts[state], p.ZCard(ctx, key(queue)))
				}
			}
		}
	}
	r.add("ringqueue_unconfirmed_contacts", float64(unconfirmed))
	if len(counts) > 0 {
		if _, err := p.Exec(ctx); err != nil {
			return err //nolint:wrapcheck // as above
		}
	}
	for state := range taskStates {
		sum := int64(0)
		for _, cmd := range counts[state] {
			sum += cmd.Val()
		}
		r.add("ringqueue_asynq_tasks", float64(sum), state)
	}
	return nil
}

func (r *reader) quotas(ctx context.Context) error {
	for _, ext := range r.cfg.Extensions {
		label := ext
		if len(label) > 12 {
			label = label[:12] // of a hash: enough to tell them apart
		}
		for _, group := range []ringout.Group{ringout.Light, ringout.Heavy} {
			u, err := r.cfg.Limiter.Look(ctx, ratelimit.Key{Owner: ext, Group: string(group)})
			if err != nil {
				return err //nolint:wrapcheck // it says what
			}
			until := 0.0
			if !u.BlockedUntil.IsZero() {
				until = float64(u.BlockedUntil.UnixMilli()) / 1000
			}
			r.add("ringqueue_quota_used_ratio", float64(u.Used)/float64(max(u.Limit, 1)), label, string(group))
			r.add("ringqueue_quota_blocked_until_seconds", until, label, string(group))
		}
	}
	return nil
}

func (r *reader) schedules(ctx context.Context) error {
	all, err := r.store.All(ctx)
	if err != nil {
		return err
	}
	for _, one := range all[:min(len(all), mostSchedules)] {
		failing, late, overdue := 0.0, 0.0, 0.0
		if run := one.Last; run != nil {
			if run.Failing() {
				failing = 1
			}
			late = run.Lateness().Seconds()
		}
		if !one.Paused && !one.Next.IsZero() {
			overdue = max(time.Since(one.Next).Seconds(), 0)
		}
		r.add("ringqueue_schedule_overdue_seconds", overdue, one.Name)
		r.add("ringqueue_schedule_failing", failing, one.Name)
		r.add("ringqueue_schedule_lateness_seconds", late, one.Name)
	}
	return nil
}
