package redistest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestServersAreSeparate(t *testing.T) {
	t.Parallel()
	a, b := redistest.Start(t), redistest.Start(t)
	if a.Addr() == b.Addr() {
		t.Fatalf("two servers share %s", a.Addr())
	}
	if err := a.Client(t).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatalf("set: %v", err)
	}
	if err := b.Client(t).Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("the other server's get: %v, want %v", err, redis.Nil)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	opt, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatalf("parse %s: %v", s.URL(), err)
	}
	if opt.Addr != s.Addr() || opt.DB != 0 {
		t.Errorf("URL names %s/%d, want %s/0", opt.Addr, opt.DB, s.Addr())
	}
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want error
	}{
		{"with AOF nothing is lost", []string{"--appendonly", "yes", "--appendfsync", "always"}, nil},
		{"without AOF everything is", nil, redis.Nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tt.args...)
			addr, client := s.Addr(), s.Client(t)
			if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatalf("set: %v", err)
			}
			s.Kill()
			if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr); err == nil {
				t.Errorf("%s still listens after Kill", conn.RemoteAddr())
			}
			s.Restart()
			if s.Addr() != addr {
				t.Errorf("address after Restart is %s, want %s", s.Addr(), addr)
			}
			if err := client.Get(t.Context(), "k").Err(); !errors.Is(err, tt.want) {
				t.Errorf("get after Restart: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPauseAndContinue(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr(), MaxRetries: -1, ReadTimeout: 50 * time.Millisecond, ContextTimeoutEnabled: true,
	})
	defer client.Close() //nolint:errcheck // nothing to lose
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("ping before: %v", err)
	}
	s.Pause()
	var timeout net.Error
	if err := client.Set(t.Context(), "late", "1", 0).Err(); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("set during the pause: %v, want a timeout", err)
	}
	s.Continue()
	// The abandoned command is executed all the same; when is Redis's business.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for s.Client(t).Get(ctx, "late").Err() != nil {
		if ctx.Err() != nil {
			t.Fatal("the command that was sent during the pause was never executed")
		}
	}
}

func TestPausedServerIsStopped(t *testing.T) {
	t.Parallel()
	var addr string
	t.Run("paused", func(t *testing.T) {
		s := redistest.Start(t)
		addr = s.Addr()
		s.Pause()
	})
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr); err == nil {
		t.Errorf("%s listens after its test has ended", addr)
	}
}

// TestMissingServer runs this binary again without a PATH: Start must fail its
// test with the way out, not skip it.
func TestMissingServer(t *testing.T) {
	if os.Getenv("REDISTEST_MISSING") == "1" {
		redistest.Start(t)
		return
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMissingServer$", "-test.v")
	cmd.Env = []string{"REDISTEST_MISSING=1", "PATH=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		t.Fatalf("run without redis-server: %v, want a failed test\n%s", err, out)
	}
	if !strings.Contains(string(out), "run `make setup`") || !strings.Contains(string(out), "--- FAIL") {
		t.Errorf("output does not say what to do:\n%s", out)
	}
}
