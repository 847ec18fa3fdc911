package line

import (
	"context"
	"sync"
	"time"

	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// Calls is what a line needs of RingCentral; *ringout.Client is one.
type Calls interface {
	Login(ctx context.Context) error
	Place(ctx context.Context, c ringout.Call) (ringout.RingOut, error)
	Status(ctx context.Context, id string) (ringout.RingOut, error)
	Cancel(ctx context.Context, id string) error
	Presence(ctx context.Context) (ringout.Presence, error)
}

// Extension is a RingCentral user: one set of credentials, one set of quotas, one or more lines.
type Extension struct {
	Key   string // opaque; names its quotas
	Calls Calls
	Quota *ratelimit.Limiter

	mu        sync.Mutex
	live      int // calls that this worker tracks on it
	light     ratelimit.Limit
	suspended time.Time
	why       string
}

// NewExtension returns an extension whose status polls start from the given Light quota.
func NewExtension(key string, calls Calls, quota *ratelimit.Limiter, light ratelimit.Limit) *Extension {
	return &Extension{Key: key, Calls: calls, Quota: quota, light: light}
}

// Wait waits for a slot of one of the extension's quotas.
func (e *Extension) Wait(ctx context.Context, group ringout.Group) (ratelimit.Slot, error) {
	return e.Quota.Wait(ctx, ratelimit.Key{Owner: e.Key, Group: string(group)})
}

// Observe is told RingCentral's rate-limit facts of each answer.
func (e *Extension) Observe(q ringout.Quota) {
	if q.Group != ringout.Light || q.Limit <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.light.N = q.Limit
	if q.Window > 0 {
		e.light.Window = q.Window
	}
}

// Suspend keeps the extension's lines from being given out for a while; calls that run are tracked on.
func (e *Extension) Suspend(d time.Duration, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suspended, e.why = time.Now().Add(d), why
}

// Resume ends a suspension, after something worked.
func (e *Extension) Resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suspended, e.why = time.Time{}, ""
}

// suspension says how long the extension's lines still have to wait, and why.
func (e *Extension) suspension() (time.Duration, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := time.Until(e.suspended); d > 0 {
		return d, e.why
	}
	return 0, ""
}

func (e *Extension) track(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live += n
}

// pollShare is the part of the Light quota that status polls may use; the rest is for presence.
const pollShare = 0.8

// pollEvery stretches a poll interval so that all calls tracked on the extension fit into its Light quota.
func (e *Extension) pollEvery(wanted time.Duration) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	fits := time.Duration(float64(e.live) * float64(e.light.Window) / (float64(e.light.N) * pollShare))
	return max(wanted, fits)
}
