package redistest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redisserver"
)

const (
	masters = 3
	slots   = 16384

	// formTimeout bounds every wait for servers to find each other.
	formTimeout = 60 * time.Second
)

// Cluster is a Redis Cluster of three masters without replicas that belongs to
// one test. It is not safe for concurrent use, but for URL and Client.
type Cluster struct {
	tb    testing.TB
	nodes []*Server
}

// StartCluster starts a cluster and waits until each node finds it whole, which
// takes two to three seconds. args are as for Start, the same for all nodes.
func StartCluster(tb testing.TB, args ...string) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for range masters {
		c.nodes = append(c.nodes, run(tb, redisserver.Options{Dir: tb.TempDir(), Args: args, Cluster: true}))
	}
	host, first, err := net.SplitHostPort(c.nodes[0].Addr())
	if err != nil {
		tb.Fatal(err)
	}
	for i, n := range c.nodes {
		rdb := n.Client(tb)
		ctx := tb.Context()
		for _, err := range []error{
			rdb.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(),
			rdb.ClusterAddSlotsRange(ctx, slots*i/masters, slots*(i+1)/masters-1).Err(),
			rdb.ClusterMeet(ctx, host, first).Err(),
		} {
			if err != nil {
				tb.Fatalf("form the cluster: %v", err)
			}
		}
	}
	c.whole()
	return c
}

// URL is the cluster's address as REDIS_URL takes it.
func (c *Cluster) URL() string {
	return "redis-cluster://" + strings.Join(c.addrs(), ",")
}

// Client returns a new client of the cluster with go-redis's defaults. It is
// closed at the end of tb.
func (c *Cluster) Client(tb testing.TB) *redis.ClusterClient {
	tb.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.addrs()})
	tb.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			tb.Errorf("close redis client: %v", err)
		}
	})
	return client
}

func (c *Cluster) addrs() []string {
	list := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		list[i] = n.Addr()
	}
	return list
}

// Shard says which of the nodes, counted from 0, has a key.
func (c *Cluster) Shard(key string) int {
	c.tb.Helper()
	slot, err := c.nodes[0].Client(c.tb).ClusterKeySlot(c.tb.Context(), key).Result()
	if err != nil {
		c.tb.Fatal(err)
	}
	for i := range c.nodes {
		if int(slot) < slots*(i+1)/masters {
			return i
		}
	}
	c.tb.Fatalf("slot %d of %s is nobody's", slot, key)
	return -1
}

// Node is one of the servers, for what they have in common with a plain one.
func (c *Cluster) Node(shard int) *Server { return c.nodes[shard] }

// Lose kills a node and starts it again without its data, but as the node that
// it was: the cluster sees a short outage, and the keys of a third of the slots
// are gone. It returns when the cluster serves all slots again.
func (c *Cluster) Lose(shard int) {
	c.tb.Helper()
	n := c.nodes[shard]
	n.Kill()
	files, err := os.ReadDir(n.Dir())
	if err != nil {
		c.tb.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "nodes.conf" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(n.Dir(), f.Name())); err != nil {
			c.tb.Fatal(err)
		}
	}
	n.Restart()
	c.whole()
}

// whole waits until every node knows all others and finds that all slots are served.
func (c *Cluster) whole() {
	c.tb.Helper()
	for _, n := range c.nodes {
		rdb := redis.NewClient(&redis.Options{Addr: n.Addr()})
		wait(c.tb, "the cluster is whole", func(ctx context.Context) bool {
			info, err := rdb.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(masters)) && strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots))
		})
		_ = rdb.Close() // it only asked
	}
}

// wait waits for a condition that servers bring about by themselves.
func wait(tb testing.TB, what string, met func(context.Context) bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), formTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !met(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("within %s it has not come about that %s", formTimeout, what)
		}
	}
}
