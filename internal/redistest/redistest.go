// Package redistest runs real Redis servers for tests: one process with a
// folder and a loopback port of its own per server, which a test can kill,
// start again and suspend. Starting one takes about 20 ms, so that a server per
// test is affordable and no test sees another's keys.
//
// Beside the plain server of Start there are: StartCluster, three masters of a
// Redis Cluster of which one can be lost; StartSentinel, a master and a replica
// with a Sentinel that changes their parts; StartSkewed, a server whose clock is
// off; StartProxy, a way to a server that is long; and Server.UserURL, a user
// who may not do everything.
package redistest

import (
	"errors"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redisserver"
)

// Server is a redis-server process that belongs to one test. Its methods end
// the test when the operating system refuses. It is not safe for concurrent
// use, but for Addr, URL and Client.
type Server struct {
	tb      testing.TB
	server  *redisserver.Server
	started func(pid int) // is told of each process; may be nil
}

// Start starts a redis-server on a free port of 127.0.0.1, waits until it
// answers and stops it at the end of the test. Nothing is persisted unless args
// ask for it, for example "--appendonly", "yes", "--appendfsync", "always"; args
// are redis-server's own and come last, so that they win. The test fails where
// no redis-server is installed.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	// The folder is asked for before the clean-up is registered: clean-ups run
	// last in, first out, and the server must be gone before its folder is.
	return run(tb, redisserver.Options{Dir: tb.TempDir(), Args: args})
}

func run(tb testing.TB, o redisserver.Options) *Server {
	tb.Helper()
	server, err := redisserver.Run(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return &Server{tb: tb, server: server}
}

// Addr is the server's host:port. It stays the same over Kill and Restart.
func (s *Server) Addr() string { return s.server.Addr() }

// URL is the server's address as REDIS_URL takes it, with database 0.
func (s *Server) URL() string { return s.server.URL() }

// Dir is the folder with the server's files.
func (s *Server) Dir() string { return s.server.Dir() }

// UserURL makes a user with these ACL rules and returns the address with which
// one connects as that user. "-memory" and the like take a command away; all
// others, all keys and all channels are allowed.
func (s *Server) UserURL(rules ...string) string {
	s.tb.Helper()
	const name, password = "app", "app-password"
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer client.Close() //nolint:errcheck // its only command has been answered
	args := []any{"ACL", "SETUSER", name, "reset", "on", ">" + password, "~*", "&*", "+@all"}
	for _, r := range rules {
		args = append(args, r)
	}
	s.must(client.Do(s.tb.Context(), args...).Err())
	return "redis://" + name + ":" + password + "@" + s.Addr() + "/0"
}

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
	s.must(s.server.Kill())
}

// Restart starts the server again on the same port and folder, after killing it
// if it still runs, and waits until it answers.
func (s *Server) Restart() {
	s.tb.Helper()
	s.must(s.server.Restart())
	if s.started != nil {
		s.started(s.server.Pid())
	}
}

// Pause suspends the process (SIGSTOP): connections stay open and the kernel
// still accepts new ones, but nothing is answered until Continue.
func (s *Server) Pause() {
	s.tb.Helper()
	s.must(s.server.Signal(syscall.SIGSTOP))
}

// Continue resumes a paused process (SIGCONT). Commands that arrived during the
// pause are executed then, even those whose senders have given up.
func (s *Server) Continue() {
	s.tb.Helper()
	s.must(s.server.Signal(syscall.SIGCONT))
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}
