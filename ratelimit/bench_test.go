package ratelimit

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

// BenchmarkQuota simulates four hours of a quota of 10 per 60 s against a server
// with RingCentral's window and penalty, and reports how much of the quota was
// used, how many requests were refused, and how many of these hit a penalty.
func BenchmarkQuota(b *testing.B) {
	limiters := []struct {
		name     string
		simulate func(testing.TB, load) result
	}{
		{"slots", simulateSlots},
		{"redis_rate", simulateRate},
	}
	for _, load := range []load{saturated, bursty} {
		for _, l := range limiters {
			b.Run(fmt.Sprintf("load=%s/limiter=%s", load, l.name), func(b *testing.B) {
				var r result
				for b.Loop() {
					r = l.simulate(b, load)
				}
				b.ReportMetric(r.used, "used_%")
				b.ReportMetric(float64(r.refused), "429s")
				b.ReportMetric(float64(r.inPenalty), "in_penalty")
				b.ReportMetric(r.wait.Seconds(), "wait_s")
			})
		}
	}
}

// BenchmarkReserve reserves on a real Redis, in turn and from 32 goroutines, for
// one extension and for 64. redis_rate's Allow is measured beside it.
func BenchmarkReserve(b *testing.B) {
	client := redistest.Start(b).Client(b)
	// Short windows, so that reservations do not pile up: at 10 per ms the log of
	// each quota is as long as it is in production.
	lim := Limit{N: 10, Window: time.Millisecond}
	l := New(Config{Redis: client, Limits: map[string]Limit{"heavy": lim}})
	rate := redis_rate.NewLimiter(client)
	perMilli := redis_rate.Limit{Rate: 10, Burst: 10, Period: time.Millisecond}
	ctx := context.Background()

	limiters := []struct {
		name string
		op   func(owner, token int64) error
	}{
		{"slots", func(owner, token int64) error {
			key := Key{Owner: fmt.Sprintf("ext%d", owner), Group: "heavy"}
			_, err := l.reserve(ctx, key, lim, fmt.Sprintf("t%d", token))
			return err
		}},
		{"redis_rate", func(owner, _ int64) error {
			_, err := rate.Allow(ctx, fmt.Sprintf("ext%d", owner), perMilli)
			return err
		}},
	}
	var token atomic.Int64
	for _, extensions := range []int64{1, 64} {
		for _, lm := range limiters {
			for _, parallel := range []int{1, 32} {
				b.Run(fmt.Sprintf("extensions=%d/limiter=%s/goroutines=%d", extensions, lm.name, parallel), func(b *testing.B) {
					op := func() {
						n := token.Add(1)
						if err := lm.op(n%extensions, n); err != nil {
							b.Error(err)
						}
					}
					if parallel == 1 {
						for b.Loop() {
							op()
						}
					} else {
						b.SetParallelism(max(1, parallel/runtime.GOMAXPROCS(0)))
						b.RunParallel(func(pb *testing.PB) {
							for pb.Next() {
								op()
							}
						})
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reserved/s")
				})
			}
		}
	}
}

// BenchmarkWait waits for a slot that is there at once, and observes the answer:
// all that a request costs beside the request.
func BenchmarkWait(b *testing.B) {
	client := redistest.Start(b).Client(b)
	lim := Limit{N: maxLimit, Window: time.Second}
	l := New(Config{Redis: client, Limits: map[string]Limit{"heavy": lim}})
	for b.Loop() {
		slot, err := l.Wait(b.Context(), heavy)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Observe(b.Context(), heavy, Observation{Remaining: -1, Limit: slot.Limit.N}); err != nil {
			b.Fatal(err)
		}
	}
}
