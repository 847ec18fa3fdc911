// Package cli is what the commands have in common: signals, exit statuses, and the one line that an error gets.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/redisurl"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/version"
)

// Exit statuses.
const (
	exitDone    = 0
	exitRunning = 1 // met while running: Redis away, no such campaign
	exitUsage   = 2 // arguments, files, settings
)

// UsageError marks an error in arguments, files or settings: exit status 2.
type UsageError struct {
	Err error

	line bool // in the command line itself, which --help explains
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usage marks err as an error in arguments, files or settings; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &UsageError{Err: err}
}

// Main runs a command until it ends or a signal asks it to; a second signal kills. It returns the exit status.
func Main(root *cobra.Command) int {
	// A program that panics ends with status 2, which is that of wrong settings, with which a supervisor need not try again. So a
	// crash aborts: SIGABRT.
	debug.SetTraceback("crash")
	redis.SetLogger(silent{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, root)
}

// silent keeps go-redis from writing to standard error what the commands say or log themselves.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Run runs a command, prints its error if there is one, and returns the exit status.
func Run(ctx context.Context, root *cobra.Command) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = version.String()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	markUsage(root)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var (
		usage *UsageError
		set   *settings.Error
		help  string
	)
	isUsage := errors.As(err, &usage)
	if isUsage && usage.line || isCobraUsage(err) {
		help = fmt.Sprintf(" (%s --help says more)", cmd.CommandPath())
	}
	text := Explain(err).Error()
	if isCobraUsage(err) {
		text = strings.Join(strings.Fields(text), " ") // cobra's suggestions come on lines of their own
	}
	fmt.Fprintf(root.ErrOrStderr(), "%s: %s%s\n", root.Name(), PlainText(text), help)
	if isUsage || errors.As(err, &set) || isCobraUsage(err) || errors.Is(err, redisurl.ErrURL) {
		return exitUsage
	}
	return exitRunning
}

// markUsage makes errors in flags and arguments usage errors.
func markUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &UsageError{Err: err, line: true} })
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &UsageError{Err: fmt.Errorf("%s: %w", strings.TrimSuffix(c.UseLine(), " [flags]"), err), line: true}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

// isCobraUsage tells the errors that cobra makes by itself, which have no type.
func isCobraUsage(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "unknown command") || strings.HasPrefix(text, "required flag")
}

// Group is the RunE of a command that only has subcommands.
func Group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &UsageError{Err: fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()), line: true}
	}
	return cmd.Help()
}

// Redis opens the Redis of the environment or .env file; the caller closes it.
func Redis(ctx context.Context) (redis.UniversalClient, error) {
	address, err := settings.RedisURL(os.Getenv, ".env")
	if err != nil {
		return nil, err
	}
	return redisurl.Open(ctx, address)
}

// JSON writes one indented JSON value.
func JSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
