package tasks

import (
	"context"
	"fmt"
	"slices"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Pauses pauses and resumes campaigns by Asynq's own means, so that the monitor's buttons and ours are the same thing: a
// campaign is paused while one of its two queues is.
type Pauses struct {
	inspector *asynq.Inspector
}

// NewPauses returns the switch on a Redis client, which stays the caller's to close.
func NewPauses(rdb redis.UniversalClient) *Pauses {
	return &Pauses{inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// Paused says whether a campaign is paused.
func (p *Pauses) Paused(_ context.Context, campaign string) (bool, error) {
	infos, err := p.Info(campaign)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(infos, func(i *asynq.QueueInfo) bool { return i.Paused }), nil
}

// Info reads those of a campaign's queues that have had a task.
func (p *Pauses) Info(campaign string) ([]*asynq.QueueInfo, error) {
	// GetQueueInfo has no error to tell a queue that is not there by.
	known, err := p.inspector.Queues()
	if err != nil {
		return nil, fmt.Errorf("read queues of %s: %w", campaign, err)
	}
	var infos []*asynq.QueueInfo
	first, again := Queues(campaign)
	for _, queue := range []string{first, again} {
		if !slices.Contains(known, queue) {
			continue
		}
		info, err := p.inspector.GetQueueInfo(queue)
		if err != nil {
			return nil, fmt.Errorf("read queue %s: %w", queue, err)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Pause stops new calls of a campaign. Repeating it changes nothing.
func (p *Pauses) Pause(ctx context.Context, campaign string) error {
	return p.set(ctx, campaign, true)
}

// Resume lets a campaign go on. Repeating it changes nothing.
func (p *Pauses) Resume(ctx context.Context, campaign string) error {
	return p.set(ctx, campaign, false)
}

func (p *Pauses) set(_ context.Context, campaign string, paused bool) error {
	infos, err := p.Info(campaign)
	if err != nil {
		return err
	}
	first, again := Queues(campaign)
	for _, queue := range []string{first, again} {
		i := slices.IndexFunc(infos, func(i *asynq.QueueInfo) bool { return i.Queue == queue })
		if i >= 0 && infos[i].Paused == paused {
			continue // Asynq calls this an error
		}
		change := p.inspector.UnpauseQueue
		if paused {
			change = p.inspector.PauseQueue
		}
		// The mark of a queue that has had no task yet cannot be read: then this may be a repetition, which is no harm.
		if err := change(queue); err != nil && i >= 0 {
			return fmt.Errorf("set queue %s: %w", queue, err)
		}
	}
	return nil
}

// Clear deletes a cancelled campaign's tasks that are not being processed.
func (p *Pauses) Clear(campaign string) error {
	infos, err := p.Info(campaign)
	if err != nil {
		return err
	}
	for _, info := range infos {
		for _, remove := range []func(string) (int, error){
			p.inspector.DeleteAllPendingTasks, p.inspector.DeleteAllScheduledTasks, p.inspector.DeleteAllRetryTasks,
		} {
			if _, err := remove(info.Queue); err != nil {
				return fmt.Errorf("empty queue %s: %w", info.Queue, err)
			}
		}
	}
	return nil
}

// Cancel ends a campaign for good and says how many contacts it ended. Calls that are live go on. Where it is interrupted,
// a worker finishes it.
func Cancel(ctx context.Context, rdb redis.UniversalClient, campaign string) (int, error) {
	l := ledger.New(rdb)
	if err := l.Cancel(ctx, campaign); err != nil {
		return 0, err
	}
	n, err := l.CancelWaiting(ctx, campaign)
	if err != nil {
		return n, err
	}
	return n, NewPauses(rdb).Clear(campaign)
}
