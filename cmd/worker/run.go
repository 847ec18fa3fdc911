package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/console"
	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/internal/redisurl"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/version"
	"github.com/ringqueue/ringqueue/internal/worker"
)

func newRun(use string) *cobra.Command {
	var config, addr string
	cmd := &cobra.Command{
		Use:   use,
		Short: "Place the calls of all campaigns that this worker's lines serve",
		Long: "Place the calls of all campaigns that this worker's lines serve, until it is stopped. Ctrl-C or SIGTERM hands live\n" +
			"calls over to the next worker; conversations go on. Settings come from the environment and .env; more teams and\n" +
			"lines from the file given with --config.",
		Example: "  worker\n  worker --config ringqueue.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runWorker(cmd.Context(), config, addr, cmd.Flags().Changed("http"), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "the worker's file (YAML): teams, lines, limits")
	cmd.Flags().StringVar(&addr, "http", console.DefaultAddr, "where the console is served: campaigns, Asynq's monitor, metrics; off for none")
	return cmd
}

// consoleOff is the --http of a worker without a console.
const consoleOff = "off"

// stopWithin is how long a worker may take to end once it is told to, whatever hangs. Ten seconds are promised.
const stopWithin = 9 * time.Second

var errLeft = errors.New("something hangs, most likely Redis: not everything was handed over in time; the next worker takes over what is left " +
	"when this one's leases have lapsed, calls go on, and none is lost")

// within runs work, and returns at the latest so long after ctx has ended. What work has not done by then must be safe to leave
// undone, as it is when the process is killed.
func within(ctx context.Context, limit time.Duration, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errLeft
	}
}

func runWorker(ctx context.Context, config, addr string, insist bool, stderr io.Writer) error {
	return within(ctx, stopWithin, func() error { return work(ctx, config, addr, insist, stderr) })
}

func work(ctx context.Context, config, addr string, insist bool, stderr io.Writer) (err error) {
	con, err := settings.LoadConsole(os.Getenv, ".env")
	if err != nil {
		return err
	}
	log := newLog(stderr)
	access := auth.Config{
		Addr: addr, Accounts: con.Accounts, Hosts: con.Hosts, Proxies: con.Proxies, URL: con.URL, Token: con.Token.Reveal(), TLS: con.Cert != "", Log: log,
	}
	if addr != consoleOff {
		if err := access.Check(); err != nil {
			return cli.Usage(err)
		}
	}
	set, err := settings.Load(os.Getenv, ".env", config)
	if err != nil {
		return err
	}
	rdb, err := redisurl.Open(ctx, set.RedisURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	w, err := worker.New(rdb, set, log, crash.Scale())
	if err != nil {
		return err
	}
	if addr != consoleOff {
		asking := console.Client(rdb)
		defer func() { err = errors.Join(err, asking.Close()) }()
		server, err := newServer(ctx, asking, access, con, w, log)
		if err != nil {
			return err
		}
		stop, err := serveConsole(ctx, addr, insist, server, con, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	log.Info().Str("version", version.String()).Str("worker", w.Name()).Int("lines", len(set.Lines)).Str("redis", redisurl.Redact(set.RedisURL)).Msg("worker starts")
	return w.Run(ctx)
}

// newServer makes the console's server.
func newServer(ctx context.Context, rdb redis.UniversalClient, access auth.Config, con settings.Console, w *worker.Worker, log zerolog.Logger) (*http.Server, error) {
	entrance, err := auth.New(ctx, access, rdb)
	if err != nil {
		return nil, err
	}
	base := ""
	if con.URL != nil {
		base = con.URL.Path
	}
	inside, err := console.New(ctx, console.Config{
		Redis: rdb, Base: base, Metrics: w.Metrics.Handler(), Ready: w.Ready, Prometheus: con.Prometheus.Reveal(), Log: log,
	})
	if err != nil {
		return nil, err
	}
	return entrance.Server(inside), nil
}

// serveConsole serves the console until stop is called. Where nobody has asked for its address, an address that is taken is
// no reason not to make calls.
func serveConsole(ctx context.Context, addr string, insist bool, server *http.Server, con settings.Console, log zerolog.Logger) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil && insist {
		return nil, fmt.Errorf("--http: %w", err)
	}
	if err != nil {
		log.Warn().Err(err).Msg("no console: its address is taken; --http gives it another one")
		return func() {}, nil
	}
	scheme, serve := "http", server.Serve
	if con.Cert != "" {
		pair, err := tls.LoadX509KeyPair(con.Cert, con.Key)
		if err != nil {
			return nil, errors.Join(cli.Usage(fmt.Errorf("%s, %s: %w", settings.ConsoleCertVar, settings.ConsoleKeyVar, err)), listener.Close())
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		scheme, serve = "https", func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("the console stopped")
		}
	}()
	log.Info().Str("at", scheme+"://"+listener.Addr().String()+"/").Int("users", len(con.Accounts)).Msg("console")
	return func() {
		_ = server.Close() // it only shows
		<-stopped
	}, nil
}

// newLog writes for people on a terminal and JSON elsewhere.
func newLog(w io.Writer) zerolog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(w).With().Timestamp().Logger()
}
