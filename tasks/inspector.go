package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Inspector looks after tasks one by one, and after a campaign's queues, for package reconcile. Everything it does may be
// repeated.
type Inspector struct {
	rdb      redis.UniversalClient
	producer *Producer
	asynq    *asynq.Inspector
}

// NewInspector returns an inspector on a Redis client, which stays the caller's to close.
func NewInspector(rdb redis.UniversalClient, p *Producer) *Inspector {
	return &Inspector{rdb: rdb, producer: p, asynq: asynq.NewInspectorFromRedisClient(rdb)}
}

// Queues are the two queues of a campaign.
func (i *Inspector) Queues(campaign string) []string {
	first, again := Queues(campaign)
	return []string{first, again}
}

// Task names the task of a contact's round.
func (i *Inspector) Task(campaign, contact string, round int) (queue, id string) {
	return queueOf(campaign, round), taskID(campaign, contact, round)
}

// Follow enqueues the round in which a contact is now, if it waits for one.
func (i *Inspector) Follow(ctx context.Context, campaign, contact string) error {
	return i.producer.Follow(ctx, campaign, contact)
}

// Enqueue enqueues a task for a contact's round under a given id, due at once: the gate sends it away if it comes too early.
// One of this id that is there already stays as it is.
func (i *Inspector) Enqueue(ctx context.Context, campaign, contact string, round int, id string) error {
	task, opts, err := NewCallTask(campaign, contact, round, time.Time{})
	if err != nil {
		return err
	}
	_, err = i.producer.client.EnqueueContext(ctx, task, append(opts, asynq.TaskID(id))...)
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// Run puts an archived task back among those that may be taken.
func (i *Inspector) Run(ctx context.Context, queue, id string) error {
	if err := i.publish(ctx, queue); err != nil {
		return err
	}
	if err := i.asynq.RunTask(queue, id); err != nil {
		return fmt.Errorf("run task: %w", err)
	}
	return nil
}

// Remove deletes a task that is not active; one that is not there is no error.
func (i *Inspector) Remove(ctx context.Context, queue, id string) error {
	if err := i.publish(ctx, queue); err != nil {
		return err
	}
	if err := i.asynq.DeleteTask(queue, id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return fmt.Errorf("delete task: %w", err)
	}
	return nil
}

// publish puts a queue on Asynq's list, without which its inspector finds nothing: one that was deleted in the monitor works
// again with its next task, but is not on it.
func (i *Inspector) publish(ctx context.Context, queue string) error {
	if err := i.rdb.SAdd(ctx, asynqkeys.Queues, queue).Err(); err != nil {
		return fmt.Errorf("publish queue %s: %w", queue, err)
	}
	return nil
}

// Clear deletes a campaign's tasks that are not being processed, in small steps.
func (i *Inspector) Clear(ctx context.Context, campaign string) error {
	return Clear(ctx, i.rdb, campaign)
}

// FinishDelete deletes what an interrupted Delete has left of a campaign.
func (i *Inspector) FinishDelete(ctx context.Context, campaign string, which ledger.Incarnation) error {
	_, err := finishDelete(ctx, i.rdb, campaign, which)
	return err
}

// EraseQueues deletes all that Asynq has of a campaign that was deleted: an import that ran into its deletion may have
// enqueued after it.
func (i *Inspector) EraseQueues(ctx context.Context, campaign string) error {
	return eraseQueues(ctx, i.rdb, campaign)
}

// Servers says which queues Asynq servers listen to, and lists the tasks that they are at work on, by queue and id.
func (i *Inspector) Servers(context.Context) (served func(queue string) bool, working map[string]map[string]bool, err error) {
	servers, err := i.asynq.Servers()
	if err != nil {
		return nil, nil, fmt.Errorf("list servers: %w", err)
	}
	queues := map[string]bool{}
	working = map[string]map[string]bool{}
	for _, s := range servers {
		for q := range s.Queues {
			queues[q] = true
		}
		for _, w := range s.ActiveWorkers {
			if working[w.Queue] == nil {
				working[w.Queue] = map[string]bool{}
			}
			working[w.Queue][w.TaskID] = true
		}
	}
	// A server that holds back its requests answers for the queues of all open campaigns.
	return func(queue string) bool { return queues[queue] || queues[heldQueue] }, working, nil
}
