package e2e

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTerminateWhileRedisHangs stops a worker during conversations when Redis does not answer: it is gone in time, and nothing
// is lost.
func TestTerminateWhileRedisHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(15*time.Second))
	people := numbers(3)
	w.list("people.csv", people...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("h"))
	first := w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice, bob))
	w.eventually("the worker has seen two conversations", func() bool { return w.answers("h") == 2 })
	w.redis.Pause()
	first.signal(terminate)
	first.ends(10 * time.Second)
	w.redis.Continue()
	w.worker(alice, bob)
	if s := w.done("h"); s.Outcomes["answered"] != 3 {
		t.Errorf("status: %+v", s)
	}
	onceEach(t, w, people)
	w.honest()
}

// TestTheConsoleWantsALogin: what would open it to others is a wrong setting, and says so.
func TestTheConsoleWantsALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(time.Second))
	for _, tt := range []struct{ name, value, says string }{
		{"CONSOLE_HOSTS", "calls.example.com", "CONSOLE_HOSTS"},
		{"CONSOLE_PROXIES", "127.0.0.1", "CONSOLE_PROXIES"},
		{"CONSOLE_PROXIES", "proxy", "neither an address nor a network"},
		{"CONSOLE_URL", "https://calls.example.com/", "CONSOLE_URL"},
		{"CONSOLE_URL", "calls.example.com", "is no address of a page"},
		{"CONSOLE_URL", "http://localhost/monitor", "cannot begin with /monitor"},
	} {
		w.vars[tt.name] = tt.value
		p := w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice))
		if code := p.ends(patience); code != 2 || !strings.Contains(p.err.String(), tt.says) {
			t.Errorf("%s=%s: status %d, %s", tt.name, tt.value, code, p.err.String())
		}
		delete(w.vars, tt.name)
	}
	// Without any of it, this machine is let in, and who comes through a proxy is not.
	p := w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice))
	base := consoleOf(w, p)
	for header, want := range map[string]int{"X-Whatever": 200, "X-Forwarded-For": 403, "Via": 403} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, "203.0.113.66")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", header, resp.StatusCode, want)
		}
	}
}

var consoleAt = regexp.MustCompile(`"at":"(https?://[^"]+)/"`)

// consoleOf is where a worker serves its console.
func consoleOf(w *world, p *process) string {
	w.t.Helper()
	w.eventually("the console is served", func() bool { return consoleAt.MatchString(p.err.String()) })
	return consoleAt.FindStringSubmatch(p.err.String())[1]
}
