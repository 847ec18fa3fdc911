//go:build crash

package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// RINGQUEUE_CRASH_AT is NAME, NAME:N or NAME:N:stop: at the N-th pass through the point (the first, if not given) the process
// kills itself, or says so on standard error and suspends itself until somebody sends SIGCONT.
var (
	at     = os.Getenv("RINGQUEUE_CRASH_AT")
	passes atomic.Int64
)

// Point is an instant of the protocol.
func Point(name string) {
	want, rest, _ := strings.Cut(at, ":")
	if want != name {
		return
	}
	count, mode, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	if passes.Add(1) != n {
		return
	}
	sig := syscall.SIGKILL
	if mode == "stop" {
		sig = syscall.SIGSTOP
		fmt.Fprintln(os.Stderr, "suspended at "+name)
	}
	_ = syscall.Kill(os.Getpid(), sig)
	if sig == syscall.SIGKILL {
		select {} // not one instruction more
	}
}

// Scale is how many times faster than real time RingCentral runs, as RINGQUEUE_TEST_SCALE says. The simulator may.
func Scale() int {
	n, err := strconv.Atoi(os.Getenv("RINGQUEUE_TEST_SCALE"))
	if err != nil || n < 1 {
		return 1
	}
	return n
}
