package ringout

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// answering is a RingCentral that counts its connections.
type answering struct {
	*httptest.Server
	opened atomic.Int32
}

func newAnswering(t *testing.T, secure bool) *answering {
	t.Helper()
	a := &answering{}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == tokenPath {
			_, _ = io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"1","status":{"callStatus":"InProgress"}}`)
	}))
	a.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			a.opened.Add(1)
		}
	}
	if secure {
		a.StartTLS()
	} else {
		a.Start()
	}
	t.Cleanup(a.Close)
	return a
}

func (a *answering) client(t *testing.T, transport *http.Transport) *Client {
	t.Helper()
	if transport.TLSClientConfig == nil && a.TLS != nil {
		transport.TLSClientConfig = a.Client().Transport.(*http.Transport).TLSClientConfig //nolint:forcetypeassert // it is one
	}
	c, err := New(Config{Server: a.URL, ClientID: "id", ClientSecret: "secret", JWT: "jwt", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// becomes waits until n is what is wanted.
func becomes(t *testing.T, what string, n func() int, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); n() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d, want %d", what, n(), want)
		}
	}
}

func (c *Client) spareCount() int {
	c.spares.mu.Lock()
	defer c.spares.mu.Unlock()
	return len(c.spares.idle)
}

func TestReady(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		a := newAnswering(t, secure)
		c := a.client(t, &http.Transport{})
		opened := func() int { return int(a.opened.Load()) }
		before := opened()
		if err := c.Ready(t.Context()); err != nil {
			t.Fatalf("Ready: %v", err)
		}
		becomes(t, "connections after Ready", opened, before+1)
		if _, err := c.Place(t.Context(), someCall()); err != nil {
			t.Fatalf("Place: %v", err)
		}
		if n := opened() - before; n != 1 || c.spareCount() != 0 {
			t.Errorf("secure %t: %d connections for one call, %d left", secure, n, c.spareCount())
		}
		// Without Ready it makes its own, and never takes one that was used.
		for range 2 {
			if _, err := c.Place(t.Context(), someCall()); err != nil {
				t.Fatalf("Place: %v", err)
			}
		}
		if n := opened() - before; n != 3 {
			t.Errorf("secure %t: %d connections for three calls", secure, n)
		}
	}
}

// A login in between does not take the connection that waits for a call.
func TestReadyIsForCalls(t *testing.T) {
	t.Parallel()
	a := newAnswering(t, false)
	c := a.client(t, &http.Transport{})
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.drop(c.usable())
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if n := c.spareCount(); n != 1 {
		t.Errorf("%d spare connections, want 1", n)
	}
}

// What the server has closed is not used: a request on it would leave open whether the call was placed.
func TestReadyConnectionThatTheServerClosed(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		a := newAnswering(t, secure)
		c := a.client(t, &http.Transport{})
		before := a.opened.Load()
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		becomes(t, "connections", func() int { return int(a.opened.Load() - before) }, 1)
		a.CloseClientConnections()
		becomes(t, "spare connections that stand", c.spareCount, 0)
		if _, err := c.Place(t.Context(), someCall()); err != nil {
			t.Errorf("secure %t: Place: %v", secure, err)
		}
	}
}

func TestReadyConnectionThatGrowsOld(t *testing.T) {
	t.Parallel()
	a := newAnswering(t, false)
	c := a.client(t, &http.Transport{})
	for range maxSpares + 2 {
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.spareCount(); n != maxSpares {
		t.Errorf("%d spare connections, want %d", n, maxSpares)
	}
	c.spares.mu.Lock()
	for _, x := range c.spares.idle {
		x.drop.Reset(0)
	}
	c.spares.mu.Unlock()
	becomes(t, "spare connections", c.spareCount, 0)
}

// Connecting takes longer than a slot is good for: nothing is sent too late, and the call is placed all the same.
func TestReadyBeforeASlowConnection(t *testing.T) {
	t.Parallel()
	a := newAnswering(t, true)
	var slow atomic.Bool
	c := a.client(t, &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if slow.Load() {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	slow.Store(true)
	call := someCall()
	call.SendBy = time.Now().Add(250 * time.Millisecond)
	if _, err := c.Place(t.Context(), call); !errors.Is(err, ErrTooLate) {
		t.Fatalf("without Ready: %v", err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	call.SendBy = time.Now().Add(250 * time.Millisecond)
	if _, err := c.Place(t.Context(), call); err != nil {
		t.Errorf("after Ready: %v", err)
	}
}

func TestReadyFails(t *testing.T) {
	t.Parallel()
	a := newAnswering(t, false)
	c := a.client(t, &http.Transport{})
	a.Close()
	var e *Error
	if err := c.Ready(t.Context()); !errors.As(err, &e) || e.Kind != NotSent || e.Op != "connect" {
		t.Errorf("nobody there: %v", err)
	}
	c = loggedIn((&platform{}).client(t, nil))
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("a transport of another kind: %v", err)
	}
	c = (&platform{token: func(w http.ResponseWriter, _ url.Values, _ int) { reply(400, `{"error":"invalid_grant"}`)(w, nil, "") }}).client(t, nil)
	if err := c.Ready(t.Context()); !errors.Is(err, ErrCredentials) {
		t.Errorf("wrong credentials: %v", err)
	}
}

// A proxy that tunnels, as companies have them.
func TestReadyThroughAProxy(t *testing.T) {
	t.Parallel()
	a := newAnswering(t, true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var tunnels, refused atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				r := bufio.NewReader(conn)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if req.Method != http.MethodConnect || req.Header.Get("Proxy-Authorization") != "Basic dXNlcjpwYXNz" {
					refused.Add(1)
					_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
					return
				}
				server, err := net.Dial("tcp", req.Host)
				if err != nil {
					return
				}
				defer func() { _ = server.Close() }()
				tunnels.Add(1)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
				go func() { _, _ = io.Copy(server, r) }()
				_, _ = io.Copy(conn, server)
			}()
		}
	}()
	through := func(user *url.Userinfo) *http.Transport {
		return &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: listener.Addr().String(), User: user})}
	}
	c := a.client(t, through(url.UserPassword("user", "pass")))
	before := tunnels.Load()
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with and without a connection that was made before
		if _, err := c.Place(t.Context(), someCall()); err != nil {
			t.Fatal(err)
		}
	}
	if n := tunnels.Load() - before; n != 2 {
		t.Errorf("%d tunnels for two calls", n)
	}
	wrong := through(url.UserPassword("user", "wrong"))
	wrong.TLSClientConfig = a.Client().Transport.(*http.Transport).TLSClientConfig //nolint:forcetypeassert // it is one
	c, err = New(Config{Server: a.URL, ClientID: "id", ClientSecret: "secret", JWT: "jwt", Transport: wrong})
	if err != nil {
		t.Fatal(err)
	}
	if err := loggedIn(c).Ready(t.Context()); kindOfError(err) != NotSent || refused.Load() == 0 {
		t.Errorf("refused by the proxy: %v", err)
	}
	if _, err := c.Place(t.Context(), someCall()); kindOfError(err) != NotSent {
		t.Errorf("refused by the proxy: %v", err)
	}
}
