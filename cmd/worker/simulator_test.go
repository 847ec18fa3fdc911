package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

func run(ctx context.Context, args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	code := cli.Run(ctx, root)
	return code, out.String(), errs.String()
}

func TestServeSimulator(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	wait, url, err := serveSimulator(ctx, "127.0.0.1:0", ringouttest.New(ringouttest.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/simulator/endings", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("status %d, %v", res.StatusCode, err)
	}
	// Its port is taken now.
	if code, out, says := run(t.Context(), "simulator", "--addr", strings.TrimPrefix(url, "http://")); code != 1 || out != "" || !strings.Contains(says, "address already in use") {
		t.Errorf("a second one on the port: status %d: %q %s", code, out, says)
	}
	stop()
	if err := wait(); err != nil {
		t.Error(err)
	}
}

func TestSimulatorRefuses(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"--addr 0.0.0.0:9009":     "only listens on loopback",
		"--addr nonsense":         "host:port",
		"--scale 0":               "a number above 0",
		"--scale fast":            "--help says more",
		"--addr localhost:1 more": "unknown command",
	} {
		code, out, says := run(t.Context(), append([]string{"simulator"}, strings.Fields(flags)...)...)
		if code != 2 || out != "" || !strings.Contains(says, want) || strings.Count(says, "\n") != 1 {
			t.Errorf("%s: status %d: %q %s", flags, code, out, says)
		}
	}
}
