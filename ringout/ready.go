package ringout

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// spareLife is how long a connection is kept that nothing was sent on: less than servers wait for a first request.
	spareLife = 20 * time.Second
	// maxSpares is for as many calls as are placed at a time.
	maxSpares = 16
)

// Ready does before a call what takes time: it logs in where that is needed, and makes a connection for the next [Client.Place],
// which is kept for 20 seconds. It sends no request but a login's. With a Config.Transport that is no *http.Transport, or one
// through a proxy other than HTTP's, it only logs in.
//
// An error is Login's, or NotSent where RingCentral cannot be reached.
func (c *Client) Ready(ctx context.Context) error {
	if err := c.Login(ctx); err != nil || c.spares == nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout,
		fmt.Errorf("no connection within %s: %w", c.config.Timeout, context.DeadlineExceeded))
	defer cancel()
	if err := c.spares.add(ctx); err != nil {
		return failure(opConnect, NotSent, why(ctx, err), c.hidden())
	}
	return nil
}

// spares are connections to RingCentral that nothing was sent on yet.
type spares struct {
	connect func(context.Context) (net.Conn, error)

	mu   sync.Mutex
	idle []*spare // the newest last
}

// spare is one of them. Somebody reads from it all the time, and so knows when the other side closes it.
type spare struct {
	conn  net.Conn
	ended chan error // why reading ended
	drop  *time.Timer
}

// transport is a copy of t that takes spares first.
func (s *spares) transport(t *http.Transport) *http.Transport {
	t = t.Clone()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn := s.take()
		if conn == nil {
			var err error
			if conn, err = s.connect(ctx); err != nil {
				return nil, err
			}
		}
		return guard(ctx, conn), nil
	}
	t.Proxy = nil // connect has gone through it
	t.DialContext, t.DialTLSContext = dial, dial
	return t
}

func (s *spares) add(ctx context.Context) error {
	s.mu.Lock()
	enough := len(s.idle) >= maxSpares
	s.mu.Unlock()
	if enough {
		return nil
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	x := &spare{conn: conn, ended: make(chan error, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, x)
	x.drop = time.AfterFunc(spareLife, func() { s.discard(x) })
	go func() {
		// A server says nothing before it is asked. Session tickets and the like are TLS's own and do not end this.
		_, err := conn.Read(make([]byte, 1))
		x.ended <- err
		s.discard(x) // unless it is being taken
	}()
	return nil
}

// remove takes x out, unless somebody else has.
func (s *spares) remove(x *spare) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.idle, x)
	if i < 0 {
		return false
	}
	s.idle = slices.Delete(s.idle, i, i+1)
	x.drop.Stop()
	return true
}

func (s *spares) discard(x *spare) {
	if s.remove(x) {
		_ = x.conn.Close()
	}
}

// take returns the newest spare that still stands, nil if there is none.
func (s *spares) take() net.Conn {
	for {
		s.mu.Lock()
		var x *spare
		if n := len(s.idle); n > 0 {
			x = s.idle[n-1]
		}
		s.mu.Unlock()
		if x == nil {
			return nil
		}
		if s.remove(x) && x.handOver() {
			return x.conn
		}
	}
}

// handOver ends the reading, and says whether the connection is as good as new.
func (x *spare) handOver() bool {
	interrupted := func() bool {
		if x.conn.SetReadDeadline(time.Unix(1, 0)) != nil {
			return false
		}
		select {
		case err := <-x.ended:
			var timeout net.Error
			return errors.As(err, &timeout) && timeout.Timeout()
		case <-time.After(100 * time.Millisecond): // a connection that does not do as it is told
			return false
		}
	}
	if !interrupted() || x.conn.SetReadDeadline(time.Time{}) != nil {
		_ = x.conn.Close()
		return false
	}
	return true
}

// connector returns what makes connections to the server as t would, TLS included; nil where only t can.
func connector(t *http.Transport, server string) func(context.Context) (net.Conn, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil
	}
	var proxy *url.URL
	if t.Proxy != nil {
		if proxy, err = t.Proxy(&http.Request{URL: u, Header: http.Header{}}); err != nil {
			return nil
		}
	}
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	secure := u.Scheme == "https"
	switch {
	case proxy == nil && !secure:
		return func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address(u)) }
	case proxy == nil && t.DialTLSContext != nil:
		return func(ctx context.Context) (net.Conn, error) { return t.DialTLSContext(ctx, "tcp", address(u)) }
	case proxy == nil:
		return func(ctx context.Context) (net.Conn, error) {
			conn, err := dial(ctx, "tcp", address(u))
			if err != nil {
				return nil, err
			}
			return handshake(ctx, t, conn, u.Hostname())
		}
	case secure && (proxy.Scheme == "http" || proxy.Scheme == "https"):
		return func(ctx context.Context) (net.Conn, error) {
			conn, err := dial(ctx, "tcp", address(proxy))
			if err == nil && proxy.Scheme == "https" {
				conn, err = handshake(ctx, t, conn, proxy.Hostname())
			}
			if err != nil {
				return nil, err
			}
			if err := tunnel(ctx, t, conn, proxy, address(u)); err != nil {
				_ = conn.Close()
				return nil, err
			}
			return handshake(ctx, t, conn, u.Hostname())
		}
	}
	return nil
}

// address is host and port.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// handshake begins TLS, and closes the connection where that fails.
func handshake(ctx context.Context, t *http.Transport, conn net.Conn, host string) (net.Conn, error) {
	config := t.TLSClientConfig.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = nil // HTTP/1.1 only
	if t.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// tunnel asks a proxy to connect to the server.
func tunnel(ctx context.Context, t *http.Transport, conn net.Conn, proxy *url.URL, server string) error {
	header := t.ProxyConnectHeader.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if proxy.User != nil && header.Get("Proxy-Authorization") == "" {
		password, _ := proxy.User.Password()
		header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: server}, Host: server, Header: header}
	if err := req.Write(conn); err != nil {
		return err
	}
	// The server says nothing before TLS begins, so that the reader holds nothing of it.
	resp, err := http.ReadResponse(bufio.NewReader(conn), req) //nolint:bodyclose // the connection goes on as the tunnel
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answered the connection with HTTP %d", resp.StatusCode)
	}
	return nil
}
