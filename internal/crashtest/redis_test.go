package crashtest

import (
	"strings"
	"testing"
	"time"
)

// TestRedisTrouble takes Redis away in the middle of a campaign, in several ways. Workers come back by themselves.
func TestRedisTrouble(t *testing.T) {
	t.Parallel()
	away := func(d time.Duration) func(*world) {
		return func(w *world) {
			w.redis.Kill()
			<-time.After(d) // the outage itself
			w.redis.Restart()
		}
	}
	troubles := map[string]func(*world){
		"away for 3 s": away(3 * time.Second),
		"away for 8 s": away(8 * time.Second),
		"stalled for 4 s": func(w *world) {
			w.redis.Pause()
			<-time.After(4 * time.Second) // commands arrive, and are carried out after their senders have given up
			w.redis.Continue()
		},
		"full for 3 s": func(w *world) {
			w.memory("1")
			<-time.After(3 * time.Second)
			w.memory("0")
		},
	}
	for name, trouble := range troubles {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, config{lines: 3, redis: []string{"--appendfsync", "always"}})
			w.enqueue(12, mixed...)
			first, second := w.start(), w.start()
			w.eventually("both workers have started", func() bool { return w.up(first) && w.up(second) })
			placed := 0
			for range 2 {
				w.eventually("more calls are placed", func() bool { return len(w.sim.Truth().Dials) >= placed+3 })
				trouble(w)
				placed = len(w.sim.Truth().Dials)
			}
			w.eventually("calls are placed again", func() bool { return len(w.sim.Truth().Dials) > placed })
			if !first.running() || !second.running() {
				t.Error("a worker has ended")
			}
			w.finish()
			w.judge(complete)
		})
	}
}

// memory sets how many bytes Redis may use; it refuses writes above that. "0" is no limit.
func (w *world) memory(limit string) {
	w.t.Helper()
	if err := w.rdb.ConfigSet(w.t.Context(), "maxmemory", limit).Err(); err != nil {
		w.t.Fatal(err)
	}
}
