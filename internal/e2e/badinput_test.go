package e2e

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// refused runs a command that must fail with this status and a last line that says all of these.
func (w *world) refused(code int, says []string, name string, args ...string) {
	w.t.Helper()
	r := w.run(name, args...)
	if r.code != code || r.out != "" {
		w.t.Errorf("%s %v: status %d, want %d; standard output %q", name, args, r.code, code, r.out)
	}
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	last := lines[len(lines)-1]
	for _, want := range says {
		if !strings.Contains(last, want) {
			w.t.Errorf("%s %v: the last line does not say %q:\n%s", name, args, want, r.err)
		}
	}
	for _, line := range lines[:len(lines)-1] {
		// A worker's log comes before; nothing else does.
		if name != "worker" || !strings.HasPrefix(line, "{") {
			w.t.Errorf("%s %v: more than one line:\n%s", name, args, r.err)
		}
	}
	if strings.Contains(r.err, clientSecret) || strings.Contains(r.err, alice.jwt) {
		w.t.Errorf("%s %v says a secret:\n%s", name, args, r.err)
	}
}

func TestWorkerWithoutCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ringouttest.Config{
		ClientID: clientID, ClientSecret: "another", Extensions: []ringouttest.Extension{{JWT: alice.jwt}},
	})
	config := w.agents(alice)
	w.refused(2, []string{"line alice", "credentials", "RC_APP_CLIENT_ID", "RC_APP_CLIENT_SECRET", "jwt_env"}, "worker", "--config", config)
	if n := len(w.sim.Truth().Dials); n != 0 {
		t.Errorf("%d dials", n)
	}
	delete(w.vars, "RC_APP_CLIENT_SECRET")
	w.refused(2, []string{"RC_APP_CLIENT_SECRET is not set"}, "worker", "--config", config)
	w.vars["RC_APP_CLIENT_SECRET"] = clientSecret
	delete(w.vars, "JWT_ALICE")
	w.refused(2, []string{"JWT_ALICE is not set", "line alice"}, "worker", "--config", config)
	w.refused(2, []string{"missing.yaml", "no such file"}, "worker", "--config", "missing.yaml")
}

func TestWorkerWithWrongJWT(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ringouttest.Config{Extensions: []ringouttest.Extension{{JWT: "somebody else's"}}})
	config := w.agents(alice)
	w.refused(2, []string{"line alice", "credentials", "JWT"}, "worker", "--config", config)
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpToken, Effect: ringouttest.AnswerStatus, Status: 401})
	w.refused(2, []string{"line alice", "credentials"}, "worker", "--config", config)
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ringouttest.Config{})
	config := w.agents(alice)
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port on which nothing listens once this is closed
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.vars["RC_SERVER_URL"] = "http://" + nobody
	waiting := w.start("worker", "--config", config) // it starts, holds its line, says so, and tries again
	w.eventually("the line says why it waits", func() bool {
		lines, err := line.List(t.Context(), w.rdb)
		return err == nil && len(lines) == 1 && strings.Contains(lines[0].Note, "line alice: RingCentral at http://"+nobody) &&
			strings.Contains(lines[0].Note, "RC_SERVER_URL")
	})
	if !strings.Contains(waiting.err.String(), "RingCentral does not let this line log in") {
		t.Error("the log does not say that the line cannot log in")
	}
	waiting.signal(terminate)
	if code := waiting.ends(15 * time.Second); code != 0 {
		t.Errorf("the worker ended with status %d", code)
	}
	w.vars["RC_SERVER_URL"] = "http://example.com"
	w.refused(2, []string{"RC_SERVER_URL", "https://"}, "worker", "--config", config)
	w.vars["RC_SERVER_URL"] = w.url

	w.list("people.csv", numbers(1)...)
	campaign := w.campaign("u")
	w.vars["REDIS_URL"] = "redis://" + nobody + "/0"
	for _, args := range [][]string{
		{"worker", "--config", config},
		{"campaign", "list"},
		{"campaign", "status", "u"},
		{"campaign", "watch", "u"},
		{"enqueue", "csv", "people.csv", "--campaign", campaign},
		{"enqueue", "dnc", "list"},
	} {
		w.refused(1, []string{nobody, "does not answer", "is it running, and is REDIS_URL right?"}, args[0], args[1:]...)
	}
	w.vars["REDIS_URL"] = "http://" + w.redis.Addr()
	w.refused(2, []string{"REDIS_URL", "redis://"}, "worker", "--config", config)
	w.vars["REDIS_URL"] = w.redis.URL()
	for _, key := range w.keys() { // the worker had its line and a slot for its login; nobody imported anything
		if strings.Contains(key, ":campaign") || strings.Contains(key, ":contact") || strings.HasPrefix(key, "asynq:{u") {
			t.Errorf("stored %s", key)
		}
	}
}

// TestRedisAwayLater takes Redis away from a worker during a call.
func TestRedisAwayLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, talking(5*time.Second), "--appendonly", "yes", "--appendfsync", "always")
	people := numbers(1)
	w.list("people.csv", people...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("r"))
	worker := w.worker(alice)
	w.eventually("a conversation goes on", func() bool { return talkers(w) == 1 })
	w.redis.Kill()
	w.eventually("the worker says so", func() bool { return strings.Contains(worker.err.String(), "Redis does not answer") })
	w.redis.Restart()
	if s := w.done("r"); s.Outcomes["answered"] != 1 {
		t.Errorf("status: %+v", s)
	}
	onceEach(t, w, people)
	worker.signal(terminate)
	if code := worker.ends(15 * time.Second); code != 0 {
		t.Errorf("the worker ended with status %d", code)
	}
}
