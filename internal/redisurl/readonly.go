package redisurl

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// reconnect closes a client's connections when a server says that it is read-only: a master that was demoted answers on, and
// only a new connection finds the one that has taken its place. go-redis does so by itself for Redis's own answer, but not
// for the same words in a script's error or from a proxy, which begin with ERR.
type reconnect struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
	last  time.Time // when they were closed last
}

// notMoreOften is how often connections are closed at most: more would only hinder those that are being made.
const notMoreOften = time.Second

// conn is a connection that can be closed by others than its user.
type conn struct {
	net.Conn
	of *reconnect
}

// SyscallConn lets go-redis see whether the connection still stands.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn() //nolint:wrapcheck // passed on
	}
	return nil, errors.ErrUnsupported
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close() //nolint:wrapcheck // passed on
}

// watch makes a client reconnect.
func watch(rdb redis.UniversalClient) {
	if c, ok := rdb.(*redis.ClusterClient); ok {
		c.OnNewNode(func(node *redis.Client) { node.AddHook(&reconnect{conns: map[*conn]struct{}{}}) })
		return
	}
	rdb.AddHook(&reconnect{conns: map[*conn]struct{}{}})
}

// DialHook is go-redis's.
func (r *reconnect) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		plain, err := next(ctx, network, addr)
		if err != nil {
			return nil, err //nolint:wrapcheck // passed on, here and below
		}
		c := &conn{Conn: plain, of: r}
		r.mu.Lock()
		r.conns[c] = struct{}{}
		r.mu.Unlock()
		if _, ok := plain.(syscall.Conn); !ok {
			return struct{ net.Conn }{c}, nil // TLS: go-redis must not look at what is below it
		}
		return c, nil
	}
}

// ProcessHook is go-redis's.
func (r *reconnect) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.closeIfReadOnly(err)
		return err //nolint:wrapcheck // passed on
	}
}

// ProcessPipelineHook is go-redis's.
func (r *reconnect) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		r.closeIfReadOnly(err)
		for _, cmd := range cmds {
			r.closeIfReadOnly(cmd.Err())
		}
		return err //nolint:wrapcheck // passed on
	}
}

// closeIfReadOnly closes all connections, at most once in a while, when err says that their server takes no writes.
func (r *reconnect) closeIfReadOnly(err error) {
	if !readOnly(err) {
		return
	}
	r.mu.Lock()
	if time.Since(r.last) < notMoreOften {
		r.mu.Unlock()
		return
	}
	r.last = time.Now()
	conns := r.conns
	r.conns = map[*conn]struct{}{}
	r.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // whoever uses it sees it closed, and go-redis tries again on another one
	}
}

// readOnly says whether a server has answered that it takes no writes.
func readOnly(err error) bool {
	var said redis.Error
	if !errors.As(err, &said) {
		return false
	}
	text := said.Error()
	return strings.HasPrefix(text, "READONLY ") || strings.HasPrefix(text, "ERR ") && strings.Contains(text, "READONLY ")
}
