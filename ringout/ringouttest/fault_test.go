package ringouttest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatusFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault Fault
		code  string
		dials int
	}{
		{"401", Fault{Status: 401}, "OAU-213", 0},
		{"403", Fault{Status: 403}, "CMN-408", 0},
		{"403 with a code", Fault{Status: 403, Code: "BIL-103"}, "BIL-103", 0},
		{"500 before", Fault{Status: 500}, "CMN-201", 0},
		{"502 after", Fault{Status: 502, Late: true}, "CMN-201", 1},
		{"503 before", Fault{Status: 503}, "CMN-201", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sim := New(Config{})
			c := login(t, sim, "jwt")
			tt.fault.Operation, tt.fault.Effect = OpPlace, AnswerStatus
			sim.Inject(tt.fault)
			a := c.post(people)
			want(t, "status", a.status, tt.fault.Status)
			want(t, "code", a.get(t, "errors.0.errorCode"), tt.code)
			want(t, "Retry-After", a.header.Get("Retry-After"), "")
			want(t, "remaining", a.header.Get("X-Rate-Limit-Remaining"), "9")
			want(t, "dials", len(sim.Truth().Dials), tt.dials)
			want(t, "only once", c.post(people).status, http.StatusOK)
		})
	}
}

func TestInjectedLimitIsAPenalty(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now})
	c := login(t, sim, "jwt")
	sim.Inject(Fault{Operation: OpPlace, Effect: AnswerStatus, Status: 429, RetryAfter: 20 * time.Second})
	want(t, "Retry-After", c.post(people).header.Get("Retry-After"), "20")
	clock.step(19 * time.Second)
	want(t, "inside", c.post(people).status, http.StatusTooManyRequests)
	clock.step(20 * time.Second)
	want(t, "after", c.post(people).status, http.StatusOK)

	sim.Inject(Fault{Operation: OpPlace, Effect: AnswerStatus, Status: 429, OmitRetryAfter: true})
	a := c.post(people)
	want(t, "without Retry-After", a.header.Get("Retry-After"), "")
	want(t, "status", a.status, http.StatusTooManyRequests)
	truth := sim.Truth()
	want(t, "the client's own fault", len(truth.OverQuota), 0)
	want(t, "in penalty", len(truth.InPenalty), 1)
	want(t, "dials", len(truth.Dials), 1)
}

func TestTokenFaults(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	c := &caller{t: t, http: &http.Client{Transport: sim.Transport()}}
	sim.Inject(Fault{Operation: OpToken, Effect: AnswerStatus, Status: 503, RetryAfter: 7 * time.Second})
	a := c.jwt("jwt", nil)
	want(t, "status", a.status, 503)
	want(t, "Retry-After", a.header.Get("Retry-After"), "7")
	want(t, "error", a.get(t, "error"), "temporarily_unavailable")
	sim.Inject(Fault{Operation: OpToken, Effect: AnswerStatus, Status: 400, Code: "OAU-210"})
	a = c.jwt("jwt", nil)
	want(t, "error", a.get(t, "error"), "invalid_grant")
	want(t, "code", a.get(t, "errors.0.errorCode"), "OAU-210")
	want(t, "logins", len(sim.Truth().Logins), 0)
}

func TestFaultsSpoilAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault Fault
		check func(*testing.T, answered)
	}{
		{"malformed", Fault{Effect: Malformed}, func(t *testing.T, a answered) {
			want(t, "status", a.status, http.StatusOK)
			want(t, "valid", json.Valid([]byte(a.body)), false)
		}},
		{"wrong type", Fault{Effect: WrongType}, func(t *testing.T, a answered) {
			want(t, "type", a.header.Get("Content-Type"), "text/html; charset=utf-8")
			want(t, "page", strings.HasPrefix(a.body, "<!DOCTYPE html>"), true)
		}},
		{"value", Fault{Effect: StatusValue, Value: "Dreaming", Leg: "callee"}, func(t *testing.T, a answered) {
			want(t, "legs", a.legs(t), "InProgress/InProgress/Dreaming")
		}},
		{"all values", Fault{Effect: StatusValue, Value: "in progress"}, func(t *testing.T, a answered) {
			want(t, "legs", a.legs(t), "in progress/in progress/in progress")
		}},
		{"numeric id", Fault{Effect: NumericID}, func(t *testing.T, a answered) {
			want(t, "id", strings.Contains(a.body, `"id":2343434340,`), true)
		}},
		{"redirect late", Fault{Effect: Redirect, Late: true}, func(t *testing.T, a answered) {
			want(t, "status", a.status, http.StatusTemporaryRedirect)
			want(t, "location", a.header.Get("Location"), "http://rc.example"+user+"/ring-out")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sim := New(Config{})
			c := login(t, sim, "jwt")
			tt.fault.Operation = OpPlace
			sim.Inject(tt.fault)
			tt.check(t, c.post(people))
			want(t, "dials", len(sim.Truth().Dials), 1)
		})
	}
}

func TestRedirectBefore(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	c := login(t, sim, "jwt")
	sim.Inject(Fault{Operation: OpPlace, Effect: Redirect, Status: 308, Value: "https://elsewhere.example/"})
	a := c.post(people)
	want(t, "status", a.status, http.StatusPermanentRedirect)
	want(t, "location", a.header.Get("Location"), "https://elsewhere.example/")
	want(t, "dials", len(sim.Truth().Dials), 0)
}

func TestDroppedConnections(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		sim, server := Start(t, Config{})
		memory := login(t, sim, "jwt")
		wired := &caller{t: t, http: &http.Client{Transport: through{server}}, token: memory.token}
		for _, c := range []*caller{memory, wired} {
			before := len(sim.Truth().Dials)
			sim.Inject(Fault{Operation: OpPlace, To: people, Effect: Drop, Late: late})
			_, err := c.try("POST", user+"/ring-out", "application/json", `{"from":{"phoneNumber":"`+agent+`"},"to":{"phoneNumber":"`+people+`"}}`)
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error: %v", err)
			}
			want(t, "placed", len(sim.Truth().Dials)-before == 1, late)
		}
	}
}

// through sends requests to a real server.
type through struct{ server string }

func (h through) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = strings.TrimPrefix(h.server, "http://")
	r.Host = r.URL.Host
	return http.DefaultTransport.RoundTrip(r)
}

func TestHangAndDelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault Fault
		took  time.Duration
		fails bool
		dials int
	}{
		{"hang before", Fault{Effect: Hang}, 10 * time.Second, true, 0},
		{"hang after", Fault{Effect: Hang, Late: true}, 10 * time.Second, true, 1},
		{"delay before", Fault{Effect: Delay, Delay: 3 * time.Second}, 3 * time.Second, false, 1},
		{"long delay before", Fault{Effect: Delay, Delay: 30 * time.Second}, 10 * time.Second, true, 0},
		{"long delay after", Fault{Effect: Delay, Delay: 30 * time.Second, Late: true}, 10 * time.Second, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sim := New(Config{Scale: 60}) // not the delay's
				c := login(t, sim, "jwt")
				c.http.Timeout = 10 * time.Second
				tt.fault.Operation = OpPlace
				sim.Inject(tt.fault)
				start := time.Now()
				_, err := c.try("POST", user+"/ring-out", "application/json", `{"from":{"phoneNumber":"`+agent+`"},"to":{"phoneNumber":"`+people+`"}}`)
				want(t, "took", time.Since(start), tt.took)
				want(t, "fails", err != nil, tt.fails)
				want(t, "deadline", errors.Is(err, context.DeadlineExceeded), tt.fails)
				synctest.Wait()
				want(t, "dials", len(sim.Truth().Dials), tt.dials)
			})
		})
	}
}

func TestFaultsMatch(t *testing.T) {
	t.Parallel()
	sim := New(Config{Limits: unlimited(), Extensions: []Extension{{ID: "101", JWT: "a"}, {ID: "102", JWT: "b"}}})
	a, b := login(t, sim, "a"), login(t, sim, "b")
	busyID, id := a.place("+14155550101"), a.place(people)

	sim.Inject(Fault{Operation: OpStatus, To: people, Effect: AnswerStatus, Status: 500, Skip: 1, Times: 2})
	want(t, "another number", a.status(busyID).status, 200)
	for i, expected := range []int{200, 500, 500, 200} {
		want(t, "status "+string(rune('0'+i)), a.status(id).status, expected)
	}

	sim.Inject(Fault{Operation: OpPresence, Extension: "102", Effect: AnswerStatus, Status: 401, Times: -1})
	for range 3 {
		want(t, "a", a.get("/presence").status, 200)
		want(t, "b", b.get("/presence").status, 401)
	}
	sim.ClearFaults()
	want(t, "cleared", b.get("/presence").status, 200)

	sim.Inject(Fault{Operation: OpPresence, Effect: AnswerStatus, Status: 500, Times: -1, Probability: 0.3})
	hits := 0
	for range 1000 {
		if a.get("/presence").status == 500 {
			hits++
		}
	}
	if hits < 250 || hits > 350 {
		t.Errorf("%d of 1000 hit at a probability of 0.3", hits)
	}
}

func TestFaultsOfOneLineOrCallerID(t *testing.T) {
	t.Parallel()
	sim := New(Config{Limits: unlimited()})
	c := login(t, sim, "jwt")
	post := func(from, callerID string) answered {
		return c.send("POST", user+"/ring-out", "application/json", `{"from":{"phoneNumber":"`+from+`"},"to":{"phoneNumber":"`+people+
			`"},"callerId":{"phoneNumber":"`+callerID+`"}}`)
	}
	const other, shown, shownElse = "+16505550002", "+16505550100", "+16505550101"
	sim.Inject(Fault{Operation: OpPlace, Line: other, Effect: AnswerStatus, Status: 400, Parameter: "from", Times: -1})
	want(t, "another line", post(agent, shown).status, 200)
	a := post(other, shown)
	want(t, "the line", a.status, 400)
	want(t, "parameter", a.get(t, "errors.0.parameterName"), "from")
	sim.ClearFaults()
	sim.Inject(Fault{Operation: OpPlace, CallerID: shown, Effect: AnswerStatus, Status: 400, Parameter: "callerId", Times: -1})
	want(t, "another caller ID", post(other, shownElse).status, 200)
	want(t, "the caller ID", post(other, shown).get(t, "errors.0.parameterName"), "callerId")
}

func TestFaultsThatBeginAndEnd(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited(), Scale: 60, AccessTokenTTL: 24 * time.Hour})
	c := login(t, sim, "jwt")
	sim.Inject(Fault{Operation: OpPlace, Effect: AnswerStatus, Status: 400, Times: -1, After: time.Hour, For: 2 * time.Hour})
	for _, at := range []struct {
		step   time.Duration
		status int
	}{{0, 200}, {time.Minute - 1, 200}, {1, 400}, {2*time.Minute - 1, 400}, {1, 200}} {
		clock.step(at.step)
		want(t, "status", c.post(people).status, at.status)
	}
}

func TestPageOfAWebFilter(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	c := login(t, sim, "jwt")
	sim.Inject(Fault{Operation: OpPlace, Effect: AnswerStatus, Status: 403, HTML: true})
	a := c.post(people)
	want(t, "status", a.status, 403)
	want(t, "type", a.header.Get("Content-Type"), "text/html; charset=utf-8")
	want(t, "not RingCentral's headers", a.header.Get("X-Rate-Limit-Group"), "")
	want(t, "page", strings.HasPrefix(a.body, "<!DOCTYPE html>"), true)
}

func TestImpossibleFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Fault{
		"no effect":   {Operation: OpPlace},
		"operation":   {Operation: "dial", Effect: Drop},
		"status":      {Effect: AnswerStatus},
		"200":         {Effect: AnswerStatus, Status: 200},
		"redirect":    {Effect: Redirect, Status: 500},
		"delay":       {Effect: Delay},
		"value":       {Effect: StatusValue},
		"leg":         {Effect: StatusValue, Value: "x", Leg: "third"},
		"probability": {Effect: Drop, Probability: 2},
		"number":      {Effect: Drop, To: "14155550130"},
		"line":        {Effect: Drop, Line: "alice"},
		"begins":      {Effect: Drop, After: -1},
		"parameter":   {Effect: Drop, Parameter: "to"},
		"page":        {Effect: Drop, HTML: true},
	} {
		if f.check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Inject takes it without a word")
		}
	}()
	New(Config{}).Inject(Fault{})
}

func TestFaultJSON(t *testing.T) {
	t.Parallel()
	f := Fault{Operation: OpPlace, To: people, Effect: AnswerStatus, Late: true, Status: 429, RetryAfter: 30 * time.Second}
	src, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "JSON", string(src), `{"operation":"place","to":"+14155550130","effect":"status","late":true,"status":429,"retry_after":"30s"}`)
	var back Fault
	if err := json.Unmarshal(src, &back); err != nil {
		t.Fatal(err)
	}
	want(t, "read again", back, f)
}
