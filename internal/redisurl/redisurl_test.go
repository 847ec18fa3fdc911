package redisurl

import (
	"errors"
	"strings"
	"testing"

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

func TestOpen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, err := Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := server.Client(t).ConfigSet(t.Context(), "requirepass", "sesame").Err(); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", ":wrong@", "nobody:wrong@"} {
		_, err := Open(t.Context(), "redis://"+user+server.Addr())
		if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "wrong") || !strings.Contains(err.Error(), server.Addr()) {
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
		"redis://:p@ss@h:1/0?password=x":            "redis://h:1/0",
		"redis-sentinel://:p@a:1,b:2/0?master=main": "redis-sentinel://a:1,b:2/0",
		"secret": "…",
	} {
		if got := Redact(address); got != want {
			t.Errorf("Redact(%q) = %q, want %q", address, got, want)
		}
	}
}
