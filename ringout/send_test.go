package ringout

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// opaque hides what kind of transport it is, so that Place cannot ask for a connection of its own.
type opaque struct{ http.RoundTripper }

// loggedIn has a token without having sent anything.
func loggedIn(c *Client) *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepLocked(&token{
		access: "access-0", renew: c.now().Add(time.Hour), expires: c.now().Add(time.Hour),
		refresh: refreshToken, refreshExpires: c.now().Add(time.Hour),
	})
	return c
}

// loggedOut has had a token, and has only its refresh token left.
func loggedOut(c *Client) *Client {
	loggedIn(c).token.renew = time.Time{}
	c.token.expires = time.Time{}
	return c
}

const refreshToken = "refresh-token-of-the-session"

// dropper is a raw HTTP/1.1 server that answers the first request on each connection and then keeps the connection
// open. What it does when the next request arrives on it is up to second.
type dropper struct {
	listener net.Listener
	second   func(conn *net.TCPConn, r *bufio.Reader, d *dropper)

	mu   sync.Mutex
	seen []string // method of every request that arrived whole
}

func newDropper(t *testing.T, second func(*net.TCPConn, *bufio.Reader, *dropper)) *dropper {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &dropper{listener: listener, second: second}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.serve(conn.(*net.TCPConn)) })
		}
	})
	return d
}

func (d *dropper) serve(conn *net.TCPConn) {
	defer func() { _ = conn.Close() }()
	// A client that has finished must not keep the test waiting.
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return
	}
	r := bufio.NewReader(conn)
	if !d.read(r) {
		return
	}
	const body = `{"id":"x","status":{"callStatus":"InProgress"}}`
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n"+body)
	if err != nil {
		return
	}
	d.second(conn, r, d)
}

// read takes one whole request.
func (d *dropper) read(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, req.Method)
	return true
}

func (d *dropper) count(method string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, m := range d.seen {
		if m == method {
			n++
		}
	}
	return n
}

// The danger: net/http sends a request again by itself when the kept-alive connection that it chose breaks under it.
func TestNothingReplaysAPlace(t *testing.T) {
	t.Parallel()
	reset := func(conn *net.TCPConn) { _ = conn.SetLinger(0) } // then Close sends RST
	for _, test := range []struct {
		name   string
		second func(*net.TCPConn, *bufio.Reader, *dropper)
	}{
		{"closes after the whole request", func(_ *net.TCPConn, r *bufio.Reader, d *dropper) { d.read(r) }},
		{"resets after the whole request", func(conn *net.TCPConn, r *bufio.Reader, d *dropper) { d.read(r); reset(conn) }},
		{"closes at the first byte", func(_ *net.TCPConn, r *bufio.Reader, _ *dropper) { _, _ = r.Peek(1) }},
		{"resets at the first byte", func(conn *net.TCPConn, r *bufio.Reader, _ *dropper) { _, _ = r.Peek(1); reset(conn) }},
		{"answers half a line", func(conn *net.TCPConn, r *bufio.Reader, d *dropper) {
			if d.read(r) {
				_, _ = io.WriteString(conn, "HTTP/1.1 2")
			}
		}},
		{"answers half a body", func(conn *net.TCPConn, r *bufio.Reader, d *dropper) {
			if d.read(r) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n{\"id\":")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			newClient := func(d *dropper, rt http.RoundTripper) *Client {
				return loggedIn((&platform{}).client(t, func(config *Config) {
					config.Server, config.Transport = "http://"+d.listener.Addr().String(), rt
				}))
			}

			t.Run("kept-alive connection", func(t *testing.T) {
				t.Parallel()
				d := newDropper(t, test.second)
				transport := newTransport(time.Minute)
				t.Cleanup(transport.CloseIdleConnections)
				c := newClient(d, opaque{transport})
				if _, err := c.Place(t.Context(), someCall()); err != nil {
					t.Fatalf("first Place: %v", err)
				}
				before := d.count("POST")
				_, err := c.Place(t.Context(), someCall())
				if after := d.count("POST") - before; kindOfError(err) != Unknown || after > 1 {
					t.Errorf("second Place: %v, and %d POSTs arrived; want it unknown, and one at most", err, after)
				}
			})

			t.Run("connection of its own", func(t *testing.T) {
				t.Parallel()
				d := newDropper(t, test.second)
				transport := newTransport(time.Minute)
				t.Cleanup(transport.CloseIdleConnections)
				c := newClient(d, transport)
				if _, err := c.Status(t.Context(), "x"); err != nil { // leaves a connection in the pool
					t.Fatal(err)
				}
				for i := range 3 {
					if _, err := c.Place(t.Context(), someCall()); err != nil {
						t.Errorf("Place %d: %v, want it not to meet the kept-alive connection", i, err)
					}
				}
				if n := d.count("POST"); n != 3 {
					t.Errorf("%d POSTs arrived for 3 calls", n)
				}
			})
		})
	}

	// The same server makes net/http repeat a GET, which shows that the tests above meet the danger.
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		d := newDropper(t, func(_ *net.TCPConn, r *bufio.Reader, d *dropper) { d.read(r) })
		transport := newTransport(time.Minute)
		t.Cleanup(transport.CloseIdleConnections)
		c := loggedIn((&platform{}).client(t, func(config *Config) {
			config.Server, config.Transport = "http://"+d.listener.Addr().String(), opaque{transport}
		}))
		for range 2 {
			if _, err := c.Status(t.Context(), "x"); err != nil {
				t.Fatalf("Status: %v", err)
			}
		}
		if n := d.count("GET"); n != 3 {
			t.Errorf("%d GETs arrived for 2 Status, want 3: one repeated by net/http", n)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// No transport is given the means to send a Place again.
func TestPlaceIsNotReplayable(t *testing.T) {
	t.Parallel()
	rc := &platform{api: reply(200, `{"id":"x"}`)}
	var posts int
	c := rc.client(t, func(config *Config) {
		config.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				posts++
				if r.GetBody != nil || r.Body == nil || r.ContentLength <= 0 {
					t.Errorf("POST %s: GetBody %t, body %t, length %d; want no GetBody, and a body of known length",
						r.URL.Path, r.GetBody != nil, r.Body != nil, r.ContentLength)
				}
				for header := range r.Header {
					if strings.Contains(header, "Idempotency-Key") {
						t.Errorf("POST %s has a header %s, which makes net/http repeat it", r.URL.Path, header)
					}
				}
			}
			return memory{rc}.RoundTrip(r)
		})
	})
	mustLogin(t, c)
	if _, err := c.Place(t.Context(), someCall()); err != nil || posts != 2 {
		t.Errorf("Place: %v after %d POSTs, want success after 2", err, posts)
	}
}

func TestPlaceNeverFollowsARedirect(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reached []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, r.Method+" "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirect := func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL+"/restapi")
			w.WriteHeader(status)
		}
		rc := &platform{
			api:   func(w http.ResponseWriter, _ *http.Request, _ string) { redirect(w) },
			token: func(w http.ResponseWriter, _ url.Values, _ int) { redirect(w) },
		}
		c := loggedIn(rc.served(t, nil))
		if _, err := c.Place(t.Context(), someCall()); kindOfError(err) != Unknown {
			t.Errorf("HTTP %d: Place: %v, want unknown", status, err)
		}
		if _, err := c.Status(t.Context(), "x"); !errors.Is(err, errRedirect) {
			t.Errorf("HTTP %d: Status: %v, want %v", status, err, errRedirect)
		}
		if err := c.Cancel(t.Context(), "x"); !errors.Is(err, errRedirect) {
			t.Errorf("HTTP %d: Cancel: %v, want %v", status, err, errRedirect)
		}
		if _, calls := rc.sent(); len(calls) != 3 {
			t.Errorf("HTTP %d: requests %q, want three", status, calls)
		}
		if err := rc.served(t, nil).Login(t.Context()); !errors.Is(err, errRedirect) || kindOfError(err) != Unknown {
			t.Errorf("HTTP %d: Login: %v, want %v", status, err, errRedirect)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reached) != 0 {
		t.Errorf("the redirect's target was sent %q", reached)
	}
}

// What failed before a connection was there is not sent; everything later is unknown.
func TestPlaceSentOrNot(t *testing.T) {
	t.Parallel()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refusing.Close()

	dialing := func(err error) *http.Transport {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	failing := func(err error) http.RoundTripper {
		return roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })
	}
	for _, test := range []struct {
		name      string
		server    string
		transport http.RoundTripper
		want      Kind
	}{
		{name: "connection refused", server: "http://" + refusing.Addr().String(), transport: nil, want: NotSent},
		{
			name: "connection refused, transport unknown", server: "http://" + refusing.Addr().String(),
			transport: opaque{newTransport(time.Minute)}, want: NotSent,
		},
		{name: "no such host", transport: dialing(&net.DNSError{Err: "no such host", IsNotFound: true}), want: NotSent},
		{name: "odd error of dialing", transport: dialing(errors.New("the cable is cut")), want: NotSent},
		{name: "foreign transport, dialing", transport: failing(&net.OpError{Op: "dial", Err: errors.New("x")}), want: NotSent},
		{name: "foreign transport, no such host", transport: failing(&net.DNSError{}), want: NotSent},
		{name: "foreign transport, reading", transport: failing(&net.OpError{Op: "read", Err: errors.New("x")}), want: Unknown},
		{name: "foreign transport, end of file", transport: failing(io.ErrUnexpectedEOF), want: Unknown},
		{name: "foreign transport, anything", transport: failing(errors.New("x")), want: Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := loggedIn((&platform{}).client(t, func(config *Config) {
				config.Transport = test.transport
				if test.server != "" {
					config.Server = test.server
				}
			}))
			if _, err := c.Place(t.Context(), someCall()); kindOfError(err) != test.want {
				t.Errorf("Place: %v, want %s", err, test.want)
			}
		})
	}

	t.Run("untrusted certificate", func(t *testing.T) {
		t.Parallel()
		rc := &platform{}
		server := httptest.NewUnstartedServer(rc)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		c := loggedIn(rc.client(t, func(config *Config) { config.Server, config.Transport = server.URL, nil }))
		_, err := c.Place(t.Context(), someCall())
		var bad *tls.CertificateVerificationError
		if kindOfError(err) != NotSent || !errors.As(err, &bad) {
			t.Errorf("Place: %v, want not sent, certificate", err)
		}
		if _, calls := rc.sent(); len(calls) != 0 {
			t.Errorf("requests %q, want none", calls)
		}
	})

	t.Run("ctx already done", func(t *testing.T) {
		t.Parallel()
		rc := &platform{}
		c := loggedIn(rc.client(t, nil))
		stop := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		if _, err := c.Place(ctx, someCall()); kindOfError(err) != NotSent || !errors.Is(err, stop) {
			t.Errorf("Place: %v, want not sent, %v", err, stop)
		}
		if _, calls := rc.sent(); len(calls) != 0 {
			t.Errorf("requests %q, want none", calls)
		}
	})

	t.Run("ctx done while connecting", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c := loggedIn((&platform{}).client(t, func(config *Config) {
			config.Transport = &http.Transport{DialContext: func(dial context.Context, _, _ string) (net.Conn, error) {
				cancel()
				<-dial.Done()
				return nil, dial.Err()
			}}
		}))
		if _, err := c.Place(ctx, someCall()); kindOfError(err) != NotSent || !errors.Is(err, context.Canceled) {
			t.Errorf("Place: %v, want not sent, cancelled", err)
		}
	})

	t.Run("ctx done while waiting for the answer", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		rc := &platform{api: func(_ http.ResponseWriter, r *http.Request, _ string) {
			cancel()
			<-r.Context().Done()
		}}
		c := loggedIn(rc.served(t, nil))
		if _, err := c.Place(ctx, someCall()); kindOfError(err) != Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("Place: %v, want unknown, cancelled", err)
		}
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ given, want time.Duration }{{0, 10 * time.Second}, {3 * time.Second, 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			rc := &platform{api: func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() }}
			c := loggedIn(rc.client(t, func(config *Config) { config.Timeout = test.given }))
			start := time.Now()
			_, err := c.Place(t.Context(), someCall())
			if took := time.Since(start); took != test.want || kindOfError(err) != Unknown || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Place: %v after %s, want unknown after %s", err, took, test.want)
			}
			if err == nil || !strings.Contains(err.Error(), "no answer within "+test.want.String()) {
				t.Errorf("Place: %v, want it to name the limit", err)
			}
			synctest.Wait()
		})
	}
}

// The answer's body is part of the time that a request may take.
func TestTimeoutOfTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := loggedIn((&platform{}).client(t, func(config *Config) {
			config.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				body := io.MultiReader(strings.NewReader(`{"id":`), stalledReader{r.Context()})
				return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(body)}, nil
			})
		}))
		start := time.Now()
		_, err := c.Place(t.Context(), someCall())
		var e *Error
		if !errors.As(err, &e) || e.Kind != Unknown || e.Status != 200 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Place: %v, want unknown, HTTP 200, deadline exceeded", err)
		}
		if took := time.Since(start); took != defaultTimeout {
			t.Errorf("Place took %s, want %s", took, defaultTimeout)
		}
	})
}

// stalledReader sends nothing until the request is given up.
type stalledReader struct{ ctx context.Context }

func (r stalledReader) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

// A server that sends back all it was sent, wherever an error could pick it up.
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	secrets := []string{testSecret, testJWT, "access-0", refreshToken, fromNumber[1:], toNumber[1:], "4207 183 8750", "Basic dGhl"}

	check := func(t *testing.T, where string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", where)
		}
		var walk func(error)
		walk = func(err error) {
			if err == nil {
				return
			}
			for _, secret := range secrets {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %T shows %q: %v", where, err, secret, err)
				}
			}
			if e, ok := errors.AsType[*Error](err); ok {
				for _, secret := range secrets {
					if strings.Contains(e.Message, secret) || slices.ContainsFunc(e.Codes, func(c string) bool { return strings.Contains(c, secret) }) {
						t.Errorf("%s: %q or %q shows %q", where, e.Codes, e.Message, secret)
					}
				}
			}
			switch wrapped := err.(type) { //nolint:errorlint // walks the whole chain
			case interface{ Unwrap() error }:
				walk(wrapped.Unwrap())
			case interface{ Unwrap() []error }:
				for _, inner := range wrapped.Unwrap() {
					walk(inner)
				}
			}
		}
		walk(err)
	}

	all := strings.Join([]string{
		testSecret, testJWT, "access-0", refreshToken, fromNumber, toNumber, "+44 207 183 8750",
		"Basic " + secretsOf(Config{ClientID: testID, ClientSecret: testSecret, JWT: testJWT})[3],
	}, " ")
	quoted := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://example.com/?q="+url.QueryEscape(all))
			w.Header().Set("Retry-After", all)
			w.WriteHeader(status)
			each := strings.Fields(all)
			_, _ = io.WriteString(w, `{"error":"`+each[0]+`","errorCode":"`+each[2]+`","message":"`+all+
				`","error_description":"`+all+`","errors":[{"errorCode":"`+each[3]+`","message":"`+all+`"}],"id":["`+all+
				`"],"access_token":"`+all+`","expires_in":"`+all+`"}`)
		})
	}
	transports := map[string]http.RoundTripper{
		"transport": roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New(all) }),
		"body": roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(io.MultiReader(
				strings.NewReader("{"), failingReader{errors.New(all)}))}, nil
		}),
	}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 408, 429, 500} {
		transports[http.StatusText(status)] = memory{quoted(status)}
	}
	for name, rt := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fresh := func() *Client {
				return (&platform{}).client(t, func(config *Config) { config.Transport = rt })
			}
			_, err := loggedIn(fresh()).Place(t.Context(), someCall())
			check(t, "Place", err)
			_, err = loggedIn(fresh()).Status(t.Context(), "x")
			check(t, "Status", err)
			_, err = loggedIn(fresh()).Presence(t.Context())
			check(t, "Presence", err)
			_, err = loggedIn(fresh()).ActiveCalls(t.Context())
			check(t, "ActiveCalls", err)
			_, err = loggedIn(fresh()).CallLog(t.Context(), LogQuery{PhoneNumber: toNumber})
			check(t, "CallLog", err)
			if name != "OK" {
				check(t, "Cancel", loggedIn(fresh()).Cancel(t.Context(), "x"))
			}
			check(t, "refresh", loggedOut(fresh()).Login(t.Context()))
			_, err = loggedOut(fresh()).Status(t.Context(), "x")
			check(t, "Status with refresh", err)
			c := loggedIn(fresh())
			c.drop("access-0")
			check(t, "Login after a token was refused", c.Login(t.Context()))
		})
	}
	t.Run("Admit", func(t *testing.T) {
		t.Parallel()
		c := loggedOut((&platform{}).client(t, func(config *Config) {
			config.Admit = func(context.Context, Group) error { return errors.New(all) }
		}))
		check(t, "Login", c.Login(t.Context()))
	})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
