package ringouttest

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestPlaceChecksItsBody(t *testing.T) {
	t.Parallel()
	sim := New(Config{Limits: unlimited(), Extensions: []Extension{
		{ID: "101", JWT: "plain"},
		{
			ID: "102", JWT: "rich", DefaultNumber: "+16505550009", Forwarding: map[string]string{"77": "+16505550077"},
			CallerIDs: []string{"+16505550100"},
		},
		{ID: "103", JWT: "denied", Deny: []string{"RingOut"}},
	}})
	const to = `"to":{"phoneNumber":"+14155550130"}`
	const from = `"from":{"phoneNumber":"+16505550001"}`
	for _, tt := range []struct{ name, jwt, body, expected, dialled string }{
		{"all fields", "plain", `{` + from + `,` + to + `,"callerId":{"phoneNumber":"+16505550100"},"playPrompt":true,"country":{"id":"1"}}`, "200", "+16505550001"},
		{"without plus", "plain", `{"from":{"phoneNumber":"16505550001"},"to":{"phoneNumber":"14155550130"}}`, "200", "+16505550001"},
		{"no to", "plain", `{` + from + `}`, "400 CMN-101 to", ""},
		{"empty to", "plain", `{` + from + `,"to":{}}`, "400 TEL-109 to", ""},
		{"bad to", "plain", `{` + from + `,"to":{"phoneNumber":"(415) 555-0130"}}`, "400 TEL-109 to", ""},
		{"short to", "plain", `{` + from + `,"to":{"phoneNumber":"+1415"}}`, "400 TEL-109 to", ""},
		{"leading zero", "plain", `{` + from + `,"to":{"phoneNumber":"04155550130"}}`, "400 TEL-109 to", ""},
		{"no from", "plain", `{` + to + `}`, "400 TEL-108 from", ""},
		{"bad from", "plain", `{"from":{"phoneNumber":"x"},` + to + `}`, "400 TEL-108 from", ""},
		{"default from", "rich", `{` + to + `}`, "200", "+16505550009"},
		{"forwarding number", "rich", `{"from":{"forwardingNumberId":"77"},` + to + `}`, "200", "+16505550077"},
		{"forwarding number's number", "rich", `{"from":{"forwardingNumberId":77},` + to + `}`, "200", "+16505550077"},
		{"unknown forwarding number", "rich", `{"from":{"forwardingNumberId":"78"},` + to + `}`, "404 CMN-102 forwardingNumberId", ""},
		{"caller id of another", "rich", `{` + from + `,` + to + `,"callerId":{"phoneNumber":"+16505550101"}}`, "403 TEL-107 callerId", ""},
		{"caller id", "rich", `{` + from + `,` + to + `,"callerId":{"phoneNumber":"+16505550100"}}`, "200", "+16505550001"},
		{"no JSON", "plain", `{`, "400 CMN-101 body", ""},
		{"no permission", "denied", `{` + from + `,` + to + `}`, "403 CMN-408", ""},
	} {
		c := login(t, sim, tt.jwt)
		before := len(sim.Truth().Dials)
		a := c.send("POST", user+"/ring-out", "application/json", tt.body)
		got := strconv.Itoa(a.status)
		if a.status != http.StatusOK {
			got = strings.TrimSpace(got + " " + a.get(t, "errors.0.errorCode") + " " + a.get(t, "errors.0.parameterName"))
		}
		want(t, tt.name, got, tt.expected)
		dials := sim.Truth().Dials
		if tt.dialled == "" {
			want(t, tt.name+": dials", len(dials), before)
			continue
		}
		want(t, tt.name+": from", dials[len(dials)-1].From, tt.dialled)
		want(t, tt.name+": to", dials[len(dials)-1].To, people)
	}
	first := sim.Truth().Dials[0]
	want(t, "caller id kept", first.CallerID, "+16505550100")
	want(t, "prompt kept", first.PlayPrompt, true)

	c := login(t, sim, "plain")
	want(t, "a form", c.send("POST", user+"/ring-out", "text/plain", "to=1").status, http.StatusUnsupportedMediaType)
	want(t, "another's path", c.send("GET", "/restapi/v1.0/account/~/extension/102/presence", "", "").status, http.StatusNotFound)
	want(t, "the own path", c.send("GET", "/restapi/v1.0/account/~/extension/101/presence", "", "").status, http.StatusOK)
}

func TestStatusOfOthers(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	a, b := login(t, sim, "a"), login(t, sim, "b")
	id := a.place(people)
	want(t, "own", a.status(id).status, http.StatusOK)
	want(t, "another's", b.status(id).legs(t), "404 CMN-102")
	want(t, "none", a.status("none").legs(t), "404 CMN-102")
	want(t, "parameter", a.status("none").get(t, "errors.0.parameterName"), "ringOutId")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		config   Config
		to       string
		after    time.Duration
		expected int
		legs     string // right after
		later    string // ten seconds later
	}{
		{"while the agent's phone rings", Config{}, people, time.Second, 204, "CannotReach/NoAnswer/InProgress", "CannotReach/NoAnswer/InProgress"},
		{"and the status goes", Config{CancelForgets: true}, people, time.Second, 204, "404 CMN-102", "404 CMN-102"},
		{"while the contact's phone rings", Config{}, people, 3 * time.Second, 204, "InProgress/Success/InProgress", "Success/Success/Success"},
		{"while they talk", Config{}, people, 10 * time.Second, 204, "Success/Success/Success", "Success/Success/Success"},
		{"refused when late", Config{LateCancelStatus: 400}, people, 10 * time.Second, 400, "Success/Success/Success", "Success/Success/Success"},
		{"after a failure", Config{}, "+14155550101", 9 * time.Second, 204, "CannotReach/Finished/Busy", "CannotReach/Finished/Busy"},
		{"long after", Config{}, "+14155550101", time.Minute, 404, "404 CMN-102", "404 CMN-102"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clock := newStepped()
			tt.config.Now, tt.config.Limits = clock.Now, unlimited()
			sim := New(tt.config)
			c := login(t, sim, "jwt")
			id := c.place(tt.to)
			clock.step(tt.after)
			want(t, "DELETE", c.cancel(id).status, tt.expected)
			want(t, "status", c.status(id).legs(t), tt.legs)
			clock.step(10 * time.Second)
			want(t, "later", c.status(id).legs(t), tt.later)
			effective := strings.Contains(tt.legs+tt.name, "NoAnswer") || tt.config.CancelForgets
			d := sim.Truth().Dials[0]
			want(t, "cancelled", !d.CancelledAt.IsZero(), effective)
			if effective {
				want(t, "contact's phone rang", !d.CalleeRangAt.IsZero(), false)
				want(t, "line free", d.LineFreeAt, d.CancelledAt)
				clock.step(20 * time.Second)
				want(t, "after retention", c.status(id).legs(t), "404 CMN-102")
			}
		})
	}
}

func TestCancelIsHeavy(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	c := login(t, sim, "jwt")
	id := c.place(people)
	want(t, "group", c.cancel(id).header.Get("X-Rate-Limit-Remaining"), "8")
	want(t, "status is light", c.status(id).header.Get("X-Rate-Limit-Group"), Light)
}

func TestIDs(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	c := login(t, sim, "jwt")
	a := c.post(people)
	if !strings.Contains(a.body, `"id":"`) {
		t.Errorf("the id is no string: %s", a.body)
	}
	sim = New(Config{NumericIDs: true})
	c = login(t, sim, "jwt")
	a = c.post(people)
	if !strings.Contains(a.body, `"id":2343434340,`) {
		t.Errorf("the id is no number: %s", a.body)
	}
	want(t, "status by number", c.status("2343434340").legs(t), "InProgress/InProgress/InProgress")
	want(t, "truth", sim.Truth().Dials[0].ID, "2343434340")
}

func TestSpelling(t *testing.T) {
	t.Parallel()
	sim := New(Config{Spelling: func(s string) string { return strings.ToLower(s[:2]) + " " + s[2:] }})
	c := login(t, sim, "jwt")
	want(t, "legs", c.post(people).legs(t), "in Progress/in Progress/in Progress")
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited(), LogKeep: time.Minute})
	c := login(t, sim, "jwt")
	for range 500 {
		c.place(people)
		clock.step(6 * time.Second)
	}
	// A call lasts 30 s here and is kept for 120 s more, so about 25 of them are there at any time.
	sim.mu.Lock()
	kept, of, leaving := len(sim.calls), len(sim.extensions[sim.dials[0].dial.Extension].calls), len(sim.leaving)
	sim.mu.Unlock()
	if kept > 2*30 || of > 30 || leaving > 30 {
		t.Errorf("%d ids, %d calls of the extension, %d waiting to be forgotten", kept, of, leaving)
	}
	want(t, "the truth", len(sim.Truth().Dials), 500)
}

func TestDateIsTheClock(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Scale: 60})
	c := login(t, sim, "jwt")
	want(t, "Date", c.get("").header.Get("Date"), "Mon, 02 Mar 2026 15:00:00 GMT")
	clock.step(2 * time.Second)
	want(t, "two seconds later", c.status("none").header.Get("Date"), "Mon, 02 Mar 2026 15:00:02 GMT")
}

func TestVersionAndExtension(t *testing.T) {
	t.Parallel()
	sim := New(Config{Extensions: []Extension{{ID: "101", JWT: "a"}}})
	c := login(t, sim, "a")
	a := c.get("")
	want(t, "id", a.get(t, "id"), "101")
	want(t, "group", a.header.Get("X-Rate-Limit-Group"), Light)
	want(t, "versions", c.send("GET", "/restapi", "", "").get(t, "apiVersions.0.uriString"), "v1.0")
	want(t, "no such path", c.send("GET", "/restapi/v1.0/nothing", "", "").status, http.StatusNotFound)
	token := c.token
	c.http.Transport = withHeader{sim.Transport(), "Authorization", "bearer " + token}
	want(t, "another case", c.get("").status, http.StatusOK)
	c.http.Transport = withHeader{sim.Transport(), "Authorization", "Basic " + token}
	want(t, "another scheme", c.get("").status, http.StatusUnauthorized)
	c.http.Transport, c.token = sim.Transport(), ""
	want(t, "no token", c.get("").status, http.StatusUnauthorized)
}

// withHeader sets a header on every request.
type withHeader struct {
	http.RoundTripper
	name, value string
}

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h.name, h.value)
	return h.RoundTripper.RoundTrip(r)
}
