package crashtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/testlog"
)

// process is a worker.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr testlog.Buffer
	gone   chan struct{}
}

// start starts a worker; more are further variables of its environment.
func (w *world) start(more ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: exec.Command(worker, "--config", "ringqueue.yaml", "--http", "off"), gone: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = w.dir, append(slices.Clip(w.env), more...), &p.stderr
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // the status is read from the process's state
	}()
	w.workers = append(w.workers, p)
	n := len(w.workers)
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // gone already, mostly
		<-p.gone
		if w.t.Failed() || os.Getenv("RINGQUEUE_LOGS") != "" {
			w.t.Logf("worker %d said:\n%s", n, p.stderr.String())
		}
	})
	return p
}

// crashAt makes a worker die, or suspend itself, at a named point.
func crashAt(point string) string { return "RINGQUEUE_CRASH_AT=" + point }

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("send %v: %v", sig, err)
	}
}

// kill ends the process as a crash does.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.gone
}

func (p *process) running() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

func (p *process) said(text string) bool { return strings.Contains(p.stderr.String(), text) }

// end asks for a worker's end and expects it within ten seconds, with status 0.
func (p *process) end() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("send SIGTERM: %v", err)
		return
	}
	select {
	case <-p.gone:
	case <-time.After(10 * time.Second):
		p.t.Error("the worker has not ended within 10 s of SIGTERM")
		_ = p.cmd.Process.Kill() // it may just have ended
		<-p.gone
		return
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("the worker ended with %v", p.cmd.ProcessState)
	}
}

// endAll ends all workers that are left, all at once.
func (w *world) endAll() {
	w.t.Helper()
	var wg sync.WaitGroup
	for _, p := range w.workers {
		if p.running() {
			wg.Go(p.end)
		}
	}
	wg.Wait()
}
