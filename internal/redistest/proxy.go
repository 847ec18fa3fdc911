package redistest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy forwards TCP connections of 127.0.0.1 and takes its time for it. It is
// safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   func() string
	delay    atomic.Int64 // nanoseconds, each way

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	shut  bool
	wg    sync.WaitGroup
}

// StartProxy starts a proxy to target, a host:port. Whatever is sent arrives
// delay later, in both directions, as over a long line: a round trip takes twice
// as long, and what follows closely is not held up more. The connection itself
// is made without a delay. The proxy ends with the test.
func StartProxy(tb testing.TB, target string, delay time.Duration) *Proxy {
	tb.Helper()
	return StartProxyTo(tb, func() string { return target }, delay)
}

// StartProxyTo is StartProxy where each new connection may go elsewhere.
func StartProxyTo(tb testing.TB, target func() string, delay time.Duration) *Proxy {
	tb.Helper()
	p, err := NewProxy(tb.Context(), target, delay)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("close proxy: %v", err)
		}
	})
	return p
}

// NewProxy is StartProxyTo without a test: it ends with Close.
func NewProxy(ctx context.Context, target func() string, delay time.Duration) (*Proxy, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.Delay(delay)
	p.wg.Go(p.accept)
	return p, nil
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.wg.Wait()
	return err
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL is the address of a Redis behind the proxy as REDIS_URL takes it, with
// database 0.
func (p *Proxy) URL() string { return "redis://" + p.Addr() + "/0" }

// Delay changes the delay, each way, of what is sent from now on.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Cut closes all connections; new ones may be made.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // the other end may have been first
	}
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target()) //nolint:noctx // loopback answers at once
		if err != nil {
			_ = near.Close()
			continue
		}
		if !p.add(near, far) {
			return
		}
		p.wg.Go(func() { p.forward(far, near) })
		p.wg.Go(func() { p.forward(near, far) })
	}
}

// add remembers connections for Cut; false if the proxy has ended.
func (p *Proxy) add(list ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range list {
		if p.shut {
			_ = c.Close()
			continue
		}
		p.conns[c] = struct{}{}
	}
	return !p.shut
}

// parcel is what was read at once, and when it arrives.
type parcel struct {
	data []byte
	due  time.Time
}

// forward sends on what it reads. When either end is closed, so is the other.
func (p *Proxy) forward(to, from net.Conn) {
	queue := make(chan parcel, 1024)
	p.wg.Go(func() {
		timer := time.NewTimer(0)
		defer timer.Stop()
		broken := false
		for next := range queue {
			timer.Reset(time.Until(next.due))
			<-timer.C
			if !broken {
				_, err := to.Write(next.data)
				broken = err != nil
			}
		}
		_ = to.Close()
		p.mu.Lock()
		delete(p.conns, to)
		p.mu.Unlock()
	})
	for buf := make([]byte, 64<<10); ; {
		n, err := from.Read(buf)
		if n > 0 {
			queue <- parcel{slices.Clone(buf[:n]), time.Now().Add(time.Duration(p.delay.Load()))}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			close(queue)
			return
		}
	}
}
