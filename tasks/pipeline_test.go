package tasks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// push appends its argument to a list.
var push = redis.NewScript("redis.call('RPUSH', KEYS[1], ARGV[1]) return tonumber(ARGV[1])")

// pipes counts the pipelines and the single commands of a client.
type pipes struct{ pipelines, singles atomic.Int64 }

func (p *pipes) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (p *pipes) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		p.singles.Add(1)
		return next(ctx, cmd)
	}
}

func (p *pipes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		p.pipelines.Add(1)
		return next(ctx, cmds)
	}
}

// together runs the script once for each of n positions, but for those that leave without one.
func together(ctx context.Context, rdb *redis.Client, n int, absent ...int) []error {
	client := &pipelined{rdb}
	b := newBatch(n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer b.leave(ctx, rdb, i)
			if slices.Contains(absent, i) {
				return
			}
			got, err := push.Run(b.at(ctx, i), client, []string{"list"}, i).Int()
			if err == nil && got != i {
				err = fmt.Errorf("the reply of %d", got)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errs
}

func inOrder(t *testing.T, rdb *redis.Client, n int, absent ...int) {
	t.Helper()
	var want []string
	for i := range n {
		if !slices.Contains(absent, i) {
			want = append(want, fmt.Sprint(i))
		}
	}
	if got := rdb.LRange(t.Context(), "list", 0, -1).Val(); !slices.Equal(got, want) {
		t.Errorf("ran in the order %v", got)
	}
	rdb.Del(t.Context(), "list")
}

func TestPipelineKeepsOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := errors.Join(together(t.Context(), b.rdb, 2)...); err != nil { // connects
		t.Fatal(err)
	}
	inOrder(t, b.rdb, 2)
	count := &pipes{}
	b.rdb.AddHook(count)
	for _, c := range []struct {
		name      string
		before    func()
		absent    []int
		pipelines int64 // each a round trip
	}{
		{"script not known", func() { b.rdb.ScriptFlush(t.Context()) }, nil, 2},
		{"script known", func() {}, nil, 1},
		{"some leave early", func() {}, []int{0, 17, 99}, 1},
		{"some leave early, script not known", func() { b.rdb.ScriptFlush(t.Context()) }, []int{0, 17, 99}, 2},
	} {
		c.before()
		count.pipelines.Store(0)
		count.singles.Store(0)
		if err := errors.Join(together(t.Context(), b.rdb, 100, c.absent...)...); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if p, s := count.pipelines.Load(), count.singles.Load(); p != c.pipelines || s != 0 {
			t.Errorf("%s: %d pipelines and %d single commands, want %d and none", c.name, p, s, c.pipelines)
		}
		inOrder(t, b.rdb, 100, c.absent...)
	}
}

func TestPipelineOfNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := errors.Join(together(t.Context(), b.rdb, 3, 0, 1, 2)...); err != nil {
		t.Error(err)
	}
}

func TestPipelineCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, err := range together(ended(t.Context()), b.rdb, 10) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	if n := b.rdb.Exists(t.Context(), "list").Val(); n != 0 {
		t.Error("something ran")
	}
}

// TestPipelineSecondScript lets a caller run its script again, which goes by itself.
func TestPipelineSecondScript(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client, batch := &pipelined{b.rdb}, newBatch(1)
	ctx := batch.at(t.Context(), 0)
	for range 3 {
		if err := push.Run(ctx, client, []string{"list"}, 1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	batch.leave(ctx, b.rdb, 0)
	if n := b.rdb.LLen(t.Context(), "list").Val(); n != 3 {
		t.Errorf("ran %d times, want 3", n)
	}
	// And without a batch at all.
	if err := push.Run(t.Context(), client, []string{"list"}, 1).Err(); err != nil {
		t.Error(err)
	}
}
