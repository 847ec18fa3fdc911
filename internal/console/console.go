// Package console is what a worker serves over HTTP: a first page for the operator and one per campaign, Asynq's web monitor,
// metrics, and whether the worker is alive and ready. Package auth, which stands before it, knows who asks.
package console

import (
	"context"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// DefaultAddr is where the console listens unless told otherwise.
const DefaultAddr = "127.0.0.1:8080"

// Config is what a console shows.
type Config struct {
	Redis      redis.UniversalClient                // as Client makes it; stays the caller's to close
	Base       string                               // the path under which people reach it, such as /ringqueue; "" for the root
	Metrics    http.Handler                         // nil for none
	Ready      func(context.Context) (bool, string) // whether the worker can work, and what to say of it; nil: it can
	Prometheus string                               // address of a Prometheus, for the monitor's charts; "" for none
	Log        zerolog.Logger
}

// How long whoever asks for readiness waits at most: Kubernetes asks for three seconds, and two are promised.
const readyPatience = 1500 * time.Millisecond

type readiness struct {
	ready bool
	why   string
}

// New returns a console. Its pages end with ctx.
func New(ctx context.Context, cfg Config) (http.Handler, error) {
	pages, err := newPages(ctx, cfg)
	if err != nil {
		return nil, err
	}
	monitor := newMonitor(cfg)
	mux := http.NewServeMux()
	mux.Handle(monitorPath+"/", monitor)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // whoever asked has gone if this fails
	})
	ready := &reading[readiness]{log: cfg.Log, patience: readyPatience, limit: 2 * readyPatience, read: func(ctx context.Context) (readiness, time.Duration, error) {
		if cfg.Ready == nil {
			return readiness{true, "ok"}, time.Second, nil
		}
		ok, why := cfg.Ready(ctx)
		return readiness{ok, why}, time.Second / 2, nil
	}}
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		state, err := ready.get(r.Context())
		if err != nil {
			state = readiness{false, "it cannot be said within " + readyPatience.String() + ": Redis does not answer"}
		}
		if !state.ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(state.why + "\n"))
	})
	if cfg.Metrics != nil {
		mux.Handle("GET /metrics", cfg.Metrics)
	}
	pages.route(mux)
	return mux, nil
}
