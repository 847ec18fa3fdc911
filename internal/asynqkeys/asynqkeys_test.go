package asynqkeys

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const queue = "spring"

// TestNames lets Asynq itself bring tasks into each state and compares all that it writes with what this package says.
func TestNames(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() }) // nothing to lose
	client, inspector := asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	enqueue := func(id string, opts ...asynq.Option) {
		t.Helper()
		opts = append(opts, asynq.TaskID(id), asynq.Queue(queue), asynq.Retention(time.Hour), asynq.MaxRetry(100))
		_, err := client.EnqueueContext(t.Context(), asynq.NewTask(id, nil), opts...)
		must(err)
	}
	running, finish := make(chan struct{}), make(chan struct{})
	for _, id := range []string{"active", "completed", "retry", "archived"} {
		enqueue(id)
	}
	srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Queues: map[string]int{queue: 1}, Concurrency: 4, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 10 * time.Millisecond, DelayedTaskCheckInterval: time.Hour,
	})
	must(srv.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		switch task.Type() {
		case "active":
			close(running)
			<-finish
		case "retry":
			return errors.New("again")
		case "archived":
			return asynq.SkipRetry
		}
		return nil
	})))
	defer srv.Shutdown()
	defer close(finish)
	<-running
	deadline := time.Now().Add(10 * time.Second)
	for rdb.ZCard(t.Context(), Completed(queue)).Val()+rdb.ZCard(t.Context(), Retry(queue)).Val()+rdb.ZCard(t.Context(), Archived(queue)).Val() < 3 {
		if time.Now().After(deadline) {
			t.Fatalf("the tasks do not come to where they should be: %v", server.Keys())
		}
		time.Sleep(time.Millisecond)
	}
	must(inspector.PauseQueue(queue))
	enqueue("pending")
	enqueue("scheduled", asynq.ProcessIn(time.Hour))

	for key, want := range map[string]string{Pending(queue): "pending", Active(queue): "active"} {
		if ids := rdb.LRange(t.Context(), key, 0, -1).Val(); !slices.Equal(ids, []string{want}) {
			t.Errorf("%s has %v, want %s", key, ids, want)
		}
	}
	for key, want := range map[string]string{
		Lease(queue): "active", Scheduled(queue): "scheduled", Retry(queue): "retry", Archived(queue): "archived", Completed(queue): "completed",
	} {
		if ids := rdb.ZRange(t.Context(), key, 0, -1).Val(); !slices.Equal(ids, []string{want}) {
			t.Errorf("%s has %v, want %s", key, ids, want)
		}
	}
	due := rdb.ZScore(t.Context(), Scheduled(queue), "scheduled").Val()
	if away := time.Until(time.Unix(int64(due), 0)); away < 50*time.Minute || away > 70*time.Minute {
		t.Errorf("what is due in an hour has the score %v", due)
	}
	for _, state := range []string{StateActive, StatePending, StateScheduled, StateRetry, StateArchived, StateCompleted} {
		h := rdb.HGetAll(t.Context(), Task(queue, state)).Val()
		if h[Message] == "" || h[State] != state {
			t.Errorf("the task that is %s has the fields %v", state, h)
		}
	}
	if n := rdb.Exists(t.Context(), Paused(queue)).Val(); n != 1 {
		t.Error("the pause mark is not where it should be")
	}
	if !rdb.SIsMember(t.Context(), Queues, queue).Val() {
		t.Error("the queue is not in the set of queues")
	}
	if n := rdb.ZCard(t.Context(), Servers).Val(); n != 1 {
		t.Errorf("%d servers run", n)
	}
	// All that is of the queue is known, so that deleting it leaves nothing.
	known := append(Sets(queue), Statistics(queue, time.Now())...)
	for _, key := range server.Keys() {
		ours := len(key) > len(prefix(queue)) && key[:len(prefix(queue))] == prefix(queue)
		task := len(key) > len(Tasks(queue)) && key[:len(Tasks(queue))] == Tasks(queue)
		if ours && !task && !slices.Contains(known, key) {
			t.Errorf("Asynq writes %s, which is not known", key)
		}
	}
	if n := rdb.Exists(t.Context(), Statistics(queue, time.Now())...).Val(); n != 4 {
		t.Errorf("%d of the counts are there, want those of all time and of today, of what was processed and what failed", n)
	}
}
