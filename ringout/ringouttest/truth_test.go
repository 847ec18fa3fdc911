package ringouttest

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestOverlapsOnOneLine(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited()})
	a, b := login(t, sim, "a"), login(t, sim, "b")
	a.place(people) // the line is free after 30 s
	clock.step(30*time.Second - 1)
	b.place("+14155550131") // the same phone, by another user
	clock.step(1)
	want(t, "overlaps", len(sim.Truth().Overlaps), 1)
	a.place("+14155550132") // overlaps only the second
	truth := sim.Truth()
	want(t, "overlaps", len(truth.Overlaps), 2)
	want(t, "line", truth.Overlaps[1].From, agent)
	want(t, "first", truth.Overlaps[1].First.To, "+14155550131")
	want(t, "second", truth.Overlaps[1].Second.To, "+14155550132")
	want(t, "dials from", len(truth.DialsFrom(agent)), 3)

	clock.step(time.Minute)
	id := a.place(people)
	clock.step(time.Second)
	a.cancel(id) // frees the line
	a.place(people)
	want(t, "after a cancellation", len(sim.Truth().Overlaps), 2)
	want(t, "dials to", len(sim.Truth().DialsTo(people)), 3)
}

func TestTruthTellsNoFuture(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now})
	login(t, sim, "jwt").place(people)
	start := clock.Now()
	clock.step(8 * time.Second)
	d := sim.Truth().Dials[0]
	want(t, "agent answered", d.CallerAnsweredAt, start.Add(2*time.Second))
	want(t, "contact's phone rang", d.CalleeRangAt, start.Add(2*time.Second))
	want(t, "answered", d.AnsweredAt, start.Add(7*time.Second))
	want(t, "ended", d.EndedAt, time.Time{})
	want(t, "line free", d.LineFreeAt, time.Time{})
	want(t, "changes", len(d.Changes), 3)
	want(t, "last change", d.Changes[2], Change{start.Add(7 * time.Second), "Success", "Success", "Success"})
	clock.step(time.Minute)
	d = sim.Truth().Dials[0]
	want(t, "ended", d.EndedAt, start.Add(30*time.Second))
	want(t, "changes", len(d.Changes), 4)
}

func TestControls(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	c := login(t, sim, "jwt")
	send := func(method, path, body string) answered {
		t.Helper()
		return c.send(method, "/simulator/"+path, "application/json", body)
	}

	want(t, "faults", send("POST", "faults", `[{"operation":"place","effect":"status","status":503},{"effect":"drop","operation":"token"}]`).status, http.StatusNoContent)
	want(t, "first fault", c.post(people).status, 503)
	want(t, "clear", send("DELETE", "faults", "").status, http.StatusNoContent)
	c.jwt("jwt", nil)
	for path, body := range map[string]string{
		"faults":  `[{"effect":"drop","opration":"token"}]`,
		"endings": `{"+14155550130":[{"name":"engaged"}]}`,
		"revoke":  `[]`,
	} {
		a := send("POST", path, body)
		want(t, path, a.status, http.StatusBadRequest)
		want(t, path+" says why", a.get(t, "message") != "", true)
	}
	want(t, "two values", send("POST", "faults", `[] []`).status, http.StatusBadRequest)

	want(t, "endings", send("POST", "endings", `{"+14155550130":[{"name":"blocked_refused"},{"name":"busy","talk":"1s"}]}`).status, http.StatusNoContent)
	want(t, "scripted", c.post(people).legs(t), "403 TEL-101")
	c.place(people)

	var truth Truth
	if err := json.Unmarshal([]byte(send("GET", "truth", "").body), &truth); err != nil {
		t.Fatal(err)
	}
	want(t, "dials", len(truth.Dials), 1)
	want(t, "ending", truth.Dials[0].Ending, Busy)
	want(t, "refusals", len(truth.Refusals), 1)
	want(t, "peak", truth.MaxPerWindow("", Heavy), 3)
	want(t, "sent", truth.Sent(OpPlace), 3)

	a := send("GET", "endings", "")
	want(t, "table", a.get(t, "0.name"), "answered")
	want(t, "talk", a.get(t, "0.talk"), "30s")
	want(t, "revoke", send("POST", "revoke", `{}`).status, http.StatusNoContent)
	want(t, "revoked", c.get("").status, http.StatusUnauthorized)
}

func TestStartServes(t *testing.T) {
	t.Parallel()
	sim, server := Start(t, Config{Scale: 60})
	if !strings.HasPrefix(server, "http://127.0.0.1:") {
		t.Fatalf("server is %q", server)
	}
	c := login(t, sim, "jwt")
	c.http.Transport = through{server}
	a := c.post(people)
	want(t, "place", a.status, http.StatusOK)
	want(t, "status", c.status(a.get(t, "id")).status, http.StatusOK)
	want(t, "uri", strings.HasPrefix(a.get(t, "uri"), server+"/restapi/v1.0/account/"), true)
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	sim := New(Config{Scale: 1000})
	var callers sync.WaitGroup
	for i := range 8 {
		c := login(t, sim, "jwt "+string(rune('a'+i)))
		callers.Go(func() {
			for range 20 {
				if a, err := c.try("POST", user+"/ring-out", "application/json",
					`{"from":{"phoneNumber":"+1650555000`+string(rune('0'+i))+`"},"to":{"phoneNumber":"`+people+`"}}`); err == nil && a.status == http.StatusOK {
					_, _ = c.try("GET", user+"/ring-out/"+a.get(t, "id"), "", "")
				}
				_, _ = c.try("GET", user+"/call-log", "", "")
				sim.Truth()
			}
		})
	}
	callers.Wait()
	truth := sim.Truth()
	want(t, "places", truth.Sent(OpPlace), 160)
	granted := 0
	for _, count := range truth.Requests {
		if count.Group == Heavy {
			want(t, count.Extension, count.Granted+count.Limited, 40) // 20 calls, 20 looks at the log
			granted += count.Granted
		}
	}
	want(t, "limited", len(truth.OverQuota)+len(truth.InPenalty), 320-granted)
	if n := len(truth.Dials); n == 0 || n > granted {
		t.Errorf("%d dials of %d requests granted", n, granted)
	}
}

// BenchmarkPolls is one status poll with a thousand calls live.
func BenchmarkPolls(b *testing.B) {
	sim := New(Config{Limits: unlimited(), Ending: func(string, int) Ending { return Ending{Name: Answered, Talk: time.Hour} }})
	c := login(b, sim, "jwt")
	var ids []string
	for range 1000 {
		ids = append(ids, c.place(people))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		c.status(ids[i%len(ids)])
	}
}
