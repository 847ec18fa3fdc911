package worker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// running is a worker for lines of these names, whose extensions log in with the names.
type running struct {
	t     *testing.T
	w     *Worker
	log   testlog.Buffer
	ended chan error
	stop  func()
}

func start(t *testing.T, rdb redis.UniversalClient, url string, names ...string) *running {
	t.Helper()
	r := &running{t: t, ended: make(chan error, 1)}
	set := settings.Worker{Credentials: settings.Credentials{Server: url, ClientID: "id", ClientSecret: "secret"}}
	for i, n := range names {
		set.Lines = append(set.Lines, settings.Line{Name: n, Number: "+1650555010" + string(rune('1'+i)), Team: "default", JWT: settings.Secret(n)})
	}
	w, err := New(rdb, set, zerolog.New(&r.log), 60)
	if err != nil {
		t.Fatal(err)
	}
	r.w = w
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r.ended <- w.Run(ctx)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-gone
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) until(what string, met func() bool) {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); !met(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			_, said := r.w.Ready(r.t.Context())
			r.t.Fatalf("never came: %s; ready: %s; log:\n%s", what, said, r.log.String())
		}
	}
}

// TestOneWrongLogin: the worker starts without the line, says why, and takes it once RingCentral lets it in.
func TestOneWrongLogin(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		oneWrongLogin(t, ringouttest.Fault{Status: 400, Code: "invalid_grant"}, false) // asked again a minute later
	})
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		oneWrongLogin(t, ringouttest.Fault{Status: 503}, true)
	})
}

func oneWrongLogin(t *testing.T, fault ringouttest.Fault, recovers bool) {
	t.Helper()
	sim, url := ringouttest.Start(t, ringouttest.Config{Scale: 60, Extensions: []ringouttest.Extension{{ID: "1", JWT: "alice"}, {ID: "2", JWT: "bob"}}})
	fault.Operation, fault.Extension, fault.Times, fault.Effect = ringouttest.OpToken, "2", -1, ringouttest.AnswerStatus
	sim.Inject(fault)
	rdb := redistest.Start(t).Client(t)
	r := start(t, rdb, url, "alice", "bob")
	r.until("the line's note", func() bool {
		lines, err := line.List(t.Context(), rdb)
		return err == nil && len(lines) == 2 && lines[0].Note == "" && strings.Contains(lines[1].Note, "line bob: RingCentral")
	})
	r.until("it is ready and says what is held", func() bool {
		ready, said := r.w.Ready(t.Context())
		return ready && strings.HasPrefix(said, "ok; line bob: RingCentral")
	})
	if held := r.w.heldLines(); len(held) != 1 || held[0].Line != "bob" || held[0].Reason != "login" {
		t.Errorf("held: %v", held)
	}
	if !strings.Contains(r.log.String(), "it is held, the others dial") {
		t.Error("the log does not say so")
	}
	if !recovers {
		return
	}
	sim.ClearFaults()
	r.until("all is well", func() bool { _, said := r.w.Ready(t.Context()); return said == "ok" })
	r.until("the note is gone", func() bool {
		lines, err := line.List(t.Context(), rdb)
		return err == nil && lines[1].Note == ""
	})
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// TestAllLoginsWrong: then there is nothing to wait for.
func TestAllLoginsWrong(t *testing.T) {
	t.Parallel()
	_, url := ringouttest.Start(t, ringouttest.Config{Scale: 60, Extensions: []ringouttest.Extension{{ID: "1", JWT: "carol"}}})
	r := start(t, redistest.Start(t).Client(t), url, "alice", "bob")
	err := <-r.ended
	var usage *cli.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "line alice: RingCentral does not accept the credentials") {
		t.Errorf("got %v", err)
	}
}

func TestReadyIsTrue(t *testing.T) {
	t.Parallel()
	_, url := ringouttest.Start(t, ringouttest.Config{Scale: 60})
	s := redistest.Start(t)
	rdb := s.Client(t)
	r := start(t, rdb, url, "alice")
	says := func(want bool, text string) func() bool {
		return func() bool {
			ready, said := r.w.Ready(t.Context())
			return ready == want && strings.Contains(said, text)
		}
	}
	config := func(name, value string) {
		t.Helper()
		if err := rdb.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.until("ready", says(true, "ok"))
	config("maxmemory", "1")
	r.until("full", says(false, "out of memory"))
	config("maxmemory", "0")
	r.until("ready again", says(true, "ok"))
	if err := rdb.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	r.until("read-only", says(false, "replica"))
	if err := rdb.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	r.until("ready after that", says(true, "ok"))
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "default", "-eval", "-evalsha").Err(); err != nil {
		t.Fatal(err)
	}
	r.until("scripts are refused", says(false, "refuses ringqueue's scripts"))
	if err := rdb.Do(t.Context(), "ACL", "SETUSER", "default", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	r.until("ready at last", says(true, "ok"))
	s.Pause()
	began := time.Now()
	if ready, said := r.w.Ready(t.Context()); ready || said != "Redis does not answer" {
		t.Errorf("a Redis that hangs: %v, %s", ready, said)
	}
	if d := time.Since(began); d > 2*readyWithin {
		t.Errorf("it took %s to say that", d)
	}
	s.Continue()
}

// TestScriptsRefused: a Redis that runs no scripts is named, and the worker ends.
func TestScriptsRefused(t *testing.T) {
	t.Parallel()
	_, url := ringouttest.Start(t, ringouttest.Config{Scale: 60})
	m := miniredis.RunT(t)
	m.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		if strings.HasPrefix(strings.ToUpper(cmd), "EVAL") {
			c.WriteError("ERR script tried accessing undeclared key")
			return true
		}
		return false
	})
	undeclared := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = undeclared.Close() })
	o, err := redis.ParseURL(redistest.Start(t).UserURL("-eval", "-evalsha"))
	if err != nil {
		t.Fatal(err)
	}
	forbidden := redis.NewClient(o)
	t.Cleanup(func() { _ = forbidden.Close() })
	for name, rdb := range map[string]redis.UniversalClient{"undeclared keys": undeclared, "no EVAL": forbidden} {
		if err := <-start(t, rdb, url, "alice").ended; err == nil || !strings.Contains(cli.Explain(err).Error(), "refuses ringqueue's scripts") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
