package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redisserver"
)

const masterName = "main"

// Sentinel is a master, a replica and the Sentinel that watches them, which
// belong to one test. It is not safe for concurrent use, but for URL and Client.
type Sentinel struct {
	tb       testing.TB
	servers  []*Server
	sentinel *Server
	rdb      *redis.SentinelClient
}

// StartSentinel starts the three and waits until the replica has the master's
// data. args are as for Start, for the master and the replica. The master counts
// as gone after a second.
func StartSentinel(tb testing.TB, args ...string) *Sentinel {
	tb.Helper()
	master := Start(tb, args...)
	host, port, err := net.SplitHostPort(master.Addr())
	if err != nil {
		tb.Fatal(err)
	}
	replica := Start(tb, append([]string{"--replicaof", host + " " + port}, args...)...)
	s := &Sentinel{tb: tb, servers: []*Server{master, replica}}
	// A Sentinel looks at its servers every ten seconds: what it sees first should be good.
	s.synced(replica)
	s.sentinel = run(tb, redisserver.Options{Dir: tb.TempDir(), Sentinel: fmt.Sprintf("sentinel monitor %[1]s %s %s 1\n"+
		"sentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 5000", masterName, host, port)})
	s.rdb = redis.NewSentinelClient(&redis.Options{Addr: s.sentinel.Addr()})
	tb.Cleanup(func() { _ = s.rdb.Close() }) // it only asked
	s.joined()
	return s
}

// URL is the set's address as REDIS_URL takes it.
func (s *Sentinel) URL() string {
	return "redis-sentinel://" + s.sentinel.Addr() + "/0?master=" + masterName
}

// Client returns a new client that follows the master, with go-redis's defaults.
// It is closed at the end of tb.
func (s *Sentinel) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: masterName, SentinelAddrs: []string{s.sentinel.Addr()}})
	tb.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			tb.Errorf("close redis client: %v", err)
		}
	})
	return client
}

// Master is the server that is the master by the Sentinel's word.
func (s *Sentinel) Master() *Server {
	s.tb.Helper()
	i := s.master(s.tb.Context())
	if i < 0 {
		s.tb.Fatal("the Sentinel knows no master")
	}
	return s.servers[i]
}

// Failover kills the master, as a crash does, and returns when the replica is
// the master. The old one stays down until Rejoin.
func (s *Sentinel) Failover() {
	s.tb.Helper()
	old := s.Master()
	old.Kill()
	s.changed(old)
}

// Switch makes the replica the master while both run: the old master becomes
// read-only, and keeps its connections until the Sentinel has told it.
func (s *Sentinel) Switch() {
	s.tb.Helper()
	old := s.Master()
	// A Sentinel accepts this only once it knows that the replica is healthy.
	wait(s.tb, "the Sentinel begins a failover", func(ctx context.Context) bool {
		return s.rdb.Failover(ctx, masterName).Err() == nil
	})
	s.changed(old)
}

// Rejoin starts the server that Failover has killed as a replica, and waits
// until it has the master's data.
func (s *Sentinel) Rejoin() {
	s.tb.Helper()
	master := s.Master()
	host, port, err := net.SplitHostPort(master.Addr())
	if err != nil {
		s.tb.Fatal(err)
	}
	for _, server := range s.servers {
		if server == master {
			continue
		}
		server.Restart()
		// The Sentinel would do it too, some ten seconds later.
		if err := server.Client(s.tb).ReplicaOf(s.tb.Context(), host, port).Err(); err != nil {
			s.tb.Fatal(err)
		}
		s.synced(server)
	}
	s.joined()
}

// master is the master's place in servers, -1 if there is none.
func (s *Sentinel) master(ctx context.Context) int {
	addr, err := s.rdb.GetMasterAddrByName(ctx, masterName).Result()
	if err != nil || len(addr) != 2 {
		return -1
	}
	for i, server := range s.servers {
		if server.Addr() == net.JoinHostPort(addr[0], addr[1]) {
			return i
		}
	}
	return -1
}

// changed waits until another server than old is the master, and can be written to.
func (s *Sentinel) changed(old *Server) {
	s.tb.Helper()
	wait(s.tb, "there is another master", func(ctx context.Context) bool {
		i := s.master(ctx)
		return i >= 0 && s.servers[i] != old && s.info(ctx, s.servers[i], "role") == "master"
	})
}

// synced waits until a replica has its master's data.
func (s *Sentinel) synced(replica *Server) {
	s.tb.Helper()
	wait(s.tb, "the replica has the master's data", func(ctx context.Context) bool {
		return s.info(ctx, replica, "master_link_status") == "up"
	})
}

// joined waits until the Sentinel knows of the replica and finds it healthy.
func (s *Sentinel) joined() {
	s.tb.Helper()
	wait(s.tb, "the Sentinel knows the replica", func(ctx context.Context) bool {
		replicas, err := s.rdb.Replicas(ctx, masterName).Result()
		return err == nil && len(replicas) > 0 && replicas[0]["flags"] == "slave"
	})
}

// info is a field of a server's replication section; "" if it does not answer.
func (s *Sentinel) info(ctx context.Context, server *Server, field string) string {
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer rdb.Close() //nolint:errcheck // it only asked
	info, err := rdb.InfoMap(ctx, "replication").Result()
	if err != nil {
		return ""
	}
	return info["Replication"][field]
}
