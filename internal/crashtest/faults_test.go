package crashtest

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// faults are a RingCentral on a bad day: of the POSTs, 10 % are carried out and their answers lost, 5 % are carried out and
// answered 502, 5 % are not carried out and answered 503; 10 % of the GETs fail.
func faults() []ringouttest.Fault {
	list := []ringouttest.Fault{
		{Operation: ringouttest.OpPlace, Effect: ringouttest.Drop, Late: true, Probability: 0.10},
		{Operation: ringouttest.OpPlace, Effect: ringouttest.AnswerStatus, Status: 502, Late: true, Probability: 0.05},
		{Operation: ringouttest.OpPlace, Effect: ringouttest.AnswerStatus, Status: 503, Probability: 0.05},
	}
	for _, op := range []ringouttest.Operation{
		ringouttest.OpStatus, ringouttest.OpPresence, ringouttest.OpActiveCalls, ringouttest.OpCallLog,
	} {
		list = append(list, ringouttest.Fault{Operation: op, Effect: ringouttest.AnswerStatus, Status: 500, Probability: 0.10})
	}
	for i := range list {
		list[i].Times = -1
	}
	return list
}

// TestFaults runs a campaign on a bad day, on which tokens are revoked twice and Redis is killed five times.
func TestFaults(t *testing.T) {
	t.Parallel()
	seed := number(t, "RINGQUEUE_SEED", int(time.Now().UnixNano()&0xffffffff))
	t.Logf("RINGQUEUE_SEED=%d", seed)
	w := newWorld(t, config{
		lines: 6, redis: []string{"--appendfsync", "always"}, sim: ringouttest.Config{Seed: uint64(seed)},
	})
	for _, f := range faults() {
		w.sim.Inject(f)
	}
	w.enqueue(48, mixed...)
	w.start()
	w.start()
	dialled := func(n int) func() bool { return func() bool { return len(w.sim.Truth().Dials) >= n } }
	for i := range 5 {
		w.eventually("more calls are placed", dialled(6*(i+1)))
		w.redis.Kill()
		w.redis.Restart()
		if i%2 == 1 {
			w.sim.RevokeTokens("")
		}
	}
	w.finish()
	w.judge(complete)
}

// TestWithheld loses the answers of POSTs where the app may not read RingCentral's records: what then is not known is left
// to a person, and nobody is called again.
func TestWithheld(t *testing.T) {
	t.Parallel()
	for _, deny := range [][]string{{"ReadCallLog"}, {"ReadCallLog", "ReadPresence"}} {
		t.Run(deny[len(deny)-1], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, config{lines: 3, sim: ringouttest.Config{Deny: deny}})
			lost := ringouttest.Fault{Operation: ringouttest.OpPlace, Skip: 1, Effect: ringouttest.Drop, Late: true}
			w.sim.Inject(lost)
			w.enqueue(8, "19", "21", "19", "24", "15")
			w.start()
			w.over()
			if n := w.counts.counts().Unconfirmed; n != 1 {
				t.Errorf("%d contacts are unconfirmed, want the one whose answer was lost", n)
			}
			w.judge(withheld)
		})
	}
}
