package tasks

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

func TestCancelEmptiesQueues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, n := range []int{0, 0} { // without a task at all, and again
		if got, err := Cancel(t.Context(), b.rdb, "spring"); err != nil || got != n {
			t.Fatalf("cancelled %d, %v", got, err)
		}
	}
	b = setup(t)
	b.add(t, 5)
	if got, err := Cancel(t.Context(), b.rdb, "spring"); err != nil || got != 5 {
		t.Fatalf("cancelled %d, %v; want 5", got, err)
	}
	info, err := b.inspector.GetQueueInfo("spring")
	if err != nil || info.Size != 0 {
		t.Errorf("queue %+v, %v", info, err)
	}
	c, err := b.ledger.Campaign(t.Context(), "spring")
	if err != nil || c.Counts.Waiting != 0 || c.Counts.Outcomes[campaign.Cancelled] != 5 {
		t.Errorf("campaign %+v, %v", c, err)
	}
	if _, err := b.producer.Import(t.Context(), b.rules, contacts(6), nil); err == nil {
		t.Error("a cancelled campaign takes contacts")
	}
	if _, err := Cancel(t.Context(), b.rdb, "nope"); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("a campaign that is not there: %v", err)
	}
}

// scriptSizes notes how many keys each script names.
type scriptSizes struct {
	mu   sync.Mutex
	most int
	runs int
}

func (s *scriptSizes) note(cmds ...redis.Cmder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range cmds {
		if name := cmd.Name(); name != "evalsha" && name != "eval" {
			continue
		}
		n, _ := cmd.Args()[2].(int)
		s.runs, s.most = s.runs+1, max(s.most, n)
	}
}

func (s *scriptSizes) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (s *scriptSizes) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { s.note(cmd); return next(ctx, cmd) }
}

func (s *scriptSizes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { s.note(cmds...); return next(ctx, cmds) }
}

// TestCancelInSteps cancels and deletes a campaign with tasks in all states: no script is given more than a few hundred
// contacts or tasks, so that none keeps Redis from its other work for long.
func TestCancelInSteps(t *testing.T) {
	t.Parallel()
	const n, most = 5000, 256
	b := setup(t)
	b.add(t, n)
	// A third of the tasks is not due yet, a third was put off.
	ids, err := b.rdb.LPopCount(t.Context(), asynqkeys.Pending("spring"), n/3*2).Result()
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		set, state := asynqkeys.Scheduled("spring"), asynqkeys.StateScheduled
		if i%2 == 0 {
			set, state = asynqkeys.Retry("spring"), asynqkeys.StateRetry
		}
		b.rdb.ZAdd(t.Context(), set, redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: id})
		b.rdb.HSet(t.Context(), asynqkeys.Task("spring", id), asynqkeys.State, state)
	}
	sizes := &scriptSizes{}
	b.rdb.AddHook(sizes)
	if got, err := Cancel(t.Context(), b.rdb, "spring"); err != nil || got != n {
		t.Fatalf("cancelled %d, %v", got, err)
	}
	if sizes.most > most || sizes.runs < 2*n/most {
		t.Errorf("%d scripts, the largest with %d keys", sizes.runs, sizes.most)
	}
	if clearPage > most {
		t.Errorf("a script deletes %d tasks", clearPage)
	}
	left := b.rdb.Keys(t.Context(), asynqkeys.Tasks("spring")+"*").Val()
	if l, err := ReadLoad(t.Context(), b.rdb, "spring"); err != nil || l != (Load{}) || len(left) > 0 {
		t.Errorf("%+v and %d tasks are left, %v", l, len(left), err)
	}
	if got, err := Delete(t.Context(), b.rdb, "spring"); err != nil || got != n {
		t.Fatalf("deleted %d, %v", got, err)
	}
	if sizes.most > most {
		t.Errorf("the largest script has %d keys", sizes.most)
	}
	if left := b.leftOf(t, "spring"); len(left) > 0 {
		t.Errorf("left are %v", left[:min(len(left), 10)])
	}
}

// TestClearIsExact clears a list while tasks come and go at its ends.
func TestClearIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, 3)
	b.rdb.LPush(t.Context(), asynqkeys.Pending("spring"), "spring:gone:1")
	left, err := clearScript.Run(t.Context(), b.rdb, []string{asynqkeys.Pending("spring")}, asynqkeys.Tasks("spring"), 2).Int()
	if err != nil || left != 2 {
		t.Fatalf("%d left, %v", left, err)
	}
	if ids := b.rdb.LRange(t.Context(), asynqkeys.Pending("spring"), 0, -1).Val(); !slices.Equal(ids, []string{"spring:gone:1", "spring:c2:1"}) {
		t.Errorf("left are %v", ids)
	}
	for id, want := range map[string]int64{"spring:c0:1": 0, "spring:c1:1": 0, "spring:c2:1": 1} {
		if n := b.rdb.Exists(t.Context(), asynqkeys.Task("spring", id)).Val(); n != want {
			t.Errorf("task %s: %d, want %d", id, n, want)
		}
	}
}
