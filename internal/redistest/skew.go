package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/redisserver"
)

// StartSkewed is Start for a server whose clock is ahead of this process's by
// ahead, or behind if that is negative; whole milliseconds. It fails the test
// where libfaketime is not installed.
func StartSkewed(tb testing.TB, ahead time.Duration, args ...string) *Server {
	tb.Helper()
	s := run(tb, redisserver.Options{Dir: tb.TempDir(), Args: args, Env: []string{
		// The C library comes second so that the allocator's own look-ups find it: without that redis-server hangs at its start.
		"LD_PRELOAD=" + faketime(tb) + ":libc.so.6",
		fmt.Sprintf("FAKETIME=%+.3f", ahead.Seconds()),
		"FAKETIME_DONT_FAKE_MONOTONIC=1",
	}})
	s.started = forgetShared
	forgetShared(s.server.Pid())
	return s
}

// forgetShared removes the names of what libfaketime shares with processes that a server starts: a killed one leaves them
// behind, and a redis-server starts none.
func forgetShared(pid int) {
	for _, name := range []string{"faketime_shm_", "sem.faketime_sem_"} {
		_ = os.Remove(fmt.Sprintf("/dev/shm/%s%d", name, pid)) // elsewhere it is elsewhere, and small
	}
}

// faketime finds the library, which distributions keep in different places.
func faketime(tb testing.TB) string {
	tb.Helper()
	for _, folder := range []string{"/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime"} {
		found, err := filepath.Glob(folder + "/libfaketimeMT.so.1")
		if err == nil && len(found) > 0 {
			return found[0]
		}
	}
	tb.Fatal("libfaketimeMT.so.1 is not installed: run `make setup` to install it")
	return ""
}
