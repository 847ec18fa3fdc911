package ratelimit

import (
	"context"
	"slices"
	"time"
)

// maxOwed bounds the slots that are remembered to be given back, for each quota.
const maxOwed = 100

// debt is what Redis could not be told of a quota. It is told before this process
// reserves anything more.
type debt struct {
	token   string    // of the refusal; empty if there is none
	blocked time.Time // until when it blocks
	slots   []string  // tokens to give back
}

// oweBlock remembers a refusal that could not be stored. Without it a Redis that
// is back a moment later would let this process run into the penalty.
func (l *Limiter) oweBlock(key Key, token string, at time.Time, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = l.penalty
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.owed[key]
	if until := at.Add(retryAfter); until.After(d.blocked) {
		d.token, d.blocked = token, until
		l.owed[key] = d
	}
}

// oweGiveBack remembers a reservation whose waiter has left. Without it each
// waiter that met a stalled Redis could leave a slot that nobody uses.
func (l *Limiter) oweGiveBack(key Key, token string) {
	l.forget(key, token)
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.owed[key]
	if len(d.slots) < maxOwed {
		d.slots = append(d.slots, token)
		l.owed[key] = d
	}
}

// pay tells Redis what it is owed. Waiters may do so at the same time, since all
// of it is safe to repeat.
func (l *Limiter) pay(ctx context.Context, key Key, start Limit) error {
	l.mu.Lock()
	d, ok := l.owed[key]
	l.mu.Unlock()
	if !ok {
		return nil
	}
	if left := time.Until(d.blocked); left > 0 {
		// The token is the refusal's: if it was stored after all, this is a repeat.
		o := Observation{Remaining: -1, Limited: true, RetryAfter: left}
		if err := l.observe(ctx, key, start, d.token, o); err != nil {
			return err
		}
	}
	for _, token := range d.slots {
		if err := l.giveBack(ctx, key, start, token); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.owed[key]
	var unpaid []string
	for _, token := range rest.slots {
		if !slices.Contains(d.slots, token) {
			unpaid = append(unpaid, token)
		}
	}
	rest.slots = unpaid
	if rest.token == d.token {
		rest.token, rest.blocked = "", time.Time{}
	}
	if rest.token == "" && len(rest.slots) == 0 {
		delete(l.owed, key)
	} else {
		l.owed[key] = rest
	}
	return nil
}
