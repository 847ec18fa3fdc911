package crashtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// number reads a number from the environment.
func number(t *testing.T, name string, orElse int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return orElse
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// all are endings of every kind. Agents' own failures are rarer than the rest: their lines rest after them.
var all = []string{"30", "01", "19", "03", "21", "04", "19", "22", "05", "15", "24", "02", "30", "10", "14", "19", "17", "08", "21", "23", "20", "09", "18", "19", "11"}

// TestRandomKills kills one to three workers at random instants, suspends some, and replaces them. RINGQUEUE_KILLS says
// how many kills, RINGQUEUE_SEED repeats a run's choices.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	kills := number(t, "RINGQUEUE_KILLS", 10)
	seed := number(t, "RINGQUEUE_SEED", int(time.Now().UnixNano()&0xffffffff))
	t.Logf("%d kills, RINGQUEUE_SEED=%d", kills, seed)
	chance := rand.New(rand.NewPCG(uint64(seed), 0))
	between := func(low, high time.Duration) time.Duration {
		return low + time.Duration(chance.Int64N(int64(high-low)))
	}
	pause := func(d time.Duration) { <-time.After(d) } // a random instant, not a condition

	w := newWorld(t, config{lines: 6})
	w.enqueue(len(all), all...)
	var up []*process
	for killed := 0; killed < kills; {
		w.lapse(7 * time.Second)
		for want := 1 + chance.IntN(3); len(up) < want; {
			up = append(up, w.start())
		}
		if c := w.counts.counts(); c.Waiting < 2*w.lines { // there is always something to interrupt
			w.enqueue(len(all), all...)
		}
		pause(between(200*time.Millisecond, 2500*time.Millisecond))
		i := chance.IntN(len(up))
		victim := up[i]
		if chance.IntN(4) == 0 {
			victim.signal(syscall.SIGSTOP)
			pause(between(100*time.Millisecond, 3*time.Second))
			victim.signal(syscall.SIGCONT)
			continue
		}
		victim.kill()
		killed++
		up = append(up[:i], up[i+1:]...)
	}
	w.finish()
	w.judge(complete)
	t.Logf("%d contacts, %d dials, %d workers", w.contacts, len(w.sim.Truth().Dials), len(w.workers))
}
