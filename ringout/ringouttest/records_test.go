package ringouttest

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestPresence(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited()})
	c := login(t, sim, "jwt")
	const path = "/presence?detailedTelephonyState=true"
	want(t, "before", c.get(path).get(t, "telephonyStatus"), "NoCall")
	c.place(people)
	a := c.get(path)
	want(t, "at once", a.get(t, "telephonyStatus"), "Ringing")
	want(t, "to", a.get(t, "activeCalls.0.to"), people)
	want(t, "from", a.get(t, "activeCalls.0.from"), agent)
	want(t, "start", a.get(t, "activeCalls.0.startTime"), "2026-03-02T15:00:00.000Z")
	want(t, "group", a.header.Get("X-Rate-Limit-Group"), "")
	want(t, "without detail", c.get("/presence").get(t, "activeCalls.0.to"), "")
	clock.step(2 * time.Second)
	want(t, "agent answered", c.get(path).get(t, "telephonyStatus"), "CallConnected")
	clock.step(28 * time.Second)
	a = c.get(path)
	want(t, "over", a.get(t, "telephonyStatus"), "NoCall")
	want(t, "no calls", a.get(t, "activeCalls.0.to"), "")

	for range 9 {
		c.place(people)
	}
	a = c.get(path)
	if a.get(t, "activeCalls.6.to") == "" || a.get(t, "activeCalls.7.to") != "" {
		t.Errorf("not seven calls: %s", a.body)
	}
}

func TestActiveCallsLag(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited()})
	c := login(t, sim, "jwt")
	c.place(people) // ends after 30 s
	result := func() string { t.Helper(); return c.get("/active-calls?view=Simple").get(t, "records.0.result") }
	clock.step(5*time.Second - 1)
	want(t, "too early", result(), "")
	clock.step(1)
	want(t, "after 5 s", result(), "In Progress")
	clock.step(29 * time.Second)
	want(t, "4 s after the end", result(), "In Progress")
	clock.step(time.Second)
	want(t, "5 s after the end", result(), "Call connected")
	clock.step(2*time.Minute - time.Second)
	want(t, "still there", result(), "Call connected")
	clock.step(time.Second)
	want(t, "gone", result(), "")
}

func TestCallLog(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited(), AccessTokenTTL: 24 * time.Hour})
	c := login(t, sim, "jwt")
	c.place(people) // ends after 30 s
	clock.step(10 * time.Second)
	c.place("+14155550101") // busy, ends 8 s later
	find := func(query string) answered { t.Helper(); return c.get("/call-log" + query) }
	total := func(query string) string { t.Helper(); return find(query).get(t, "paging.totalElements") }

	clock.step(28*time.Second - 1) // 20 s after the second one's end
	want(t, "too early", total(""), "0")
	clock.step(1)
	want(t, "busy first", find("").get(t, "records.0.result"), "Busy")
	want(t, "one", total(""), "1")
	clock.step(12 * time.Second)
	a := find("?view=Detailed")
	want(t, "newest first", a.get(t, "records.0.to.phoneNumber"), "+14155550101")
	want(t, "second", a.get(t, "records.1.result"), "Call connected")
	want(t, "action", a.get(t, "records.1.action"), "RingOut Web")
	want(t, "duration", a.get(t, "records.1.duration"), "28")
	want(t, "first leg", a.get(t, "records.1.legs.0.legType"), "RingOutWebToCaller")
	want(t, "second leg", a.get(t, "records.1.legs.1.legType"), "RingOutWebToSubscriber")
	want(t, "simple", find("").get(t, "records.0.legs.0.legType"), "")

	session, telephony := a.get(t, "records.1.sessionId"), a.get(t, "records.1.telephonySessionId")
	for query, expected := range map[string]string{
		"?phoneNumber=14155550101":                                   "1",
		"?phoneNumber=%2B14155550130":                                "1",
		"?phoneNumber=16505550001":                                   "2",
		"?phoneNumber=14155550199":                                   "0",
		"?sessionId=" + session:                                      "1",
		"?telephonySessionId=" + url.QueryEscape(telephony):          "1",
		"?dateFrom=2026-03-02T15:00:05Z":                             "1",
		"?dateTo=2026-03-02T15:00:05Z":                               "1",
		"?dateFrom=2026-03-02T15:00:00Z&dateTo=2026-03-02T15:00:10Z": "2",
		"?direction=Inbound":                                         "0",
		"?direction=Outbound":                                        "2",
	} {
		want(t, query, total(query), expected)
	}
	a = find("?perPage=1&page=2")
	want(t, "second page", a.get(t, "records.0.result"), "Call connected")
	want(t, "pages", a.get(t, "paging.totalPages"), "2")
	for _, query := range []string{"?dateFrom=yesterday", "?perPage=0", "?page=x", "?view=Full"} {
		want(t, query, find(query).get(t, "errorCode"), "CMN-101")
	}

	clock.step(2 * time.Hour)
	want(t, "forgotten", total(""), "0")
}

func TestSessionIDs(t *testing.T) {
	t.Parallel()
	for _, matches := range []bool{false, true} {
		sim := New(Config{SessionIDMatchesRingOutID: matches})
		c := login(t, sim, "jwt")
		id := c.place(people)
		a := c.get("/presence?detailedTelephonyState=true")
		want(t, "same id", a.get(t, "activeCalls.0.telephonySessionId") == id, matches)
	}
}

func TestLogNumbersCanBeMasked(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, MaskLogNumbers: true})
	c := login(t, sim, "jwt")
	c.place(people)
	clock.step(time.Minute)
	a := c.get("/call-log?phoneNumber=14155550130")
	want(t, "to", a.get(t, "records.0.to.phoneNumber"), "+1415555XXXX")
}

func TestSplitRecords(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited(), SplitRecords: true, Endings: map[string][]Ending{
		people: {{Name: Answered, Answer: 6 * time.Second, Ring: 4 * time.Second, Talk: 20 * time.Second}, {Name: AgentNoAnswer}},
	}})
	c := login(t, sim, "jwt")
	c.place(people)
	clock.step(7 * time.Second) // active-calls is 5 s late
	a := c.get("/active-calls?view=Detailed")
	want(t, "the agent's phone rings", a.get(t, "paging.totalElements"), "1")
	want(t, "direction", a.get(t, "records.0.direction"), "Inbound")
	want(t, "no contact in it", a.get(t, "records.0.to.phoneNumber"), "")
	clock.step(5 * time.Second)
	a = c.get("/active-calls?view=Detailed")
	want(t, "the contact's phone rings", a.get(t, "paging.totalElements"), "2")
	want(t, "newest first", a.get(t, "records.0.direction"), "Outbound")
	want(t, "contact", a.get(t, "records.0.to.phoneNumber"), people)
	want(t, "line", a.get(t, "records.0.from.phoneNumber"), agent)
	want(t, "some seconds later", a.get(t, "records.0.startTime"), "2026-03-02T15:00:06.000Z")
	want(t, "sessions of their own", a.get(t, "records.0.sessionId") == a.get(t, "records.1.sessionId"), false)

	clock.step(time.Minute)
	a = c.get("/call-log?view=Detailed")
	want(t, "both in the log", a.get(t, "paging.totalElements"), "2")
	want(t, "contact's result", a.get(t, "records.0.result"), "Call connected")
	want(t, "contact's leg alone", a.get(t, "records.0.legs.0.legType"), "RingOutWebToSubscriber")
	want(t, "agent's leg alone", a.get(t, "records.1.legs.0.legType"), "RingOutWebToCaller")
	want(t, "outbound only", c.get("/call-log?direction=Outbound").get(t, "paging.totalElements"), "1")

	c.place(people) // the agent does not answer
	clock.step(2 * time.Minute)
	a = c.get("/call-log?view=Detailed")
	want(t, "one more", a.get(t, "paging.totalElements"), "3")
	want(t, "agent did not answer", a.get(t, "records.0.result"), "No Answer")
}

func TestRecordsNeedPermission(t *testing.T) {
	t.Parallel()
	sim := New(Config{Deny: []string{"ReadCallLog", "ReadPresence"}})
	c := login(t, sim, "jwt")
	for _, path := range []string{"/presence", "/active-calls", "/call-log"} {
		a := c.get(path)
		want(t, path, a.status, http.StatusForbidden)
		want(t, path, a.get(t, "errorCode"), "CMN-408")
	}
	c.place(people)
}
