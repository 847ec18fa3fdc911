package crashtest

import (
	"strings"
	"syscall"
	"testing"

	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// points are the instants of docs/never-twice.md, and the pass at which a worker dies there: not the first, so that another
// call goes on.
var points = []struct{ name, pass string }{
	{"gate", "3"},
	{"occupied", "3"},
	{"reserved", "3"},
	{"gated", "3"},
	{"claimed", "3"},
	{"posted", "3"},
	{"placed", "3"},
	{"seen", "3"},
	{"settled", "2"},
	{"freed", "2"},
	{"followed", "2"},
	{"released", "1"},
	{"voided", "1"},
	{"detached", "1"},
}

// mixed are calls of which some need a second attempt.
var mixed = []string{"19", "21", "19", "24", "15", "02"}

// crashWorld is a campaign during which all points are passed. It returns what the first worker needs to pass the point.
func crashWorld(t *testing.T, point string) *world {
	w := newWorld(t, config{lines: 2})
	if point == "released" { // a claim is undone where RingCentral refuses the line's number
		w.sim.Inject(ringouttest.Fault{
			Operation: ringouttest.OpPlace, Skip: 1, Effect: ringouttest.AnswerStatus, Status: 400, Code: "TEL-108",
		})
	}
	if point == "detached" { // a line is freed of a call whose answer was lost
		w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, Skip: 1, Effect: ringouttest.Drop})
	}
	w.enqueue(6, mixed...)
	if point == "voided" { // a token is made void where a worker died with a line but without a claim
		w.start(crashAt("reserved:3")).dies()
		w.lapse(0)
	}
	return w
}

// TestCrashPoints kills a worker at each point, once; the next one goes on from there.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	for _, p := range points {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			w := crashWorld(t, p.name)
			w.start(crashAt(p.name + ":" + p.pass)).dies()
			w.lapse(0)
			w.start()
			w.over()
			w.judge(complete)
		})
	}
}

// TestSuspendPoints suspends a worker at each point, long enough that another one takes its lines over, and then lets it
// go on: as soon as it has lost its lines, and when all is over.
func TestSuspendPoints(t *testing.T) {
	t.Parallel()
	for _, p := range points {
		for _, late := range []bool{false, true} {
			name := p.name + "/early"
			if late {
				name = p.name + "/late"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := crashWorld(t, p.name)
				first := w.start(crashAt(p.name + ":" + p.pass + ":stop"))
				w.eventually("the worker is suspended", func() bool { return first.said("suspended at " + p.name) })
				w.lapse(0)
				second := w.start()
				w.eventually("another worker has the lines", func() bool {
					return strings.Count(second.stderr.String(), "line leased") == w.lines
				})
				if late {
					w.over()
				}
				first.signal(syscall.SIGCONT)
				w.eventually("the first worker knows that its lines are gone", func() bool { return first.said("lease lost") })
				w.over()
				w.judge(complete)
			})
		}
	}
}

// dies waits until the worker has killed itself.
func (p *process) dies() {
	p.t.Helper()
	<-p.gone
	if s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		p.t.Fatalf("the worker ended with %v", p.cmd.ProcessState)
	}
}
