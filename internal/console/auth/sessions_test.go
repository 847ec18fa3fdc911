package auth

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/crypto/bcrypt"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func newClient(t *testing.T, o *redis.Options) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// stream opens the stream of events and returns a channel that is closed when it ends.
func (h *site) stream(c *http.Client) <-chan struct{} {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.URL+"/events", http.NoBody)
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil || resp.StatusCode != 200 {
		h.t.Fatalf("stream: %v, %v", resp, err)
	}
	lines := bufio.NewReader(resp.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = resp.Body.Close() }()
		for {
			if _, err := lines.ReadString('\n'); err != nil {
				return
			}
		}
	}()
	return ended
}

func ends(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Errorf("%s goes on", what)
	}
}

// TestTwoWorkers has a session hold for both, outlast a restart, and end everywhere.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	cfg := local8080(t)
	one, two := buildOn(t, rdb, cfg), buildOn(t, rdb, cfg)
	olga, another := one.as("olga"), one.as("olga")
	for range 3 {
		for _, h := range []*site{one, two} {
			if a := h.ask(olga, "GET", "/", ""); a.body != "inside / as olga" {
				t.Fatalf("%d %q", a.status, a.body)
			}
		}
	}
	two.Close()
	two = buildOn(t, rdb, cfg) // restarted
	here, there, others := one.stream(olga), two.stream(olga), two.stream(another)
	if a := one.ask(olga, "POST", "/logout", ""); a.status != 303 {
		t.Fatalf("logout: %d", a.status)
	}
	ends(t, "the stream of the worker that was asked", here)
	ends(t, "the stream of the other worker", there)
	if a := two.ask(olga, "GET", "/", ""); a.status != 303 {
		t.Errorf("after the logout: %d", a.status)
	}
	select {
	case <-others:
		t.Error("another session was ended too")
	default:
	}
	// A changed password ends the sessions that were begun with the old one.
	hash, err := bcrypt.GenerateFromPassword([]byte("another password"), leastCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Accounts, err = ParseUsers("olga:operator:" + string(hash))
	if err != nil {
		t.Fatal(err)
	}
	if a := buildOn(t, rdb, cfg).ask(another, "GET", "/", ""); a.status != 303 {
		t.Errorf("after the password was changed: %d", a.status)
	}
}

// TestSessionsInRedis: what is in Redis lets nobody in, and ends.
func TestSessionsInRedis(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	h := buildOn(t, rdb, local8080(t))
	olga := h.as("olga")
	ctx := t.Context()
	keys, err := rdb.Keys(ctx, "ringqueue:{console}:session:*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	if a := h.ask(h.browser(), "GET", "/", "", "Cookie", h.way.cookie+"="+strings.TrimPrefix(keys[0], "ringqueue:{console}:session:")); a.status != 303 {
		t.Errorf("the key of Redis lets in: %d", a.status)
	}
	if ttl := rdb.PTTL(ctx, keys[0]).Val(); ttl > sessionIdle || ttl < sessionIdle-time.Minute {
		t.Errorf("it ends unused after %s", ttl)
	}
	rdb.PExpire(ctx, keys[0], time.Hour)
	h.ask(olga, "GET", "/", "")
	if ttl := rdb.PTTL(ctx, keys[0]).Val(); ttl < sessionIdle-time.Minute {
		t.Errorf("after it was used, it ends after %s", ttl)
	}
	// Close to its end, use does not prolong it; after it, it is gone.
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	rdb.HSet(ctx, keys[0], "began", now.Add(time.Hour-sessionLife).UnixMilli())
	rdb.PExpire(ctx, keys[0], time.Minute)
	if a := h.ask(olga, "GET", "/", ""); a.status != 200 {
		t.Errorf("before its end: %d", a.status)
	}
	if ttl := rdb.PTTL(ctx, keys[0]).Val(); ttl > time.Hour {
		t.Errorf("it would outlive its end: %s", ttl)
	}
	stream := h.stream(olga)
	rdb.HSet(ctx, keys[0], "began", now.Add(-sessionLife).UnixMilli())
	if a := h.ask(olga, "GET", "/", ""); a.status != 303 || rdb.Exists(ctx, keys[0]).Val() != 0 {
		t.Errorf("after its end: %d", a.status)
	}
	ends(t, "the stream of a session that is over", stream)
	h.way.sessions.mu.Lock()
	defer h.way.sessions.mu.Unlock()
	if len(h.way.sessions.open) > 1 { // the stream's handler may be about to return
		t.Errorf("%d sessions are still watched", len(h.way.sessions.open))
	}
}

// TestTwoDeployments on one host do not log each other out: browsers' cookies know no ports.
func TestTwoDeployments(t *testing.T) {
	t.Parallel()
	one, two := build(t, local8080(t)), build(t, local8080(t))
	c := one.browser()
	for _, h := range []*site{one, two} {
		if a := h.login(c, "olga", password, "/"); a.status != 303 {
			t.Fatalf("login: %d", a.status)
		}
	}
	for _, h := range []*site{one, two} {
		if a := h.ask(c, "GET", "/", ""); a.status != 200 {
			t.Errorf("%d", a.status)
		}
	}
	one.ask(c, "POST", "/logout", "")
	if a := two.ask(c, "GET", "/", ""); a.status != 200 {
		t.Errorf("after a logout at the other: %d", a.status)
	}
}

// TestARequestDoesNotBringASessionBack that was ended while it ran.
func TestARequestDoesNotBringASessionBack(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m, err := New(ctx, local8080(t), rdb)
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.sessions.begin(ctx, m.Accounts[0])
	if err != nil {
		t.Fatal(err)
	}
	during, done := m.sessions.during(ctx, id)
	defer done()
	if err := m.sessions.end(ctx, id); err != nil {
		t.Fatal(err)
	}
	if during.Err() == nil {
		t.Error("the request goes on")
	}
	if name, _, err := m.sessions.user(ctx, id); name != "" || err != nil || rdb.DBSize(ctx).Val() != 1 {
		t.Errorf("it is back: %q, %v", name, err)
	}
}
