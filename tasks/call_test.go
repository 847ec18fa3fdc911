package tasks

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

func TestCallTask(t *testing.T) {
	t.Parallel()
	task, _, err := NewCallTask("spring", "c1", 3, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"v":1,"campaign":"spring","contact":"c1","round":3}`; task.Type() != "ringqueue:call" || string(task.Payload()) != want {
		t.Errorf("task %s %s, want %s", task.Type(), task.Payload(), want)
	}
	p, err := parsePayload(task)
	if want := (CallPayload{Version: 1, Campaign: "spring", Contact: "c1", Round: 3}); err != nil || p != want {
		t.Errorf("payload %+v, %v; want %+v", p, err, want)
	}
}

func TestCallTaskOptions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := asynq.NewClientFromRedisClient(b.rdb)
	at := time.Now().Add(time.Hour).Truncate(time.Second).Add(time.Millisecond)
	for _, c := range []struct {
		round int
		at    time.Time
		queue string
		state asynq.TaskState
		due   time.Time
	}{
		{1, time.Time{}, "spring", asynq.TaskStatePending, time.Time{}},
		{2, time.Time{}, "spring.again", asynq.TaskStatePending, time.Time{}},
		{3, at, "spring.again", asynq.TaskStateScheduled, at.Truncate(time.Second).Add(time.Second)}, // never early
	} {
		task, opts, err := NewCallTask("spring", "c1", c.round, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.EnqueueContext(t.Context(), task, opts...); err != nil {
			t.Fatal(err)
		}
		if _, err := client.EnqueueContext(t.Context(), task, opts...); !errors.Is(err, asynq.ErrTaskIDConflict) {
			t.Errorf("round %d enqueued twice: %v", c.round, err)
		}
		info := b.info(t, c.queue, fmt.Sprintf("spring:c1:%d", c.round))
		if info.State != c.state || info.MaxRetry != 1<<30 || info.Timeout != 24*time.Hour || info.Retention != 24*time.Hour {
			t.Errorf("round %d: %+v", c.round, info)
		}
		if !c.due.IsZero() && !info.NextProcessAt.Equal(c.due) {
			t.Errorf("round %d at %s, want %s", c.round, info.NextProcessAt, c.due)
		}
	}
}

func TestParsePayloadRefuses(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"", "null", "[]", "{}", "{", `{"v":2,"campaign":"a","contact":"b","round":1}`, `{"v":1,"contact":"b","round":1}`,
		`{"v":1,"campaign":"a","round":1}`, `{"v":1,"campaign":"a","contact":"b"}`, `{"v":1,"campaign":"a","contact":"b","round":-1}`,
		`{"v":1,"campaign":"a","contact":"b","round":"1"}`,
	} {
		if p, err := parsePayload(asynq.NewTask(TypeCall, []byte(src))); err == nil {
			t.Errorf("%s was read as %+v", src, p)
		}
	}
	// Fields that a later release adds are no reason to stop.
	if _, err := parsePayload(asynq.NewTask(TypeCall, []byte(`{"v":1,"campaign":"a","contact":"b","round":1,"more":true}`))); err != nil {
		t.Error(err)
	}
}

func TestBadPayloadIsArchived(t *testing.T) {
	t.Parallel()
	err := HandleCall(nil)(t.Context(), asynq.NewTask(TypeCall, []byte("{}")))
	if !errors.Is(err, asynq.SkipRetry) || !IsFailure(err) {
		t.Errorf("got %v", err)
	}
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		want    time.Duration
		failure bool
	}{
		{&DeferError{After: 90 * time.Second}, 90 * time.Second, false},
		{&DeferError{After: 1500 * time.Millisecond}, 2 * time.Second, false}, // never early
		{&DeferError{}, time.Second, false},
		{&DeferError{After: -time.Hour}, time.Second, false},
		{fmt.Errorf("wrapped: %w", &DeferError{After: 3 * time.Second}), 3 * time.Second, false},
		{errors.New("broken"), 10 * time.Second, true},
	} {
		if got := RetryDelay(7, c.err, nil); got != c.want {
			t.Errorf("RetryDelay(%v) = %s, want %s", c.err, got, c.want)
		}
		if got := IsFailure(c.err); got != c.failure {
			t.Errorf("IsFailure(%v) = %v", c.err, got)
		}
	}
}

func TestQueuesOfCampaignsDiffer(t *testing.T) {
	t.Parallel()
	first, again := Queues("spring")
	if first != "spring" || again != "spring.again" || !strings.Contains(againSuffix, ".") {
		t.Errorf("queues %s and %s", first, again)
	}
}
