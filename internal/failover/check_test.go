package failover

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

// checked runs Check and returns what it logged.
func checked(t *testing.T, rdb redis.UniversalClient) (string, error) {
	t.Helper()
	var log bytes.Buffer
	err := Check(t.Context(), rdb, zerolog.New(&log))
	return log.String(), err
}

func TestEvictionIsRefused(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	rdb := s.Client(t)
	_, err := checked(t, rdb)
	if err == nil {
		t.Fatal("allkeys-lru is accepted")
	}
	for _, want := range []string{"maxmemory-policy is allkeys-lru", "redis-cli CONFIG SET maxmemory-policy noeviction", "redis.conf"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := checked(t, rdb); err != nil {
		t.Errorf("after the advised command: %v", err)
	}
}

func TestWhatACrashMeans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"no append-only file", nil, []string{`"warn"`, "no append-only file", "appendonly yes"}},
		{"every second", []string{"--appendonly", "yes", "--appendfsync", "everysec"}, []string{`"info"`, "after a second", "power cut"}},
		{"always", []string{"--appendonly", "yes", "--appendfsync", "always"}, []string{`"info"`, "a killed Redis or a power cut loses none"}},
		{"never", []string{"--appendonly", "yes", "--appendfsync", "no"}, []string{`"warn"`, "half minute", "appendfsync always"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log, err := checked(t, redistest.Start(t, tt.args...).Client(t))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(log, "\n") != 1 {
				t.Errorf("want one line, got %s", log)
			}
			for _, want := range append(tt.want, "after each restart or failover nothing is dialled until") {
				if !strings.Contains(log, want) {
					t.Errorf("%s lacks %q", log, want)
				}
			}
			if strings.Contains(log, "replicas") {
				t.Errorf("%s speaks of replicas", log)
			}
		})
	}
}

func TestReplicasAreMentioned(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	host, port, _ := strings.Cut(s.Addr(), ":")
	redistest.Start(t, "--replicaof", host+" "+port)
	rdb := s.Client(t)
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		log, err := checked(t, rdb)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log, "a failover to one of its 1 replicas loses the claims") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the replica is not mentioned: %s", log)
		}
	}
}

func TestForbiddenCommands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, rule, want string }{
		{"INFO", "-info", "does not let the worker read INFO"},
		{"CONFIG", "-config", "does not let the worker read how often"},
		{"MEMORY", "-memory", "does not let the worker use MEMORY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, "--appendonly", "yes")
			if err := s.Client(t).Do(t.Context(), "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", tt.rule).Err(); err != nil {
				t.Fatal(err)
			}
			rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: "app", Password: "secret"})
			t.Cleanup(func() { _ = rdb.Close() })
			log, err := checked(t, rdb)
			if err != nil || !strings.Contains(log, tt.want) {
				t.Errorf("got %v and %s, want %q", err, log, tt.want)
			}
		})
	}
}

func TestEmbeddedRedisIsSilent(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	if log, err := checked(t, rdb); err != nil || log != "" {
		t.Errorf("got %v and %s", err, log)
	}
}

func TestRedisAwayIsAnError(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	rdb := s.Client(t)
	s.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Check(ctx, rdb, zerolog.Nop()); err == nil {
		t.Error("a Redis that does not answer passes")
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		redis, valkey string
		ok            bool
	}{
		{"6.0.16", "", false},
		{"5.0.7", "", false},
		{"6.2.0", "", true},
		{"7.0.15", "", true},
		{"8.2", "", true},
		{"255.255.255", "", true},
		{"7.2.4", "8.0.1", true},
		{"", "", true},
		{"unstable", "", true},
	} {
		s := server{info: map[string]string{"redis_version": tt.redis, "valkey_version": tt.valkey}}
		if err := s.fit(); (err == nil) != tt.ok {
			t.Errorf("redis %q, valkey %q: %v", tt.redis, tt.valkey, err)
		}
	}
}
