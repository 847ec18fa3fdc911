package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	url  string
	stop func() error
}

// redis starts a redis-server as the documentation wants it, with an append-only file.
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
	return &redisServer{Client: client, url: server.URL(), stop: func() error {
		return errors.Join(client.Close(), server.Stop(), os.RemoveAll(dir))
	}}, nil
}

// usedMemory is what Redis uses for its data and itself.
func (r *redisServer) usedMemory(ctx context.Context) (int64, error) {
	memory, err := r.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("info memory: %w", err)
	}
	var n int64
	if _, err := fmt.Sscan(memory["Memory"]["used_memory"], &n); err != nil {
		return 0, fmt.Errorf("read used_memory: %w", err)
	}
	return n, nil
}
