package redistest_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/redisurl"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	// Keys of three different shards.
	keys := map[int]string{}
	for _, k := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		keys[c.Shard(k)] = k
	}
	if len(keys) != 3 {
		t.Fatalf("the keys are on %d shards", len(keys))
	}
	rdb, err := redisurl.Open(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close() //nolint:errcheck // it has been asked all
	for _, k := range keys {
		if err := rdb.Set(t.Context(), k, "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	const lost = 1
	c.Lose(lost)
	for shard, k := range keys {
		want := error(nil)
		if shard == lost {
			want = redis.Nil
		}
		if err := rdb.Get(t.Context(), k).Err(); !errors.Is(err, want) {
			t.Errorf("shard %d after the loss of %d: %v, want %v", shard, lost, err, want)
		}
	}
}
