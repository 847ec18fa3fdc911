package cli

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// TestCrashIsNoUsageError has a command panic in a goroutine in a process of its own.
func TestCrashIsNoUsageError(t *testing.T) {
	t.Parallel()
	if os.Getenv("RINGQUEUE_TEST_CRASH") != "" {
		root := &cobra.Command{Use: "worker", RunE: func(cmd *cobra.Command, _ []string) error {
			go func() { panic("a fault") }()
			<-cmd.Context().Done()
			return nil
		}}
		root.SetArgs(nil)
		os.Exit(Main(root))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashIsNoUsageError$")
	cmd.Env = append(os.Environ(), "RINGQUEUE_TEST_CRASH=panic")
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("it ended with %v: %.500s", err, out)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Errorf("it ended with %v, want SIGABRT: %.500s", err, out)
	}
}
