package ringouttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	agent  = "+16505550001"
	people = "+14155550130" // answered, with 23 s of talk by its third last digit
	user   = "/restapi/v1.0/account/~/extension/~"
)

// stepped is a clock that a test moves.
type stepped struct {
	mu  sync.Mutex
	now time.Time
}

func newStepped() *stepped { return &stepped{now: time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)} }

func (c *stepped) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepped) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// reply is what a request was answered with.
type answered struct {
	status int
	header http.Header
	body   string
}

// get reads a value of the JSON body by its path, "status.callStatus"; numbers in the path index lists.
func (a answered) get(t testing.TB, path string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("no JSON in %q: %v", a.body, err)
	}
	for key := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(at) {
				return ""
			}
			v = at[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// legs is the three statuses, "InProgress/Success/InProgress".
func (a answered) legs(t testing.TB) string {
	t.Helper()
	if a.status != http.StatusOK {
		return fmt.Sprintf("%d %s", a.status, a.get(t, "errorCode"))
	}
	return a.get(t, "status.callStatus") + "/" + a.get(t, "status.callerStatus") + "/" + a.get(t, "status.calleeStatus")
}

// caller is a simple client.
type caller struct {
	t     testing.TB
	http  *http.Client
	token string
}

// login starts a session in memory.
func login(t testing.TB, s *Simulator, jwt string) *caller {
	t.Helper()
	c := &caller{t: t, http: &http.Client{Transport: s.Transport()}}
	a := c.form("/restapi/oauth/token", url.Values{"grant_type": {grantJWT}, "assertion": {jwt}})
	if a.status != http.StatusOK {
		t.Fatalf("login: %d %s", a.status, a.body)
	}
	c.token = a.get(t, "access_token")
	return c
}

// try sends a request.
func (c *caller) try(method, path, kind, body string) (answered, error) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://rc.example"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if strings.HasPrefix(path, "/restapi/oauth/") {
		r.SetBasicAuth("app", "secret")
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := c.http.Do(r)
	if err != nil {
		return answered{}, err
	}
	src, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		c.t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(src)}, nil
}

func (c *caller) send(method, path, kind, body string) answered {
	c.t.Helper()
	a, err := c.try(method, path, kind, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (c *caller) form(path string, form url.Values) answered {
	c.t.Helper()
	return c.send("POST", path, "application/x-www-form-urlencoded", form.Encode())
}

func (c *caller) get(path string) answered {
	c.t.Helper()
	return c.send("GET", user+path, "", "")
}

// post places a call from agent.
func (c *caller) post(to string) answered {
	c.t.Helper()
	return c.send("POST", user+"/ring-out", "application/json", fmt.Sprintf(
		`{"from":{"phoneNumber":%q},"to":{"phoneNumber":%q},"playPrompt":false}`, agent, to))
}

// place places a call that must be taken, and returns its id.
func (c *caller) place(to string) string {
	c.t.Helper()
	a := c.post(to)
	if a.status != http.StatusOK {
		c.t.Fatalf("place: %d %s", a.status, a.body)
	}
	return a.get(c.t, "id")
}

func (c *caller) status(id string) answered {
	c.t.Helper()
	return c.get("/ring-out/" + url.PathEscape(id))
}

func (c *caller) cancel(id string) answered {
	c.t.Helper()
	return c.send("DELETE", user+"/ring-out/"+url.PathEscape(id), "", "")
}

// unlimited is a quota that never gets in a test's way.
func unlimited() map[string]Limit {
	return map[string]Limit{Light: {N: -1}, Medium: {N: -1}, Heavy: {N: -1}, Auth: {N: -1}}
}

// want compares.
func want[T comparable](t testing.TB, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: got %v, want %v", what, got, expected)
	}
}
