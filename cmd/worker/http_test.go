package main

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/settings"
)

func TestHTTPRefusesTheWorld(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:8080", ":8080", "example.com:80", "nonsense"} {
		var stderr bytes.Buffer
		root := newRoot()
		root.SetErr(&stderr)
		root.SetArgs([]string{"--http", addr})
		if code := cli.Run(t.Context(), root); code != 2 || !strings.Contains(stderr.String(), "--http") {
			t.Errorf("--http %s: exit status %d, %q; want 2 and a word about --http", addr, code, stderr.String())
		}
	}
}

func TestTakenAddress(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	var log bytes.Buffer
	stop, err := serveConsole(t.Context(), taken.Addr().String(), false, nil, settings.Console{}, zerolog.New(&log))
	if err != nil || !strings.Contains(log.String(), "address is taken") {
		t.Fatalf("by default: %v, log %q; want a warning", err, log.String())
	}
	stop()
	if _, err := serveConsole(t.Context(), taken.Addr().String(), true, nil, settings.Console{}, zerolog.Nop()); err == nil {
		t.Error("asked for: no error, want one")
	}
}
