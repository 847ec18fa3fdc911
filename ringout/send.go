package ringout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// maxBody bounds the body of an answer in bytes.
const maxBody = 1 << 20

// Operation is what a request asks for, in one word.
type Operation string

// The operations.
const (
	OperationLogin       Operation = "login" // every token request
	OperationLogout      Operation = "logout"
	OperationPlace       Operation = "place"
	OperationStatus      Operation = "status"
	OperationCancel      Operation = "cancel"
	OperationPresence    Operation = "presence"
	OperationActiveCalls Operation = "active_calls"
	OperationCallLog     Operation = "call_log"
)

// operations are by what errors call them.
var operations = map[string]Operation{
	opLogin: OperationLogin, opLogout: OperationLogout, opPlace: OperationPlace, opStatus: OperationStatus, opCancel: OperationCancel,
	opPresence: OperationPresence, opActiveCalls: OperationActiveCalls, opCallLog: OperationCallLog,
}

// What errors call the operations.
const (
	opLogin       = "login"
	opLogout      = "logout"
	opConnect     = "connect" // no request
	opPlace       = "place call"
	opStatus      = "call status"
	opCancel      = "cancel call"
	opPresence    = "presence"
	opActiveCalls = "active calls"
	opCallLog     = "call log"
)

// Exchange is one request that was handed to the network, and what came of it.
type Exchange struct {
	Operation Operation
	Status    int           // of the answer; 0 if there was none
	Duration  time.Duration // from connecting to the last byte
	Err       error         // an *Error unless the answer was a 2xx
}

var errTooLarge = errors.New("the answer is larger than 1 MiB")

// request is what differs between the client's requests.
type request struct {
	op          string
	group       Group
	method      string
	path        string // after the server's address, escaped, with its query
	contentType string // of the body
	body        string
	by          time.Time // when it must have been written; zero: any time
	via         http.RoundTripper
	guarded     bool // via makes guarded connections
	authorize   func(*http.Request)
}

// answer is a 2xx.
type answer struct {
	status int
	body   []byte
	at     time.Time // the server's clock, zero if absent
}

// send is the one way to RingCentral. It sends r at most once, hands over the rate-limit facts of any answer, and
// returns every answer that is no 2xx as an *Error.
func (c *Client) send(ctx context.Context, r request) (answer, error) {
	secrets := c.hidden()
	if ctx.Err() != nil {
		return answer{}, failure(r.op, NotSent, context.Cause(ctx), secrets)
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.config.Timeout,
		fmt.Errorf("no answer within %s: %w", c.config.Timeout, context.DeadlineExceeded))
	defer cancel()

	var trace progress
	by := &sendBy{at: r.by}
	req, err := http.NewRequestWithContext(by.in(trace.watch(limited)), r.method, c.base+r.path, r.reader(by))
	if err != nil {
		return answer{}, failure(r.op, NotSent, err, secrets)
	}
	req.ContentLength = int64(len(r.body))
	// Without GetBody, net/http cannot send a request with a body a second time on a new connection.
	req.GetBody = nil
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	r.authorize(req)

	// RoundTrip rather than an http.Client: there is no code to follow a redirect, and so no way for the token or the
	// call to go elsewhere.
	sent := time.Now()
	resp, err := r.via.RoundTrip(req)
	if err != nil {
		kind := Unknown
		if trace.unsent(err) {
			kind = NotSent
		}
		if by.missed.Load() {
			return answer{}, failure(r.op, NotSent, ErrTooLate, secrets)
		}
		return answer{}, c.told(r, sent, 0, failure(r.op, kind, why(limited, err), secrets))
	}
	defer func() { _ = resp.Body.Close() }() // read or given up, its error changes nothing
	if by.missed.Load() {                    // a server that answers half a request
		return answer{}, failure(r.op, NotSent, ErrTooLate, secrets)
	}
	c.observe(ctx, r.group, sent, resp)

	content, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(content) > maxBody {
		err = errTooLarge
	}
	if refused := c.checkResponse(r.op, resp, content, secrets); refused != nil {
		return answer{}, c.told(r, sent, resp.StatusCode, refused) // certain by its status, whatever became of the body
	}
	if err != nil {
		e := failure(r.op, Unknown, why(limited, err), secrets)
		e.Status = resp.StatusCode
		return answer{}, c.told(r, sent, resp.StatusCode, e)
	}
	_ = c.told(r, sent, resp.StatusCode, nil)
	return answer{status: resp.StatusCode, body: content, at: serverTime(resp.Header)}, nil
}

// told hands a request and what came of it to Config.OnRequest, and returns the error as it is.
func (c *Client) told(r request, sent time.Time, status int, err error) error {
	if c.config.OnRequest != nil {
		c.config.OnRequest(Exchange{Operation: operations[r.op], Status: status, Duration: time.Since(sent), Err: err})
	}
	return err
}

func (r request) reader(by *sendBy) io.Reader {
	switch {
	case r.body == "":
		return nil
	case r.by.IsZero() || r.guarded:
		return strings.NewReader(r.body)
	}
	return &timely{body: strings.NewReader(r.body), by: by}
}

// sendBy is when a request must have been written.
type sendBy struct {
	at     time.Time // zero: any time
	missed atomic.Bool
}

type sendByKey struct{}

// in makes the time known to guard.
func (b *sendBy) in(ctx context.Context) context.Context {
	if b.at.IsZero() {
		return ctx
	}
	return context.WithValue(ctx, sendByKey{}, b)
}

// over says whether it is too late, and remembers it.
func (b *sendBy) over() bool {
	if !past(b.at) {
		return false
	}
	b.missed.Store(true)
	return true
}

// guard makes a connection for one request refuse it when it comes too late: no byte of it is written.
func guard(ctx context.Context, conn net.Conn) net.Conn {
	if by, ok := ctx.Value(sendByKey{}).(*sendBy); ok {
		return &guarded{Conn: conn, by: by}
	}
	return conn
}

type guarded struct {
	net.Conn
	by    *sendBy
	begun bool
}

// Write is the last step before the request is on its way. net/http writes from one goroutine.
func (g *guarded) Write(p []byte) (int, error) {
	if !g.begun && g.by.over() {
		return 0, ErrTooLate
	}
	g.begun = true
	return g.Conn.Write(p)
}

// timely is a body that cannot be read any more once its time is past, for transports whose connections cannot be guarded.
// net/http reads it when the connection stands and the header is written; without its body a request is none.
type timely struct {
	body  io.Reader
	by    *sendBy
	begun bool
}

// Read is the last step before the request is on its way.
func (t *timely) Read(p []byte) (int, error) {
	if !t.begun && t.by.over() {
		return 0, ErrTooLate
	}
	t.begun = true
	return t.body.Read(p)
}

// past asks both clocks: the monotonic one cannot be set, but stands still while a machine sleeps; the wall clock does not.
func past(t time.Time) bool {
	now := time.Now()
	return !now.Before(t) || !now.Round(0).Before(t.Round(0))
}

// why prefers the context's cause to what the transport makes of it.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// progress knows how far a request came.
type progress struct {
	wanted, got atomic.Bool // a connection was asked for; one was given, so bytes may have gone
}

func (p *progress) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { p.wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { p.got.Store(true) },
	})
}

// unsent reports whether a request that failed with err provably never reached a connection: looking up the name,
// connecting, the TLS handshake or the wait for any of them failed. A foreign RoundTripper may not tell about
// connections; there only an error of connecting is proof.
func (p *progress) unsent(err error) bool {
	if p.got.Load() {
		return false
	}
	if p.wanted.Load() {
		return true
	}
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}
