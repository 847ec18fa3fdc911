package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redisserver"
)

// bench is what the benchmarks share: a folder, the built commands, and where to say how far they are.
type bench struct {
	dir    string // temporary
	module string // the module's folder
	short  bool
	stderr io.Writer
	ending []func() error // of what the benchmark that runs has started
}

// atEnd has something done when the benchmark that runs is over, the last first.
func (b *bench) atEnd(do func() error) { b.ending = append(b.ending, do) }

func (b *bench) end() (err error) {
	for _, do := range slices.Backward(b.ending) {
		err = errors.Join(err, do())
	}
	b.ending = nil
	return err
}

// newBench makes the folder and builds the commands into it.
func newBench(ctx context.Context, short bool, stderr io.Writer) (*bench, error) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return nil, fmt.Errorf("this needs Linux's /proc: %w", err)
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOMOD: %w", err)
	}
	b := &bench{module: filepath.Dir(strings.TrimSpace(string(mod))), short: short, stderr: stderr}
	if b.dir, err = os.MkdirTemp("", "ringqueue-bench-"); err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	b.say("building the commands")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.path("bin")+string(filepath.Separator), "./cmd/...") //nolint:gosec // our own folder
	build.Dir, build.Stderr = b.module, stderr
	if err := build.Run(); err != nil {
		b.clean()
		return nil, fmt.Errorf("go build: %w", err)
	}
	return b, nil
}

func (b *bench) clean() {
	if err := os.RemoveAll(b.dir); err != nil {
		b.say("%v", err)
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// say tells on standard error how far the benchmark is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// size is full, or less for -short.
func (b *bench) size(full, short int) int {
	if b.short {
		return short
	}
	return full
}

func (b *bench) write(name, text string) (string, error) {
	path := b.path(name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

// redisServer is a Redis of a benchmark's own.
type redisServer struct {
	*redis.Client
	addr, url string
}

// redis starts a redis-server as the documentation wants it, with an append-only file, for the benchmark that runs.
func (b *bench) redis() (*redisServer, error) {
	dir, err := os.MkdirTemp(b.dir, "redis-")
	if err != nil {
		return nil, fmt.Errorf("folder of redis: %w", err)
	}
	server, err := redisserver.Start(dir, "--appendonly", "yes", "--maxmemory-policy", "noeviction")
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	b.atEnd(func() error { return errors.Join(client.Close(), server.Stop(), os.RemoveAll(dir)) })
	return &redisServer{Client: client, addr: server.Addr(), url: server.URL()}, nil
}

// Figures of Redis about itself.
const (
	usedMemory = "used_memory"              // bytes, for its data and itself
	commands   = "total_commands_processed" // those of scripts among them
	clients    = "connected_clients"
)

// figure reads one of Redis's figures about itself.
func (r *redisServer) figure(ctx context.Context, name string) (float64, error) {
	info, err := r.Info(ctx, "everything").Result()
	if err != nil {
		return 0, fmt.Errorf("info: %w", err)
	}
	_, rest, _ := strings.Cut(info, "\n"+name+":")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("info %s: %w", name, err)
	}
	return n, nil
}

// serve serves on a free port while the benchmark runs.
func (b *bench) serve(ctx context.Context, server *http.Server) (url string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	go func() { _ = server.Serve(l) }() // it always ends with ErrServerClosed
	b.atEnd(server.Close)
	return "http://" + l.Addr().String(), nil
}
