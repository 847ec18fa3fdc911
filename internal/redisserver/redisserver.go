// Package redisserver starts real Redis servers for tests and benchmarks: one
// process with a folder and a loopback port of its own per server. Starting one
// takes about 20 ms. Tests use it through package redistest, which also has a
// cluster, a Sentinel set and servers with a clock of their own.
package redisserver

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
	// A cluster's nodes also listen so far above their port. Theirs are chosen so
	// that both are below the ephemeral range.
	busOffset = 10000
)

// ErrMissing says that no redis-server is installed.
var ErrMissing = errors.New(binary + " is not on PATH: run `make setup` to install it")

var errDown = errors.New("it is not running")

// Server is a redis-server process. It is not safe for concurrent use, but for
// Addr and URL.
type Server struct {
	bin  string
	port int
	opts Options

	proc *process // nil while the server is down
}

// Options is how a server is run. Nothing is persisted unless Args ask for it.
type Options struct {
	Dir  string   // where its files are
	Args []string // redis-server's own; they come last, so that they win
	Env  []string // on top of this process's

	// Cluster makes it a node of a cluster that has no other node and no slot yet.
	Cluster bool
	// Sentinel is the configuration of a Sentinel, without port and folder; ""
	// for an ordinary server. Args are not used then.
	Sentinel string
}

// process is one run of the server.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended and is reaped
}

// Start starts a redis-server on a free port of 127.0.0.1 with its files in dir
// and waits until it answers. Nothing is persisted unless args ask for it, for
// example "--appendonly", "yes"; args are redis-server's own and come last, so
// that they win. The caller ends it with Stop; on Linux it also ends with the
// process that started it. ErrMissing where no redis-server is installed.
func Start(dir string, args ...string) (*Server, error) {
	return Run(Options{Dir: dir, Args: args})
}

// Run is Start with all options.
func Run(o Options) (*Server, error) {
	bin, err := exec.LookPath(binary)
	if err != nil {
		return nil, ErrMissing
	}
	s := &Server{bin: bin, opts: o}
	for range startTries {
		if s.port, err = freePort(o.Cluster); err != nil {
			return nil, fmt.Errorf("start redis: %w", err)
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("start redis: %w", err)
}

// Addr is the server's host:port. It stays the same over Kill and Restart.
func (s *Server) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// URL is the server's address as REDIS_URL takes it, with database 0.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Dir is the folder with the server's files.
func (s *Server) Dir() string { return s.opts.Dir }

// Pid is the process's id, 0 while the server is down.
func (s *Server) Pid() int {
	if s.proc == nil {
		return 0
	}
	return s.proc.cmd.Process.Pid
}

// Kill ends the process at once (SIGKILL), as a crash does, and returns when it
// is gone. What Redis has not persisted is lost. It is an error if it is down.
func (s *Server) Kill() error {
	if s.proc == nil {
		return fmt.Errorf("kill redis: %w", errDown)
	}
	return s.Stop()
}

// Restart starts the server again on the same port and folder, after killing it
// if it still runs, and waits until it answers.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return fmt.Errorf("restart redis: %w", err)
	}
	if err := s.launch(); err != nil {
		return fmt.Errorf("restart redis: %w", err)
	}
	return nil
}

// Signal sends the process a signal. It is an error if the server is down.
func (s *Server) Signal(sig syscall.Signal) error {
	if s.proc == nil {
		return fmt.Errorf("send %v to redis: %w", sig, errDown)
	}
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send %v to redis: %w", sig, err)
	}
	return nil
}

// Stop kills the process that this Server started, suspended or not, and returns
// when it is gone. It does nothing when there is none.
func (s *Server) Stop() error {
	if s.proc == nil {
		return nil
	}
	p := s.proc
	s.proc = nil
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill redis: %w", err)
	}
	<-p.gone
	return nil
}

// launch runs the server once and waits for its PONG. On an error no process is
// left behind.
func (s *Server) launch() error {
	args, err := s.arguments()
	if err != nil {
		return err
	}
	output, err := os.OpenFile(filepath.Join(s.opts.Dir, "redis.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	// The process outlives any context: Stop ends it.
	cmd := exec.Command(s.bin, args...) //nolint:gosec,noctx // the caller's own server, ended by Stop
	cmd.Stdout, cmd.Stderr = output, output
	if len(s.opts.Env) > 0 {
		cmd.Env = append(os.Environ(), s.opts.Env...)
	}
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
		stopErr := s.Stop()
		said, readErr := os.ReadFile(output.Name())
		return errors.Join(fmt.Errorf("%w; it said:\n%s", err, said), stopErr, readErr)
	}
	return nil
}

// arguments are redis-server's. A Sentinel writes its state into its file, so it gets a new one for each port only.
func (s *Server) arguments() ([]string, error) {
	port := strconv.Itoa(s.port)
	if s.opts.Sentinel != "" {
		file := filepath.Join(s.opts.Dir, "sentinel-"+port+".conf")
		if _, err := os.Stat(file); err == nil {
			return []string{file, "--sentinel"}, nil
		}
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\n%s\n", port, s.opts.Dir, s.opts.Sentinel)
		return []string{file, "--sentinel"}, os.WriteFile(file, []byte(text), 0o600)
	}
	args := []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.opts.Dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
	}
	if s.opts.Cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
	}
	return append(args, s.opts.Args...), nil
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

// freePort finds a port of 127.0.0.1 on which nothing listens, and nothing on the one that a cluster's node needs beside it.
func freePort(cluster bool) (int, error) {
	last := lastPort
	if cluster {
		last -= busOffset
	}
	var err error
	for range 100 {
		port := firstPort + rand.IntN(last-firstPort)
		if err = free(port); err == nil && cluster {
			err = free(port + busOffset)
		}
		if err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

func free(port int) error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}
