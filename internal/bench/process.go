package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// process is one of our commands, running.
type process struct {
	cmd     *exec.Cmd
	said    *os.File // its standard error
	stopped chan struct{}
	err     error // of Wait, once stopped is closed
}

// start runs a built command in the bench's folder, without the environment's settings but those given, for as long as the
// benchmark runs at most.
func (b *bench) start(ctx context.Context, env []string, stdout io.Writer, name string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, b.path("bin/"+name), args...) //nolint:gosec // built here
	cmd.Dir, cmd.Stdout = b.dir, stdout
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + b.dir}, env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	said, err := os.CreateTemp(b.dir, name+"-*.log")
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), said.Close())
	}
	p := &process{cmd: cmd, said: said, stopped: make(chan struct{})}
	go func() {
		p.err = errors.Join(cmd.Wait(), said.Close())
		close(p.stopped)
	}()
	b.atEnd(p.stop)
	return p, nil
}

// wait waits for the command's end; its error has what the command said last.
func (p *process) wait() error {
	<-p.stopped
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w; it said: %s", p.cmd.Path, p.err, p.last())
}

// stop asks the command to end and waits for that. It does nothing if it has ended.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.stopped
	return nil // what it ended with matters to those who wait for it
}

// last is the end of what the command said.
func (p *process) last() string {
	said, err := os.ReadFile(p.said.Name())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(said[max(0, len(said)-500):]))
}

// watchPeak returns a function that waits for the command's end and says the most memory it ever had (VmHWM). The kernel's
// rusage would not do: it starts from the memory of the process that started this one.
func (p *process) watchPeak() func() (int64, error) {
	peak := make(chan int64, 1)
	go func() {
		var most int64
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if n, err := p.memory("VmHWM"); err == nil {
				most = n
			}
			select {
			case <-p.stopped:
				peak <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() (int64, error) {
		err := p.wait()
		return <-peak, err
	}
}

// memory reads one of the figures of /proc/PID/status in bytes: VmRSS, VmHWM.
func (p *process) memory(field string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc has no %s", field)
}

// ticks is /proc's unit of processor time, which on Linux is the same everywhere.
const ticks = 100

// processor is the processor time that the command has had so far, the kernel's on its behalf included.
func (p *process) processor() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses; utime and stime are the fields 14 and 15.
	_, rest, found := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat is not as expected")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err1, err2)
}

// simulator is RingCentral in a process of its own.
type simulator struct {
	*process
	url string
}

// simulator starts `worker simulator` on a free port.
func (b *bench) simulator(ctx context.Context, scale int) (*simulator, error) {
	p, err := b.start(ctx, nil, nil, "worker", "simulator", "--addr", "127.0.0.1:0", "--scale", strconv.Itoa(scale))
	if err != nil {
		return nil, err
	}
	// It says its address in a line of its own.
	for range 500 {
		for word := range strings.FieldsSeq(p.last()) {
			if url, isURL := strings.CutSuffix(word, ","); isURL && strings.HasPrefix(url, "http://") {
				return &simulator{p, url}, nil
			}
		}
		select {
		case <-p.stopped:
			return nil, p.wait()
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the simulator does not say where it listens: %s", p.last())
}

// lawful is what really happened, if that is so many dials and none of the requests and dials was against the rules.
func (s *simulator) lawful(ctx context.Context, dials int) (ringouttest.Truth, error) {
	t, err := s.truth(ctx)
	if bad := len(t.OverQuota) + len(t.InPenalty) + len(t.Overlaps); err == nil && (bad > 0 || len(t.Dials) != dials) {
		err = fmt.Errorf("%d dials for %d contacts, and %d requests or dials against the rules", len(t.Dials), dials, bad)
	}
	return t, err
}

// truth is what really happened.
func (s *simulator) truth(ctx context.Context) (ringouttest.Truth, error) {
	var t ringouttest.Truth
	err := s.ask(ctx, http.MethodGet, "/simulator/truth", nil, &t)
	return t, err
}

// script sets the endings of numbers.
func (s *simulator) script(ctx context.Context, endings map[string][]ringouttest.Ending) error {
	return s.ask(ctx, http.MethodPost, "/simulator/endings", endings, nil)
}

func (s *simulator) ask(ctx context.Context, method, path string, body, reply any) error {
	var src io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("simulator: %w", err)
		}
		src = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, src)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("simulator: %s %s: %s", method, path, resp.Status)
	}
	if reply == nil {
		return nil
	}
	if err := json.NewDecoder(bufio.NewReader(resp.Body)).Decode(reply); err != nil {
		return fmt.Errorf("simulator: %s: %w", path, err)
	}
	return nil
}
