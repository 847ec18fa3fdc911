package ringouttest

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Simulator is a RingCentral of its own. It is safe for concurrent use.
type Simulator struct {
	config Config
	mux    *http.ServeMux

	mu         sync.Mutex
	chance     *rand.Rand
	rules      []*rule
	extensions map[string]*extension // by id
	byJWT      map[string]*extension
	sessions   map[string]*session // by access token and by refresh token

	buckets     map[quotaKey]*bucket
	bucketOrder []*bucket

	calls    map[string]*call // by id, as text and as number
	leaving  byForgetting
	onLine   map[string][]*call // by the agent's number: calls that were not over when last looked at
	attempts map[string]int     // by destination

	dials     []*call
	refusals  []Refusal
	overlaps  [][2]*call
	overQuota []Request
	inPenalty []Request
	logins    []Login
}

// extension is a user at work.
type extension struct {
	Extension
	sessions []*session // oldest first
	calls    []*call    // oldest first, until they are forgotten
}

// New makes a simulator. It panics on a Config that cannot be meant, an unknown ending for example.
func New(c Config) *Simulator {
	c = c.filled()
	s := &Simulator{
		config:     c,
		mux:        http.NewServeMux(),
		chance:     newChance(c.Seed),
		extensions: make(map[string]*extension),
		byJWT:      make(map[string]*extension),
		sessions:   make(map[string]*session),
		buckets:    make(map[quotaKey]*bucket),
		calls:      make(map[string]*call),
		onLine:     make(map[string][]*call),
		attempts:   make(map[string]int),
	}
	for i, e := range c.Extensions {
		if e.ID == "" {
			e.ID = strconv.Itoa(62264425008 + i)
		}
		if e.JWT == "" || s.byJWT[e.JWT] != nil || s.extensions[e.ID] != nil {
			panic(fmt.Sprintf("ringouttest: extension %d needs an id and a JWT of its own", i))
		}
		x := &extension{Extension: e}
		s.extensions[e.ID], s.byJWT[e.JWT] = x, x
	}
	s.routes()
	return s
}

// operation is what one path and method do.
type operation struct {
	name       Operation
	group      string
	permission string
	// identify finds the user; an answer refuses the request before it counts against any quota.
	identify func(*request) (who string, refused *answer)
	// target is the call or destination that the request is about, for faults; nil where there is none.
	target func(*request)
	do     func(*request) answer
}

// request is one request on its way through. Its methods run with s.mu held.
type request struct {
	*http.Request
	op   operation
	body []byte
	now  time.Time
	ext  *extension // nil on token endpoints where nobody was recognised
	call *call      // of the id in the path; nil if there is none
	to   string     // destination of the call in question
	made placement  // of POST ring-out
}

// routes lists every path.
func (s *Simulator) routes() {
	const user = "/restapi/v1.0/account/{account}/extension/{extension}"
	for pattern, op := range map[string]operation{
		"POST /restapi/oauth/token":         {name: OpToken, group: Auth, identify: s.client, do: s.token},
		"POST /restapi/oauth/revoke":        {name: OpRevoke, group: Auth, identify: s.client, do: s.revoke},
		"POST " + user + "/ring-out":        {name: OpPlace, group: Heavy, permission: "RingOut", target: s.placement, do: s.place},
		"GET " + user + "/ring-out/{id}":    {name: OpStatus, group: Light, permission: "RingOut", target: s.byID, do: s.status},
		"DELETE " + user + "/ring-out/{id}": {name: OpCancel, group: Heavy, permission: "RingOut", target: s.byID, do: s.cancel},
		"GET " + user + "/presence":         {name: OpPresence, group: Light, permission: "ReadPresence", do: s.presence},
		"GET " + user + "/active-calls":     {name: OpActiveCalls, group: Heavy, permission: "ReadCallLog", do: s.activeCalls},
		"GET " + user + "/call-log":         {name: OpCallLog, group: Heavy, permission: "ReadCallLog", do: s.callLog},
		"GET " + user:                       {name: OpExtension, group: Light, permission: "ReadAccounts", do: s.extensionInfo},
	} {
		if op.identify == nil {
			op.identify = s.bearer
		}
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	for _, path := range []string{"GET /restapi", "GET /restapi/v1.0"} {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			write(w, reply(http.StatusOK, map[string]any{
				"uri":         base(r) + "/restapi/v1.0",
				"apiVersions": []map[string]string{{"uri": base(r) + "/restapi/v1.0", "versionString": "1.0", "uriString": "v1.0"}},
			}))
		})
	}
	s.controls()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, failure(http.StatusNotFound, "CMN-102", "Resource is not found", ""))
	})
}

// ServeHTTP answers as RingCentral does.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.config.Now().UTC().Format(http.TimeFormat))
	s.mux.ServeHTTP(w, r)
}

// serve takes one request through identity, quota, faults and what it asks for. All waiting is outside the lock.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, op operation) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away, or sends too much
	}
	q := &request{Request: r, op: op, body: body}

	a, fault, done := s.begin(q)
	if !done {
		if fault != nil && fault.early() && !wait(r.Context(), fault) {
			panic(http.ErrAbortHandler)
		}
		a = s.finish(q, fault)
		if fault != nil && !fault.early() && !wait(r.Context(), fault) {
			panic(http.ErrAbortHandler)
		}
	}
	if s.config.OmitRateHeaders {
		for name := range a.header {
			if strings.HasPrefix(name, "X-Rate-Limit-") {
				delete(a.header, name)
			}
		}
	}
	write(w, a)
}

// begin admits a request and picks the fault that hits it. It is done where the request is not to be carried out and
// there is nothing to wait for.
func (s *Simulator) begin(q *request) (a answer, f *Fault, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = s.config.Now()
	s.forget(q.now)

	who, refused := q.op.identify(q)
	if refused != nil {
		return *refused, nil, true
	}
	b := s.bucket(who, q.op.group)
	switch b.take(q.now, q.op.name) {
	case overQuota:
		s.overQuota = append(s.overQuota, Request{q.now, who, q.op.group, q.op.name})
		return s.limited(b, q.now), nil, true
	case inPenalty:
		s.inPenalty = append(s.inPenalty, Request{q.now, who, q.op.group, q.op.name})
		return s.limited(b, q.now), nil, true
	case admitted:
	}

	if q.op.target != nil {
		q.op.target(q)
	}
	f = s.fault(q, who)
	if f == nil || !f.early() {
		return a, f, false
	}
	switch f.Effect {
	case AnswerStatus:
		a = s.statusAnswer(f, q.op.name, b, q.now)
	case Redirect:
		a = redirect(f, q)
	default:
		return a, f, false // drop, hang, delay: in the open, without the lock
	}
	if !f.HTML {
		s.rateHeaders(a, b, q.now)
	}
	return a, f, true
}

// finish carries the request out and applies what the fault does to the answer.
func (s *Simulator) finish(q *request, f *Fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = s.config.Now()
	who, refused := q.op.identify(q) // the token may have gone during a delay
	if refused != nil {
		return *refused
	}
	b := s.bucket(who, q.op.group)

	var a answer
	if q.op.permission != "" && (slices.Contains(s.config.Deny, q.op.permission) || slices.Contains(q.ext.Deny, q.op.permission)) {
		a = failure(http.StatusForbidden, "CMN-408",
			"In order to call this API endpoint, user needs to have ["+q.op.permission+"] permission for requested resource.", "")
	} else {
		a = q.op.do(q)
	}
	if f != nil && !f.early() {
		switch f.Effect {
		case AnswerStatus:
			a = s.statusAnswer(f, q.op.name, b, q.now)
		case Redirect:
			a = redirect(f, q)
		default:
			f.spoil(&a, q.call)
		}
	}
	if f == nil || !f.HTML {
		s.rateHeaders(a, b, q.now)
	}
	return a
}

// wait does what drop, hang and delay do, and says whether the request goes on.
func wait(ctx context.Context, f *Fault) bool {
	switch f.Effect {
	case Drop:
		return false
	case Hang:
		<-ctx.Done()
		return false
	case Delay:
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	return true
}

// redirect points elsewhere.
func redirect(f *Fault, q *request) answer {
	status, location := f.Status, f.Value
	if status == 0 {
		status = http.StatusTemporaryRedirect
	}
	if location == "" {
		location = base(q.Request) + q.URL.RequestURI()
	}
	a := reply(status, nil)
	a.header.Set("Location", location)
	return a
}

// limited is RingCentral's 429.
func (s *Simulator) limited(b *bucket, now time.Time) answer {
	a := failure(http.StatusTooManyRequests, "CMN-301", "Request rate exceeded", "")
	if !s.config.OmitRetryAfter {
		a.header.Set("Retry-After", wholeSeconds(b.blockedUntil.Sub(now)))
	}
	s.rateHeaders(a, b, now)
	return a
}

// rateHeaders says how much of the quota is left.
func (s *Simulator) rateHeaders(a answer, b *bucket, now time.Time) {
	if b.limit.N < 0 {
		return
	}
	a.header.Set("X-Rate-Limit-Group", b.count.Group)
	a.header.Set("X-Rate-Limit-Limit", strconv.Itoa(b.limit.N))
	a.header.Set("X-Rate-Limit-Remaining", strconv.Itoa(b.remaining(now)))
	a.header.Set("X-Rate-Limit-Window", windowSeconds(b.limit.Window))
}

// forget drops the calls that even the call log forgets by now. s.mu is held.
func (s *Simulator) forget(now time.Time) {
	for len(s.leaving) > 0 && !now.Before(s.leaving[0].forgetAt) {
		c := heap.Pop(&s.leaving).(*call)
		c.forgotten = true
		delete(s.calls, c.dial.ID)
		delete(s.calls, c.number)
		x := s.extensions[c.dial.Extension]
		for len(x.calls) > 0 && x.calls[0].forgotten {
			x.calls = x.calls[1:]
		}
	}
}

// write sends an answer.
func write(w http.ResponseWriter, a answer) {
	maps.Copy(w.Header(), a.header)
	body := a.encoded()
	if body != nil {
		w.Header().Set("Content-Type", a.contentType)
	}
	w.WriteHeader(a.status)
	if _, err := io.Copy(w, bytes.NewReader(body)); err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}

// base is the server's address as the client knows it.
func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// TB is the part of testing.TB that [Start] needs, so that programs which serve the simulator do not import testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start serves a new simulator on a free port of the loopback address until the test ends, and returns it with the
// server's address, "http://127.0.0.1:PORT".
func Start(tb TB, c Config) (*Simulator, string) {
	tb.Helper()
	s := New(c)
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	if err != nil {
		tb.Fatalf("start the simulator: %v", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Serve(listener) // ends by Close
	}()
	tb.Cleanup(func() {
		_ = server.Close() // open connections are the test's, and hang on purpose
		<-stopped
	})
	return s, "http://" + listener.Addr().String()
}
