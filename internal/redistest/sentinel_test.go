package redistest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/redisurl"
)

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	rdb, err := redisurl.Open(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close() //nolint:errcheck // it has been asked all
	first := s.Master()
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.Do(t.Context(), "WAIT", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Failover()
	if s.Master() == first {
		t.Error("the master is the one that was killed")
	}
	if v, err := s.Client(t).Get(t.Context(), "k").Result(); err != nil || v != "v" {
		t.Errorf("after the failover: %q, %v", v, err)
	}
	s.Rejoin()
	s.Switch()
	if s.Master() != first {
		t.Error("the first server is not the master again")
	}
	if v, err := s.Client(t).Get(t.Context(), "k").Result(); err != nil || v != "v" {
		t.Errorf("after the switch: %q, %v", v, err)
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	o, err := redis.ParseURL(s.UserURL("-memory", "-config"))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer rdb.Close() //nolint:errcheck // it has been asked all
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Errorf("set: %v", err)
	}
	if err := rdb.MemoryUsage(t.Context(), "k").Err(); err == nil {
		t.Error("MEMORY is allowed")
	}
	if err := rdb.ConfigGet(t.Context(), "maxmemory").Err(); err == nil {
		t.Error("CONFIG is allowed")
	}
}
