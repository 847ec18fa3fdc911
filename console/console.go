// Package console is the worker's HTTP server: Asynq's web monitor, to look at only, and whether the process is alive.
package console

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// DefaultAddr is where the console listens unless told otherwise.
const DefaultAddr = "127.0.0.1:8080"

// monitorPath is where Asynq's monitor is. A console has no users yet, so the monitor may change nothing.
const monitorPath = "/monitor"

// shared lets asynqmon use a client that is there already.
type shared struct{ redis.UniversalClient }

func (s shared) MakeRedisClient() any { return s.UniversalClient }

var _ asynq.RedisConnOpt = shared{}

// CheckAddr refuses addresses beyond loopback: the console has no login.
func CheckAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--http %q: it takes host:port, or off", addr)
	}
	if !loopback(host) {
		return fmt.Errorf("--http %q: the console has no login, so it listens on this machine only: 127.0.0.1:PORT", addr)
	}
	return nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// NewServer returns the console's server, with its time limits, to serve on a listener of a checked address. The client
// stays the caller's to close.
func NewServer(rdb redis.UniversalClient) *http.Server {
	monitor := asynqmon.New(asynqmon.Options{
		RootPath: monitorPath, RedisConnOpt: shared{rdb}, ReadOnly: true,
	})
	mux := http.NewServeMux()
	mux.Handle(monitorPath+"/", monitor)
	mux.Handle("GET /{$}", http.RedirectHandler(monitorPath+"/", http.StatusSeeOther))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // whoever asked has gone if this fails
	})
	return &http.Server{
		Handler: onlyLocal(mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// onlyLocal refuses requests for another host name: a web page elsewhere could have its own name resolve to this machine and
// read the console through the browser.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !loopback(strings.Trim(host, "[]")) {
			http.Error(w, "the console answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
