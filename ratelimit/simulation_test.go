package ratelimit

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// The simulation runs hours of one quota in seconds: callers, the network and
// RingCentral are events on a clock that drives Redis's TIME (miniredis), and the
// limiter under test is the real one, scripts included.

// simulated is the quota and its surroundings.
var simulated = struct {
	limit   Limit
	penalty time.Duration // restarted by each request inside it
	jitter  time.Duration // how much longer one request may take to arrive than another
	answer  time.Duration // from arrival to the caller's receiving the answer
	callers int
	hours   int
}{
	limit:   Limit{N: 10, Window: time.Minute},
	penalty: time.Minute,
	jitter:  300 * time.Millisecond,
	answer:  100 * time.Millisecond,
	callers: 25,
	hours:   4,
}

// simulation is the clock and its events.
type simulation struct {
	tb     testing.TB
	redis  *miniredis.Miniredis
	client *redis.Client
	rand   *rand.Rand
	now    time.Time
	events events
	seq    int // of the last event made
	server server
	jobs   jobs
	err    error
}

type event struct {
	at  time.Time
	seq int // of events at the same instant the sooner made is first
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].seq < e[j].seq
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newSimulation(tb testing.TB, load load) *simulation {
	tb.Helper()
	m := miniredis.RunT(tb)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	tb.Cleanup(func() { _ = client.Close() })
	return &simulation{
		tb:     tb,
		redis:  m,
		client: client,
		rand:   rand.New(rand.NewPCG(1, 2)), // the same run each time
		now:    time.Unix(1_800_000_000, 0),
		server: server{limit: simulated.limit, penalty: simulated.penalty},
		jobs:   jobs{load: load},
	}
}

func (s *simulation) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{s.now.Add(d), s.seq, do})
}

// run lets callers work for the simulated hours.
func (s *simulation) run(call func(s *simulation, i int)) {
	end := s.now.Add(time.Duration(simulated.hours) * time.Hour)
	s.redis.ClockTTL(true)
	s.redis.SetTime(s.now)
	if s.jobs.load == bursty {
		s.burst()
	}
	for i := range simulated.callers {
		s.work(i, call)
	}
	for len(s.events) > 0 && s.err == nil {
		e := heap.Pop(&s.events).(event)
		if e.at.After(end) {
			break
		}
		s.now = e.at
		s.redis.SetTime(s.now)
		e.do()
	}
	if s.err != nil {
		s.tb.Fatalf("simulation: %v", s.err)
	}
}

// work makes a caller take the next job, if there is one.
func (s *simulation) work(i int, call func(s *simulation, i int)) {
	if since, ok := s.jobs.take(s.now); ok {
		s.jobs.current[i] = since
		call(s, i)
		return
	}
	s.after(time.Second, func() { s.work(i, call) })
}

// send lets a request arrive and its answer come back.
func (s *simulation) send(i int, answered func(a answer)) {
	sent := s.now
	s.after(time.Duration(s.rand.Int64N(int64(simulated.jitter)+1)), func() {
		a := s.server.request(s.now)
		if !a.refused {
			s.jobs.done(i, sent)
		}
		s.after(simulated.answer, func() {
			a.age = s.now.Sub(sent)
			answered(a)
		})
	})
}

// load is how callers get something to do.
type load string

const (
	saturated load = "saturated" // there is always a call to make
	bursty    load = "bursty"    // 80 % of the quota, forty calls at once every five minutes
)

func (s *simulation) burst() {
	for range 40 {
		s.jobs.queue = append(s.jobs.queue, s.now)
	}
	s.after(5*time.Minute, s.burst)
}

// jobs are the calls to be made.
type jobs struct {
	load    load
	queue   []time.Time
	current [64]time.Time // of each caller: since when its job waited
	waited  time.Duration // of all that were done
	n       int
}

func (j *jobs) take(now time.Time) (time.Time, bool) {
	if j.load == saturated {
		return now, true
	}
	if len(j.queue) == 0 {
		return time.Time{}, false
	}
	since := j.queue[0]
	j.queue = j.queue[1:]
	return since, true
}

func (j *jobs) done(i int, sent time.Time) {
	j.waited += sent.Sub(j.current[i])
	j.n++
}

// server is RingCentral's side: a sliding window, and a penalty after it was
// exceeded. See https://developers.ringcentral.com/guide/basics/rate-limits.
type server struct {
	limit   Limit
	penalty time.Duration

	window  []time.Time // of the accepted ones
	blocked time.Time

	arrived, accepted, refused, inPenalty int
}

type answer struct {
	refused    bool
	retryAfter time.Duration
	remaining  int
	age        time.Duration // of the request when its answer is received
}

func (s *server) request(now time.Time) answer {
	s.arrived++
	inside := now.Before(s.blocked)
	if inside {
		s.inPenalty++
	}
	for len(s.window) > 0 && now.Sub(s.window[0]) >= s.limit.Window {
		s.window = s.window[1:]
	}
	if inside || len(s.window) >= s.limit.N {
		s.refused++
		s.blocked = now.Add(s.penalty)
		return answer{refused: true, retryAfter: s.penalty}
	}
	s.accepted++
	s.window = append(s.window, now)
	return answer{remaining: s.limit.N - len(s.window)}
}

// result is what the table of the benchmark shows.
type result struct {
	used      float64 // % of the quota
	refused   int
	inPenalty int
	wait      time.Duration // mean of a job's
}

func (s *simulation) result() result {
	quota := float64(simulated.limit.N) * float64(time.Duration(simulated.hours)*time.Hour) / float64(simulated.limit.Window)
	return result{
		used:      100 * float64(s.server.accepted) / quota,
		refused:   s.server.refused,
		inPenalty: s.server.inPenalty,
		wait:      s.jobs.waited / time.Duration(max(1, s.jobs.n)),
	}
}

// simulateSlots has callers do what Wait does, on the simulation's clock.
func simulateSlots(tb testing.TB, load load) result {
	s := newSimulation(tb, load)
	b := newBundle(tb, s.client, simulated.limit)
	n := 0
	var call func(s *simulation, i int)
	call = func(s *simulation, i int) {
		n++
		token := fmt.Sprintf("t%d", n)
		var step func()
		step = func() {
			g, err := b.reserve(context.Background(), b.key, b.lim, token)
			if err != nil {
				s.err = err
				return
			}
			if off := micros(g.slot - g.now); off > 0 {
				s.after(off, step)
				return
			}
			s.send(i, func(a answer) {
				s.err = b.observe(context.Background(), b.key, b.lim, "o"+token, Observation{
					Limit: simulated.limit.N, Window: simulated.limit.Window,
					Remaining: a.remaining, Limited: a.refused, RetryAfter: a.retryAfter,
					Sent: time.Now().Add(-a.age),
				})
				if a.refused {
					call(s, i)
					return
				}
				s.work(i, call)
			})
		}
		step()
	}
	s.run(call)
	return s.result()
}

// simulateRate has callers use redis_rate as its documentation shows: ask, and
// if not allowed sleep for RetryAfter. After a 429 all of them, not only the one
// that got it, send nothing for the server's Retry-After; without that, which
// redis_rate leaves to its user, they would never leave the penalty again.
func simulateRate(tb testing.TB, load load) result {
	s := newSimulation(tb, load)
	l := redis_rate.NewLimiter(s.client)
	var blocked time.Time
	var call func(s *simulation, i int)
	call = func(s *simulation, i int) {
		if wait := blocked.Sub(s.now); wait > 0 {
			s.after(wait, func() { call(s, i) })
			return
		}
		r, err := l.Allow(context.Background(), "ext1:heavy", redis_rate.PerMinute(simulated.limit.N))
		if err != nil {
			s.err = err
			return
		}
		if r.Allowed == 0 {
			s.after(r.RetryAfter, func() { call(s, i) })
			return
		}
		s.send(i, func(a answer) {
			if a.refused {
				blocked = s.now.Add(a.retryAfter)
				call(s, i)
				return
			}
			s.work(i, call)
		})
	}
	s.run(call)
	return s.result()
}

// TestSimulation is the promise: the quota is used, and never exceeded.
func TestSimulation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		load  load
		least float64
	}{
		{saturated, 98},
		{bursty, 79},
	}
	for _, tt := range tests {
		t.Run(string(tt.load), func(t *testing.T) {
			t.Parallel()
			r := simulateSlots(t, tt.load)
			t.Logf("%+v", r)
			if r.used < tt.least || r.refused != 0 || r.inPenalty != 0 {
				t.Errorf("%.2f %% of the quota used, %d refused, %d inside a penalty; want %v %% at least, none, none",
					r.used, r.refused, r.inPenalty, tt.least)
			}
		})
	}
}
