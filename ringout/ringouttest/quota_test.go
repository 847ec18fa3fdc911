package ringouttest

import (
	"net/http"
	"testing"
	"time"
)

func TestSlidingWindow(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now})
	c := login(t, sim, "jwt")
	// Ten within 45 s; the first leaves the window 60 s after it came, and not a moment before.
	for i := range 10 {
		a := c.post(people)
		want(t, "status", a.status, http.StatusOK)
		want(t, "remaining", a.header.Get("X-Rate-Limit-Remaining"), string(rune('9'-i)))
		clock.step(5 * time.Second)
	}
	a := c.get("/presence") // another group has a window of its own
	want(t, "light", a.header.Get("X-Rate-Limit-Remaining"), "49")
	want(t, "group", a.header.Get("X-Rate-Limit-Group"), "light")
	want(t, "limit", a.header.Get("X-Rate-Limit-Limit"), "50")
	want(t, "window", a.header.Get("X-Rate-Limit-Window"), "60")

	clock.step(10 * time.Second) // 60 s after the first
	want(t, "at 60 s", c.post(people).status, http.StatusOK)
	want(t, "at 60 s again", c.post(people).status, http.StatusTooManyRequests)
	truth := sim.Truth()
	want(t, "over quota", len(truth.OverQuota), 1)
	want(t, "in penalty", len(truth.InPenalty), 0)
	want(t, "dials", len(truth.Dials), 11)
	want(t, "peak", truth.MaxPerWindow("", Heavy), 11)
	want(t, "sent", truth.Sent(OpPlace), 12)
}

func TestPenaltyStartsAnewWithEachRequest(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: map[string]Limit{Heavy: {N: 1}}})
	c := login(t, sim, "jwt")
	c.place(people)
	a := c.post(people)
	want(t, "one too many", a.status, http.StatusTooManyRequests)
	want(t, "code", a.get(t, "errorCode"), "CMN-301")
	want(t, "code in list", a.get(t, "errors.0.errorCode"), "CMN-301")
	want(t, "Retry-After", a.header.Get("Retry-After"), "60")
	want(t, "remaining", a.header.Get("X-Rate-Limit-Remaining"), "0")

	clock.step(50 * time.Second)
	want(t, "inside the penalty", c.get("/call-log").status, http.StatusTooManyRequests)
	want(t, "another group", c.get("/presence").status, http.StatusOK)
	clock.step(59 * time.Second)
	a = c.post(people)
	want(t, "inside the second penalty", a.status, http.StatusTooManyRequests)
	want(t, "Retry-After again", a.header.Get("Retry-After"), "60")
	clock.step(60 * time.Second)
	want(t, "after the third", c.post(people).status, http.StatusOK)

	truth := sim.Truth()
	want(t, "over quota", len(truth.OverQuota), 1)
	want(t, "in penalty", len(truth.InPenalty), 2)
	want(t, "operation", truth.InPenalty[0].Operation, OpCallLog)
	want(t, "dials", len(truth.Dials), 2)
}

func TestExtensionsHaveQuotasOfTheirOwn(t *testing.T) {
	t.Parallel()
	sim := New(Config{
		Limits:     map[string]Limit{Heavy: {N: 1}},
		Extensions: []Extension{{ID: "101", JWT: "a"}, {ID: "102", JWT: "b"}},
	})
	a, b := login(t, sim, "a"), login(t, sim, "b")
	a.place(people)
	b.place(people)
	want(t, "a is used up", a.post(people).status, http.StatusTooManyRequests)
	want(t, "peak of b", sim.Truth().MaxPerWindow("102", Heavy), 1)
}

func TestScaledWindows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scale         float64
		window, retry string
	}{
		{1, "60", "60"},
		{40, "2", "2"}, // 1.5 s, rounded up
		{60, "1", "1"},
		{120, "0.5", "1"},
	} {
		clock := newStepped()
		sim := New(Config{Now: clock.Now, Scale: tt.scale, Limits: map[string]Limit{Heavy: {N: 1}}})
		c := login(t, sim, "jwt")
		want(t, "window", c.post(people).header.Get("X-Rate-Limit-Window"), tt.window)
		want(t, "Retry-After", c.post(people).header.Get("Retry-After"), tt.retry)
		clock.step(time.Duration(float64(time.Minute) / tt.scale))
		want(t, "one scaled minute later", c.post(people).status, http.StatusOK)
	}
}

func TestHeadersCanBeMissing(t *testing.T) {
	t.Parallel()
	sim := New(Config{OmitRateHeaders: true, OmitRetryAfter: true, Limits: map[string]Limit{Heavy: {N: 1}}})
	c := login(t, sim, "jwt")
	for range 2 {
		a := c.post(people)
		for _, name := range []string{"X-Rate-Limit-Group", "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Window", "Retry-After"} {
			want(t, name, a.header.Get(name), "")
		}
	}
	want(t, "over quota", len(sim.Truth().OverQuota), 1)
}

func TestAnotherAppSharesTheQuota(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Extensions: []Extension{{ID: "101", JWT: "a"}}})
	c := login(t, sim, "a")
	sim.Spend("101", Heavy, 7)
	want(t, "remaining", c.post(people).header.Get("X-Rate-Limit-Remaining"), "2")
	sim.Spend("101", Heavy, 70) // no more than there is, so that it starts no penalty
	want(t, "used up", c.post(people).status, http.StatusTooManyRequests)
	want(t, "granted", sim.Truth().Requests[1].Granted, 1)
}
