package ringout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// watched is a client whose requests are noted.
func watched(t *testing.T, sim *ringouttest.Simulator, change func(*ringout.Config)) (c *ringout.Client, seen func() []string) {
	t.Helper()
	var mu sync.Mutex
	var exchanges []string
	config := ringout.Config{
		Server: "https://platform.ringcentral.com", ClientID: "id", ClientSecret: "secret", JWT: "jwt",
		OnRequest: func(e ringout.Exchange) {
			kind := ""
			if failed, ok := errors.AsType[*ringout.Error](e.Err); ok {
				kind = " " + string(failed.Kind)
			}
			mu.Lock()
			defer mu.Unlock()
			exchanges = append(exchanges, fmt.Sprintf("%s %d%s", e.Operation, e.Status, kind))
		},
	}
	if sim != nil {
		config.Transport = sim.Transport()
	}
	if change != nil {
		change(&config)
	}
	c, err := ringout.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := exchanges
		exchanges = nil
		return out
	}
}

func TestRequestsAreCountedWhereTheyAreSent(t *testing.T) {
	t.Parallel()
	sim := ringouttest.New(ringouttest.Config{})
	c, seen := watched(t, sim, nil)
	want := func(what string, exchanges ...string) {
		t.Helper()
		if got := seen(); !slices.Equal(got, exchanges) {
			t.Errorf("%s: %q, want %q", what, got, exchanges)
		}
	}
	ctx := t.Context()
	call := ringout.Call{From: ringout.Endpoint{PhoneNumber: "+16505550001"}, To: "+14155550130"}
	_, err := c.Place(ctx, call)
	if err == nil {
		t.Fatal("placed without a login")
	}
	want("nothing was sent")
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	want("login", "login 200")
	if err := c.Login(ctx); err != nil {
		t.Fatal(err)
	}
	want("a login that is good still")
	placed, err := c.Place(ctx, call)
	if err != nil {
		t.Fatal(err)
	}
	want("place", "place 200")
	call.SendBy = time.Now().Add(-time.Second)
	_, _ = c.Place(ctx, call)
	want("too late")
	_, _ = c.Status(ctx, placed.ID)
	_ = c.Cancel(ctx, placed.ID)
	_, _ = c.Presence(ctx)
	_, _ = c.ActiveCalls(ctx)
	_, _ = c.CallLog(ctx, ringout.LogQuery{})
	want("the others", "status 200", "cancel 204", "presence 200", "active_calls 200", "call_log 200")

	sim.Inject(ringouttest.Fault{Operation: ringouttest.OpPresence, Effect: ringouttest.AnswerStatus, Status: 401})
	_, _ = c.Presence(ctx)
	want("a token that was refused", "presence 401 refused", "login 200", "presence 200")
	sim.Inject(ringouttest.Fault{Operation: ringouttest.OpStatus, Effect: ringouttest.Drop})
	_, _ = c.Status(ctx, placed.ID)
	want("no answer", "status 0 unknown")
	sim.Inject(ringouttest.Fault{Operation: ringouttest.OpToken, Effect: ringouttest.AnswerStatus, Status: 503})
	sim.RevokeTokens("")
	for range 5 {
		_, _ = c.Status(ctx, placed.ID)
	}
	want("a failed login is remembered", "status 401 refused", "login 503 unknown")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = c.Presence(ended)
	want("stopped before")
}

func TestLogout(t *testing.T) {
	t.Parallel()
	sim := ringouttest.New(ringouttest.Config{MaxSessions: 1})
	var admitted []ringout.Group
	c, seen := watched(t, sim, func(config *ringout.Config) {
		config.Admit = func(_ context.Context, g ringout.Group) error { admitted = append(admitted, g); return nil }
	})
	if err := c.Logout(t.Context()); err != nil || len(seen()) != 0 {
		t.Errorf("without a session: %v", err)
	}
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := seen(); !slices.Equal(got, []string{"login 200", "logout 200"}) || !slices.Equal(admitted, []ringout.Group{ringout.Auth, ringout.Auth}) {
		t.Errorf("sent %q, admitted %q", got, admitted)
	}
	if _, err := c.Place(t.Context(), ringout.Call{From: ringout.Endpoint{PhoneNumber: "+16505550001"}, To: "+14155550130"}); !errors.Is(err, ringout.ErrNotLoggedIn) {
		t.Errorf("Place after Logout: %v", err)
	}
	if _, err := c.Presence(t.Context()); err != nil {
		t.Errorf("Presence after Logout: %v", err)
	}
	if got := seen(); !slices.Equal(got, []string{"login 200", "presence 200"}) {
		t.Errorf("sent %q", got)
	}
}

type header func(*http.Request)

func (h header) RoundTrip(r *http.Request) (*http.Response, error) {
	h(r)
	return nil, errors.New("nobody there")
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{"": "ringqueue", "ringqueue/1.2.3": "ringqueue/1.2.3"} {
		got := ""
		c, _ := watched(t, nil, func(config *ringout.Config) {
			config.UserAgent, config.Transport = set, header(func(r *http.Request) { got = r.UserAgent() })
		})
		if err := c.Login(t.Context()); err == nil || got != want {
			t.Errorf("user agent %q: sent %q", set, got)
		}
	}
	_, err := ringout.New(ringout.Config{
		Server: "https://platform.ringcentral.com", ClientID: "id", ClientSecret: "secret", JWT: "jwt", UserAgent: "a\r\nb",
	})
	if err == nil || !strings.Contains(err.Error(), "UserAgent") {
		t.Errorf("got %v", err)
	}
}
