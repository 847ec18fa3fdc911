package ratelimit

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// restoring bounds the quotas that Restore tells Redis of at a time.
const restoring = 16

// errLost says that Redis does not have a slot any more that it gave this Limiter.
var errLost = errors.New("redis has lost slots")

// memory is what Redis told this Limiter of a quota and could lose: a server that comes back from an old snapshot, or a replica
// that had not received everything, has given away slots of which it does not know.
type memory struct {
	slots   []known   // of the last window and to come; the one told last is the last
	limit   Limit     // in force when Redis was asked last
	blocked time.Time // until when a refusal that this Limiter stored blocks
}

// known is a slot that Redis gave to a token.
type known struct {
	token string
	slot  int64     // µs on Redis's clock
	at    time.Time // by the local clock, not before Redis's
}

// remember keeps a slot that Redis has given.
func (l *Limiter) remember(key Key, token string, g grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.memories[key]
	if m == nil {
		m = &memory{}
		l.memories[key] = m
	}
	m.limit = g.limit
	oldest := g.got.Add(-g.limit.Window - g.limit.margin())
	m.slots = slices.DeleteFunc(m.slots, func(k known) bool { return k.token == token || k.at.Before(oldest) })
	m.slots = append(m.slots, known{token, g.slot, g.local(key, token).At})
}

// rememberBlock keeps how long a block lasts that Redis has stored.
func (l *Limiter) rememberBlock(key Key, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.memories[key]
	if m == nil {
		m = &memory{}
		l.memories[key] = m
	}
	if until.After(m.blocked) {
		m.blocked = until
	}
}

// forget drops a slot that was not used and will not be. Called before Redis is told, so that it is not entered again.
func (l *Limiter) forget(key Key, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.memories[key]; m != nil {
		m.slots = slices.DeleteFunc(m.slots, func(k known) bool { return k.token == token })
	}
}

// recall returns a copy of what is remembered of a quota.
func (l *Limiter) recall(key Key) memory {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.memories[key]
	if m == nil {
		return memory{}
	}
	c := *m
	c.slots = slices.Clone(m.slots)
	return c
}

// probe returns the slot that a Redis which has lost any would not have: the one that was told last.
func (m memory) probe() known {
	if len(m.slots) == 0 {
		return known{}
	}
	return m.slots[len(m.slots)-1]
}

// blockLeft is how long the block still lasts, in µs.
func (m memory) blockLeft() int64 { return max(0, time.Until(m.blocked)).Microseconds() }

// Restore tells Redis of all slots and blocks that it has lost and this Limiter remembers. Each Wait finds out by itself what
// was lost of its own quota; Restore is for the quotas that nobody waits for just now, and is to be called at once when Redis
// was restarted or replaced: others go on after an eighth of the window. It changes nothing where nothing was lost.
func (l *Limiter) Restore(ctx context.Context) error {
	l.mu.Lock()
	keys := make([]Key, 0, len(l.memories))
	for key := range l.memories {
		keys = append(keys, key)
	}
	l.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(restoring)
	for _, key := range keys {
		group.Go(func() error {
			start, err := l.start(key)
			if err != nil {
				return err
			}
			return l.restore(ctx, key, start)
		})
	}
	return group.Wait()
}

// restore is safe to repeat.
func (l *Limiter) restore(ctx context.Context, key Key, start Limit) error {
	m := l.recall(key)
	if len(m.slots) == 0 && m.blockLeft() == 0 {
		return nil
	}
	learned := m.limit
	if learned == start {
		learned = Limit{}
	}
	keys := l.keys(key, "")
	args := []any{
		start.N, start.Window.Microseconds(), learnedLife.Milliseconds(),
		learned.N, learned.Window.Microseconds(), m.blockLeft(),
	}
	for _, k := range m.slots {
		keys = append(keys, l.keys(key, k.token)[2])
		args = append(args, k.token, k.slot, time.Since(k.at).Microseconds())
	}
	if err := l.scripts.restore.Run(ctx, l.redis, keys, args...).Err(); err != nil {
		return &redisError{"restore slots", err}
	}
	return nil
}
