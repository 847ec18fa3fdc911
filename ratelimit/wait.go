package ratelimit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

const (
	// giveBackTimeout bounds what a cancelled waiter still does for the others.
	giveBackTimeout = time.Second
	// maxLapses is how many slots in a row may lapse before Wait gives up.
	maxLapses = 8
	// After the second lapse in a row and each further one Wait pauses, for a lapseDivisor-th of the window at first, then
	// twice as long each time.
	lapseDivisor = 600
)

// ErrSlow says that slots lapsed again and again before they could be used:
// Redis's replies, or this process, take longer than the tolerance.
var ErrSlow = errors.New("slots lapse before they can be used: redis or this process is too slow")

var errGivenBack = errors.New("token was given back")

// Wait reserves the quota's next slot and sleeps until it has come. The request
// must be sent at once, and not if the slot has Lapsed by then.
//
// On an error there is no slot: ctx is done (its slot is given back), ctx's
// deadline comes before the slot (context.DeadlineExceeded, at once), Redis is
// away, ErrSlow, or the key names no quota.
func (l *Limiter) Wait(ctx context.Context, key Key) (Slot, error) {
	start, err := l.start(key)
	if err != nil {
		return Slot{}, fmt.Errorf("wait for slot: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return Slot{}, fmt.Errorf("wait for slot: %w", err)
	}
	slot, err := l.wait(ctx, key, start)
	if err != nil {
		return Slot{}, fmt.Errorf("wait for slot: %w", err)
	}
	return slot, nil
}

// leave gives back what a waiter that goes without a slot has reserved, for the
// other waiters' sake; the error for which it goes is the one that matters to it.
func (l *Limiter) leave(ctx context.Context, key Key, start Limit, token string, why error) {
	if away := (*redisError)(nil); ctx.Err() == nil && errors.As(why, &away) {
		// Redis may have made the reservation, or make it yet when it goes on, but
		// now is not the time to tell it.
		l.oweGiveBack(key, token)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	if err := l.giveBack(ctx, key, start, token); err != nil {
		l.oweGiveBack(key, token)
	}
}

func (l *Limiter) wait(ctx context.Context, key Key, start Limit) (Slot, error) {
	token := rand.Text()
	for lapses := 1; ; lapses++ {
		slot, err := l.next(ctx, key, start, token)
		if err != nil {
			l.leave(ctx, key, start, token, err)
			return Slot{}, err
		}
		if !slot.Lapsed() {
			return slot, nil
		}
		if l.onLapse != nil {
			l.onLapse(key, lapses)
		}
		if lapses == 1 {
			// The slot that has lapsed is known to be unused, so reserving again with the same token replaces it and keeps this
			// waiter's turn.
			continue
		}
		// It was not chance. Meanwhile the turn is others', and Redis has time.
		l.leave(ctx, key, start, token, ErrSlow)
		if lapses == maxLapses {
			return Slot{}, ErrSlow
		}
		if err := sleep(ctx, slot.Limit.Window/lapseDivisor<<(lapses-2)); err != nil {
			return Slot{}, err
		}
		token = rand.Text()
	}
}

// next sleeps until the token's slot has come and returns it, lapsed or not.
func (l *Limiter) next(ctx context.Context, key Key, start Limit, token string) (Slot, error) {
	for {
		if err := l.pay(ctx, key, start); err != nil {
			return Slot{}, err
		}
		g, err := l.reserve(ctx, key, start, token)
		if err != nil {
			return Slot{}, err
		}
		slot := g.local(key, token)
		if deadline, ok := ctx.Deadline(); ok && slot.At.After(deadline) {
			return Slot{}, fmt.Errorf("it is %s after the deadline: %w",
				slot.At.Sub(deadline).Round(time.Millisecond), context.DeadlineExceeded)
		}
		if micros(g.slot-g.now) <= g.limit.early() {
			return slot, sleep(ctx, time.Until(slot.At))
		}
		if err := sleep(ctx, time.Until(slot.At.Add(-g.limit.ahead(g.got.Sub(g.sent))))); err != nil {
			return Slot{}, err
		}
	}
}

// GiveBack returns a slot that was not used and will not be, so that somebody
// else can have it; for example when the call was cancelled while its slot was
// awaited. To give back a used slot breaks the limit. A Slot that did not come
// from Wait is ignored.
func (l *Limiter) GiveBack(ctx context.Context, s Slot) error {
	if s.token == "" {
		return nil
	}
	start, err := l.start(s.key)
	if err != nil {
		return fmt.Errorf("give slot back: %w", err)
	}
	return l.giveBack(ctx, s.key, start, s.token)
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
