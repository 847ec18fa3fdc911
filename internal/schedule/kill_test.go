package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// The test's binary is also the worker that it kills.
const (
	envRedis = "RINGQUEUE_TEST_SCHEDULE_REDIS"
	keyClock = "test:clock" // the instant that is now, in ms
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(envRedis); addr != "" {
		work(addr)
		return
	}
	os.Exit(m.Run())
}

func work(addr string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	NewRunner(rdb, zerolog.New(os.Stderr), Config{
		Every: 5 * time.Millisecond, Lease: 300 * time.Millisecond, Retry: 5 * time.Millisecond,
		Now: func(ctx context.Context) (time.Time, error) {
			n, err := rdb.Get(ctx, keyClock).Int64()
			return time.UnixMilli(n), err
		},
	}).Run(ctx)
}

// TestKilled lets three workers be killed at random around an instant, with SIGKILL: it has one run, with every contact once.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds, seed := number(os.Getenv("RINGQUEUE_KILLS")), uint64(time.Now().UnixNano())
	if rounds == 0 {
		rounds = 12
	}
	if n, err := strconv.ParseUint(os.Getenv("RINGQUEUE_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("RINGQUEUE_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const contacts = 4000
	w := newWorld(t)
	rule := w.rule("daily", w.file("due.csv", 1, contacts))
	rule.Keep = 1000
	w.add(rule, at(t, newYork, "2026-03-10T08:00"))
	killed := 0
	for day := range rounds {
		instant := at(t, newYork, "2026-03-10T09:00").AddDate(0, 0, day)
		name := RunName("daily", rule.When, instant)
		w.tell(instant.Add(-time.Second))
		var workers [3]*exec.Cmd
		for i := range workers {
			workers[i] = w.start()
		}
		w.tell(instant)
		kills := 1 + random.IntN(6) // a worker that is never left alone gets nothing done
		for deadline := time.Now().Add(time.Minute); ; {
			runs := w.runs("daily")
			if len(runs) > day && runs[0].State == StateRunning {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("no run of %s: %+v", instant, runs)
			}
			// Not to wait for anything: a kill comes when it comes.
			time.Sleep(time.Duration(random.IntN(120)) * time.Millisecond)
			if kills > 0 {
				kills--
				i := random.IntN(len(workers))
				w.kill(workers[i])
				killed++
				workers[i] = w.start()
			}
		}
		for _, c := range workers {
			w.kill(c)
		}
		runs := w.runs("daily")
		if len(runs) != day+1 || runs[0].Name != name || runs[0].Contacts != contacts {
			t.Errorf("there are %d runs, the newest %+v; want %d, the newest %s with %d contacts", len(runs), runs[0], day+1, name, contacts)
		}
		if c := w.counts(name); c.Total != contacts || c.Waiting != contacts {
			t.Errorf("%s has %+v, want %d contacts", name, c, contacts)
		}
		w.finish(name)
	}
	t.Logf("%d workers killed around %d instants", killed, rounds)
	if killed == 0 {
		t.Error("no worker was killed")
	}
}

func (w *world) tell(now time.Time) {
	w.t.Helper()
	if err := w.rdb.Set(w.t.Context(), keyClock, now.UnixMilli(), 0).Err(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) start() *exec.Cmd {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s", envRedis, w.rdb.Options().Addr))
	var logs strings.Builder
	cmd.Stderr = &logs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.kill(cmd)
		if w.t.Failed() {
			w.t.Logf("worker %d:\n%s", cmd.Process.Pid, logs.String())
		}
	})
	return cmd
}

func (w *world) kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}
}
