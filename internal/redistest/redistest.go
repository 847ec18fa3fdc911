// Package redistest runs real Redis servers for tests: one process with a
// folder and a loopback port of its own per server, which a test can kill,
// start again and suspend. Starting one takes about 20 ms, so that a server per
// test is affordable and no test sees another's keys.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	binary = "redis-server"

	// startTimeout bounds the wait for the first PONG, loading an append-only
	// file included.
	startTimeout = 10 * time.Second
	// startTries bounds how often another port is tried: one that was free when
	// it was chosen can be taken by the time that Redis listens on it.
	startTries = 5

	// Ports are chosen below Linux's ephemeral range (32768 and up). A port from
	// that range could become some client's own end while a killed server is
	// down, and Restart would then fail.
	firstPort, lastPort = 20000, 32000
)

// Server is a redis-server process that belongs to one test. Its methods end
// the test when the operating system refuses. It is not safe for concurrent
// use, but for Addr, URL and Client.
type Server struct {
	tb   testing.TB
	bin  string
	dir  string
	port int
	args []string

	proc *process // nil while the server is down
}

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended and is reaped
}

// Start starts a redis-server on a free port of 127.0.0.1, waits until it
// answers and stops it at the end of the test. Nothing is persisted unless args
// ask for it, for example "--appendonly", "yes", "--appendfsync", "always"; args
// are redis-server's own and come last, so that they win. The test fails where
// no redis-server is installed.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	bin, err := exec.LookPath(binary)
	if err != nil {
		tb.Fatalf("%s is not on PATH: run `make setup` to install it", binary)
	}
	// The folder is asked for before the clean-up is registered: clean-ups run
	// last in, first out, and the server must be gone before its folder is.
	s := &Server{tb: tb, bin: bin, dir: tb.TempDir(), args: args}
	tb.Cleanup(s.stop)
	for try := 1; ; try++ {
		s.port = freePort(tb)
		if err = s.launch(); err == nil {
			return s
		}
		if try == startTries {
			tb.Fatalf("start redis: %v", err)
		}
	}
}

// Addr is the server's host:port. It stays the same over Kill and Restart.
func (s *Server) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// URL is the server's address as REDIS_URL takes it, with database 0.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Client returns a new client of the server with go-redis's defaults. It is
// closed at the end of tb.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	tb.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			tb.Errorf("close redis client: %v", err)
		}
	})
	return client
}

// Kill ends the process at once (SIGKILL), as a crash does, and returns when it
// is gone. What Redis has not persisted is lost.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.proc == nil {
		s.tb.Fatal("kill redis: it is not running")
	}
	s.stop()
}

// Restart starts the server again on the same port and folder, after killing it
// if it still runs, and waits until it answers.
func (s *Server) Restart() {
	s.tb.Helper()
	s.stop()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("restart redis: %v", err)
	}
}

// Pause suspends the process (SIGSTOP): connections stay open and the kernel
// still accepts new ones, but nothing is answered until Continue.
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
}

// Continue resumes a paused process (SIGCONT). Commands that arrived during the
// pause are executed then, even those whose senders have given up.
func (s *Server) Continue() {
	s.tb.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig os.Signal) {
	s.tb.Helper()
	if s.proc == nil {
		s.tb.Fatalf("send %v to redis: it is not running", sig)
	}
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("send %v to redis: %v", sig, err)
	}
}

// stop kills the process that this Server started, paused or not. It does
// nothing when there is none.
func (s *Server) stop() {
	if s.proc == nil {
		return
	}
	p := s.proc
	s.proc = nil
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("kill redis: %v", err)
		return
	}
	<-p.gone
}

// launch runs the server once and waits for its PONG. On an error no process is
// left behind.
func (s *Server) launch() error {
	output, err := os.OpenFile(filepath.Join(s.dir, "redis.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
	}, s.args...)
	// The process must outlive any context of the test until Cleanup, which is
	// when tb.Context has already ended.
	cmd := exec.Command(s.bin, args...) //nolint:gosec,noctx // a test's own server, ended by Cleanup
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return errors.Join(err, output.Close())
	}
	p := &process{cmd: cmd, gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // a killed process always reports an error
		close(p.gone)
	}()
	s.proc = p
	if err := errors.Join(output.Close(), s.ready(p)); err != nil {
		s.stop()
		said, readErr := os.ReadFile(output.Name())
		return errors.Join(fmt.Errorf("%w; it said:\n%s", err, said), readErr)
	}
	return nil
}

// ready waits until the process answers PING, ends, or startTimeout has passed.
func (s *Server) ready(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1})
	defer client.Close() //nolint:errcheck // nothing was written through it
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := answers(ctx, client, p.cmd.Process.Pid)
		if err == nil {
			return nil
		}
		select {
		case <-p.gone:
			return fmt.Errorf("redis ended at once (%v)", p.cmd.ProcessState)
		default:
		}
		select {
		case <-p.gone:
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("redis does not answer: %w", err)
		}
	}
}

// answers reports whether the process pid answers PING, which it refuses while it
// loads its file. Another server may have been quicker to take the port.
func answers(ctx context.Context, client *redis.Client, pid int) error {
	if err := client.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return err
	}
	if got := info["Server"]["process_id"]; got != strconv.Itoa(pid) {
		return fmt.Errorf("another redis (process %s) has the port", got)
	}
	return nil
}

// freePort finds a port of 127.0.0.1 on which nothing listens.
func freePort(tb testing.TB) int {
	tb.Helper()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		var l net.Listener
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err = l.Close(); err == nil {
			return port
		}
	}
	tb.Fatalf("find a free port: %v", err)
	return 0
}
