package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Pauses pauses and resumes campaigns by Asynq's own marks, so that the monitor's buttons and ours are the same thing. A
// campaign is two queues: it is paused while one of them is, and Mirror carries over to the other what was done to one.
// Whether a queue is paused is whether its mark is there, which asks nothing of Redis that a hosted one may forbid.
type Pauses struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
}

// NewPauses returns the switch on a Redis client, which stays the caller's to close.
func NewPauses(rdb redis.UniversalClient) *Pauses {
	return &Pauses{rdb: rdb, ledger: ledger.New(rdb)}
}

// unpause removes a queue's pause mark, unless it is another one than was seen: then somebody has paused it since.
// KEYS: 1 mark. ARGV: 1 its value when it was seen. Reply: 1 if it was removed, else 0.
var unpause = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

// marks are what a campaign's two queues have for a pause mark; "" for none.
type marks struct{ first, again string }

func (m marks) agree() bool  { return (m.first == "") == (m.again == "") }
func (m marks) paused() bool { return m.first != "" || m.again != "" }

// read reads a campaign's marks.
func (p *Pauses) read(ctx context.Context, campaign string) (marks, error) {
	first, again := Queues(campaign)
	var cmds [2]*redis.StringCmd
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		cmds = [2]*redis.StringCmd{pipe.Get(ctx, asynqkeys.Paused(first)), pipe.Get(ctx, asynqkeys.Paused(again))}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return marks{}, fmt.Errorf("read pauses: %w", err)
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return marks{}, fmt.Errorf("read pauses: %w", err)
		}
	}
	return marks{first: cmds[0].Val(), again: cmds[1].Val()}, nil
}

// Paused says whether a campaign is paused.
func (p *Pauses) Paused(ctx context.Context, campaign string) (bool, error) {
	m, err := p.read(ctx, campaign)
	if err != nil {
		return false, err
	}
	return m.paused(), nil
}

// Mirror says whether a campaign is paused. Where only one of its queues is, it carries over to the other what was done
// since they last agreed. Repeating it, at once by several workers too, changes nothing.
func (p *Pauses) Mirror(ctx context.Context, campaign string) (bool, error) {
	// In this order: Pause and Resume set the marks before they record what was agreed.
	agreed, err := p.ledger.Paused(ctx, campaign)
	if err != nil {
		return false, err
	}
	m, err := p.read(ctx, campaign)
	if err != nil {
		return false, err
	}
	paused := m.paused()
	if !m.agree() {
		// One of two is paused: that is new if they agreed on not being so, and if not, the other's resumption is.
		paused = !agreed
		if err := p.carry(ctx, campaign, m, paused); err != nil {
			return false, err
		}
	}
	// The record comes last: without it, the next one does the same again.
	if paused != agreed {
		return paused, p.ledger.SetPaused(ctx, campaign, paused)
	}
	return paused, nil
}

// carry makes both queues of a campaign what one of them was made.
func (p *Pauses) carry(ctx context.Context, campaign string, m marks, paused bool) error {
	if paused {
		return p.mark(ctx, campaign)
	}
	first, again := Queues(campaign)
	queue, seen := first, m.first
	if seen == "" {
		queue, seen = again, m.again
	}
	if err := unpause.Run(ctx, p.rdb, []string{asynqkeys.Paused(queue)}, seen).Err(); err != nil {
		return fmt.Errorf("resume queue %s: %w", queue, err)
	}
	return nil
}

// Pause stops new calls of a campaign. Repeating it changes nothing.
func (p *Pauses) Pause(ctx context.Context, campaign string) error {
	if err := p.mark(ctx, campaign); err != nil {
		return err
	}
	return p.ledger.SetPaused(ctx, campaign, true)
}

// mark pauses both queues as Asynq does it.
func (p *Pauses) mark(ctx context.Context, campaign string) error {
	first, again := Queues(campaign)
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, queue := range []string{first, again} {
			pipe.SetNX(ctx, asynqkeys.Paused(queue), time.Now().Unix(), 0)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pause %s: %w", campaign, err)
	}
	return nil
}

// Resume lets a campaign go on. Repeating it changes nothing.
func (p *Pauses) Resume(ctx context.Context, campaign string) error {
	first, again := Queues(campaign)
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, queue := range []string{first, again} {
			pipe.Del(ctx, asynqkeys.Paused(queue))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("resume %s: %w", campaign, err)
	}
	return p.ledger.SetPaused(ctx, campaign, false)
}
