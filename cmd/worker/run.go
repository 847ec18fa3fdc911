package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/internal/redisurl"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/worker"
)

func newRun(use string) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   use,
		Short: "Place the calls of all campaigns that this worker's lines serve",
		Long: "Place the calls of all campaigns that this worker's lines serve, until it is stopped. Ctrl-C or SIGTERM hands live\n" +
			"calls over to the next worker; conversations go on. Settings come from the environment and .env; more teams and\n" +
			"lines from the file given with --config.",
		Example: "  worker\n  worker --config ringqueue.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runWorker(cmd.Context(), config, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "the worker's file (YAML): teams, lines, limits")
	return cmd
}

func runWorker(ctx context.Context, config string, stderr io.Writer) (err error) {
	set, err := settings.Load(os.Getenv, ".env", config)
	if err != nil {
		return err
	}
	log := newLog(stderr)
	rdb, err := redisurl.Open(ctx, set.RedisURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	w, err := worker.New(rdb, set, log, crash.Scale())
	if err != nil {
		return err
	}
	log.Info().Str("worker", w.Name()).Int("lines", len(set.Lines)).Str("redis", redisurl.Redact(set.RedisURL)).Msg("worker starts")
	return w.Run(ctx)
}

// newLog writes for people on a terminal and JSON elsewhere.
func newLog(w io.Writer) zerolog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(w).With().Timestamp().Logger()
}
