package redisurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestNew(t *testing.T) {
	t.Parallel()
	single := func(address string) *redis.Options {
		t.Helper()
		c, ok := open(t, address).(*redis.Client)
		if !ok {
			t.Fatalf("%s is no plain client", address)
		}
		return c.Options()
	}
	if o := single("redis://:secret@host:7000/3"); o.Addr != "host:7000" || o.DB != 3 || o.Password != "secret" || o.TLSConfig != nil {
		t.Errorf("redis: %+v", o)
	}
	if o := single("rediss://user:secret@host"); o.Addr != "host:6379" || o.Username != "user" || o.TLSConfig == nil {
		t.Errorf("rediss: %+v", o)
	}
	if o := single("redis-sentinel://user:secret@a:1,b:2/4?master=main"); o.DB != 4 || o.Username != "user" || o.Password != "secret" || o.TLSConfig != nil {
		t.Errorf("redis-sentinel: %+v", o)
	}
	if o := single("rediss-sentinel://a:1,b:2?master=main"); o.TLSConfig == nil {
		t.Error("rediss-sentinel has no TLS")
	}
	for address, tls := range map[string]bool{"redis-cluster://:secret@a:1,b:2": false, "rediss-cluster://:secret@a:1,b:2": true} {
		c, ok := open(t, address).(*redis.ClusterClient)
		if !ok {
			t.Fatalf("%s is no cluster client", address)
		}
		if o := c.Options(); strings.Join(o.Addrs, " ") != "a:1 b:2" || o.Password != "secret" || (o.TLSConfig != nil) != tls {
			t.Errorf("%s: %+v", address, o)
		}
	}
}

func open(t *testing.T, address string) redis.UniversalClient {
	t.Helper()
	c, err := New(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "host:6379", "http://:secret@host", "redis://:secret@host/notanumber", "redis://:secret@host:port",
		"redis-sentinel://:secret@a:1,b:2", "redis-sentinel://:secret@a:1/x?master=m", "redis-sentinel://", "redis-cluster://:secret@",
	} {
		c, err := New(address)
		if !errors.Is(err, ErrURL) || c != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "redis://[user:password@]host:port/db") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestAmbiguous: where a character of the password may be taken for the end of it, the address is refused.
func TestAmbiguous(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"redis://:6380#xyzzy@db.example.com:6379/0",
		"redis://:xyzzy/plugh@h:6379",
		"redis://:xyzzy?plugh@h:6379",
		"redis://:xyzzy@plugh@h:6379",
		"redis://:xyzzy%plugh@h:6379",
		"redis://:xyzzy[plugh@h:6379",
		"redis://:xyzzy plugh@h:6379",
		"redis://:xyzzy\\plugh@h:6379",
		"redis://xyzzy#plugh:p@h",
		"rediss://:xyzzy#plugh@h",
		"redis-cluster://:xyzzy@plugh,b@h1:7000,h2:7000",
		"redis-cluster://:xyzzy/plugh@h1:7000,h2:7000",
		"redis-cluster://:xyzzy#@h1:7000",
		"redis-sentinel://:xyzzy#plugh@h1:26379/0?master=m",
		"redis-sentinel://:xyzzy@plugh@h1:26379/0?master=m",
		"redis://h:6379/0?client_name=xyzzy@plugh",
	} {
		c, err := New(text)
		if !errors.Is(err, ErrURL) || c != nil || !strings.Contains(err.Error(), "percent-encoded") {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, piece := range []string{"xyzzy", "plugh", "6380", "example"} {
			if strings.Contains(err.Error(), piece) {
				t.Errorf("%s: the message has %q: %v", text, piece, err)
			}
		}
		if Redact(text) != "…" {
			t.Errorf("%s is shown as %s", text, Redact(text))
		}
	}
	c, ok := open(t, "redis://:%2F%23%3F%40%25%3A%20@h:1").(*redis.Client)
	if !ok || c.Options().Password != "/#?@%: " || c.Options().Addr != "h:1" {
		t.Errorf("encoded: %+v", c.Options())
	}
}

// FuzzPassword: whatever the password is, its percent-encoded form comes out as it was, and as it is it is either that or
// refused; the host is never another one, and no message has a piece of it.
func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"plain", "p@ss", "p/ss", "6380#x", "a,b@c", "%41", "%", "[::1]", "?db=2", ":", "@", "\x00", "é"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, password string, which uint8) {
		scheme := []string{"redis", "rediss", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"}[int(which)%6]
		tail := "@db.example.com:7000"
		if strings.HasSuffix(scheme, "sentinel") {
			tail += "/0?master=m"
		}
		got := func(encoded string) (string, string, error) {
			text := scheme + "://:" + encoded + tail
			a, err := parse(text)
			if err != nil {
				if len(password) > 12 && strings.Contains(err.Error(), password) {
					t.Errorf("the message has the password: %v", err)
				}
				if Redact(text) != "…" {
					t.Errorf("it is shown as %s", Redact(text))
				}
				return "", "", err
			}
			return a.password(), strings.Join(a.hosts, ","), nil
		}
		var encoded strings.Builder
		for _, b := range []byte(password) {
			fmt.Fprintf(&encoded, "%%%02X", b)
		}
		if p, host, err := got(encoded.String()); err != nil || p != password || host != "db.example.com:7000" {
			t.Errorf("%q encoded: %q at %q, %v", password, p, host, err)
		}
		if _, host, err := got(password); err == nil && host != "db.example.com:7000" {
			t.Errorf("%q as it is: at %q", password, host)
		}
	})
}

// FuzzParse: an address that is taken has the host that net/url sees, or is one that net/url cannot read.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"redis://h", "redis://u:p@[::1]:1/2", "redis-cluster://a,b:1", "redis-sentinel://a/1?master=m", "redis://:6380#x@h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parse(text)
		if err != nil || a.kind != single {
			return
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatalf("%q is taken: %v", text, err)
		}
		if host, _, err := net.SplitHostPort(a.hosts[0]); err != nil || host != u.Hostname() {
			t.Errorf("%q: host %q, want %q", text, a.hosts[0], u.Hostname())
		}
		if p, _ := u.User.Password(); p != a.password() || u.User.Username() != a.user.Username() {
			t.Errorf("%q: another user or password", text)
		}
	})
}

// TestReadOnlyReconnects: a master that was demoted answers on; a new connection reaches the one in its place, through the
// same address.
func TestReadOnlyReconnects(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"Redis": "READONLY You can't write against a read only replica.",
		"proxy": "ERR READONLY You can't write against a read only replica.",
		"6.2":   "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			demoted, promoted := miniredis.RunT(t), miniredis.RunT(t)
			var target atomic.Pointer[miniredis.Miniredis]
			target.Store(demoted)
			proxy := redistest.StartProxyTo(t, func() string { return target.Load().Addr() }, 0)
			rdb, err := Open(t.Context(), proxy.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer rdb.Close() //nolint:errcheck // it has been asked all
			if err := rdb.Set(t.Context(), "k", "before", 0).Err(); err != nil {
				t.Fatal(err)
			}
			demoted.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
				if strings.EqualFold(cmd, "SET") {
					c.WriteError(answer)
					return true
				}
				return false
			})
			target.Store(promoted)
			for end := time.Now().Add(20 * time.Second); rdb.Set(t.Context(), "k", "after", 0).Err() != nil; {
				if time.Now().After(end) {
					t.Fatal("the client writes to the demoted master for ever")
				}
			}
			if v, err := promoted.Get("k"); err != nil || v != "after" {
				t.Errorf("the new master has %q, %v", v, err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	redisServer := redistest.Start(t)
	c, err := Open(t.Context(), redisServer.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := redisServer.Client(t).ConfigSet(t.Context(), "requirepass", "sesame").Err(); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", ":wrong@", "nobody:wrong@"} {
		_, err := Open(t.Context(), "redis://"+user+redisServer.Addr())
		if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "wrong") || !strings.Contains(err.Error(), redisServer.Addr()) {
			t.Errorf("with %q: %v", user, err)
		}
	}
	_, err = Open(t.Context(), "redis://:wrong@127.0.0.1:1/0")
	if err == nil || errors.Is(err, ErrURL) || strings.Contains(err.Error(), "wrong") || !strings.Contains(err.Error(), "127.0.0.1:1/0 does not answer") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"redis://h:1/0":                             "redis://h:1/0",
		"redis://u:p@h:1/0":                         "redis://h:1/0",
		"redis://:p@ss@h:1/0?password=x":            "…",
		"redis://:p/ss@h:1":                         "…",
		"redis://u:p@h?protocol=2":                  "redis://h:6379/0",
		"redis-sentinel://:p@a:1,b:2/0?master=main": "redis-sentinel://a:1,b:2/0",
		"secret": "…",
	} {
		if got := Redact(address); got != want {
			t.Errorf("Redact(%q) = %q, want %q", address, got, want)
		}
	}
}
