// Package console is what a worker serves over HTTP: a first page for the operator and one per campaign, Asynq's web monitor,
// metrics, and whether the worker is alive and ready. Package door, which stands before it, knows who asks.
package console

import (
	"context"
	"net/http"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// DefaultAddr is where the console listens unless told otherwise.
const DefaultAddr = "127.0.0.1:8080"

// Config is what a console shows.
type Config struct {
	Redis      redis.UniversalClient                // stays the caller's to close
	Metrics    http.Handler                         // nil for none
	Ready      func(context.Context) (bool, string) // whether the worker can work, and what to say of it; nil: it can
	Prometheus string                               // address of a Prometheus, for the monitor's charts; "" for none
	Log        zerolog.Logger
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
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready, why := true, "ok"
		if cfg.Ready != nil {
			ready, why = cfg.Ready(r.Context())
		}
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(why + "\n"))
	})
	if cfg.Metrics != nil {
		mux.Handle("GET /metrics", cfg.Metrics)
	}
	pages.route(mux)
	return mux, nil
}
