package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// TestNothingPersonal runs a campaign with every odd ending and looks for numbers and secrets where people look: in the
// worker's log, in Asynq's tasks, in the live view.
func TestNothingPersonal(t *testing.T) {
	t.Parallel()
	endings := map[string]string{ // which the last two digits make
		"+12122000040": "", "+12122000108": "agent_offline", "+12122000106": "agent_no_answer", "+12122000120": "agent_rejected",
		"+12122000111": "blocked_refused", "+12122000115": "invalid_number", "+12122000118": "machine_error", "+12122000101": "busy",
		"+12122000105": "unreachable", "+12122000113": "no_funds", "+12122000114": "no_such_user",
		"+12122000116": "session_lost",
	}
	const lost, broken, refused, slow = "+12122000230", "+12122000330", "+12122000430", "+12122000530"
	// Without its call log nobody can tell what became of a call whose answer was lost.
	w := newWorld(t, ringouttest.Config{Deny: []string{"ReadCallLog"}})
	// In between, what the workers are told by RingCentral and must not pass on is noted.
	var (
		mu     sync.Mutex
		tokens = map[string]bool{}
	)
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			mu.Lock()
			tokens[token] = true
			mu.Unlock()
		}
		w.sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	w.vars["RC_SERVER_URL"] = proxy.URL

	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, To: lost, Effect: ringouttest.Drop, Late: true})
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, To: broken, Effect: ringouttest.AnswerStatus, Status: 500})
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, To: refused, Effect: ringouttest.AnswerStatus, Status: 400, Code: "CMN-101"})
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPlace, To: slow, Effect: ringouttest.AnswerStatus, Status: 401})
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpStatus, Effect: ringouttest.Malformed, Skip: 5, Times: 2})
	w.sim.Inject(ringouttest.Fault{Operation: ringouttest.OpStatus, Effect: ringouttest.StatusValue, Value: "+12122000040", Skip: 9})

	var list strings.Builder
	list.WriteString("name,phone\n") // without ids, so that they are made from the numbers
	for number := range endings {
		list.WriteString("Somebody Private," + number + "\n")
	}
	for _, number := range []string{lost, broken, refused, slow} {
		list.WriteString("Somebody Private," + number + "\n")
	}
	w.file("people.csv", list.String())
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("n"))
	agents := []agent{alice, bob}
	for i, name := range []string{"carol", "dave", "erin", "fred"} {
		agents = append(agents, agent{name, fmt.Sprintf("+1650555000%d", i+3), "jwt-of-" + name + "-e2e"})
	}
	worker := w.worker(agents...)
	watch := w.start("campaign", "watch", "n")
	w.eventually("all contacts were tried or have come to an end", func() bool {
		for _, r := range w.results("n") {
			if r["outcome"] == "" && fmt.Sprint(r["attempts"]) == "0" {
				return false
			}
		}
		return w.status("n").Live <= 3 // those whose answer or end is lost may still be looked for
	})
	worker.signal(terminate)
	worker.ends(15 * time.Second)

	secrets := []string{clientID, clientSecret, "Somebody Private"}
	for _, a := range agents {
		secrets = append(secrets, a.jwt, a.number[1:])
	}
	for number := range endings {
		secrets = append(secrets, number[1:], number[2:])
	}
	for _, number := range []string{lost, broken, refused, slow} {
		secrets = append(secrets, number[1:], number[2:])
	}
	mu.Lock()
	defer mu.Unlock()
	if len(tokens) < 3 {
		t.Errorf("%d tokens seen, want one a line at least", len(tokens))
	}
	for token := range tokens {
		secrets = append(secrets, token)
	}
	places := map[string]string{"the worker's log": worker.err.String(), "the live view": watch.out.String() + watch.err.String()}
	maps.Copy(places, w.dump("asynq:*"))
	if len(places) < 10 {
		t.Errorf("only %d places to look at", len(places))
	}
	for place, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q:\n%.2000s", place, secret, text)
			}
		}
	}
	w.honest()
}

// dump reads all keys that match as text.
func (w *world) dump(pattern string) map[string]string {
	w.t.Helper()
	ctx := context.Background()
	keys, err := w.rdb.Keys(ctx, pattern).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	texts := map[string]string{}
	for _, key := range keys {
		var parts []string
		var err error
		switch kind := w.rdb.Type(ctx, key).Val(); kind {
		case "string":
			parts = []string{w.rdb.Get(ctx, key).Val()}
		case "list":
			parts, err = w.rdb.LRange(ctx, key, 0, -1).Result()
		case "set":
			parts, err = w.rdb.SMembers(ctx, key).Result()
		case "zset":
			parts, err = w.rdb.ZRange(ctx, key, 0, -1).Result()
		case "hash":
			var h map[string]string
			h, err = w.rdb.HGetAll(ctx, key).Result()
			for k, v := range h {
				parts = append(parts, k, v)
			}
		case "none": // gone in the meantime
		default:
			w.t.Errorf("key %s is a %s", key, kind)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		texts[key] = key + "\n" + strings.Join(parts, "\n")
	}
	return texts
}
