package line

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// Calls is what a line needs of RingCentral; *ringout.Client is one.
type Calls interface {
	Login(ctx context.Context) error
	Ready(ctx context.Context) error // a Login, and a connection for the next Place
	Place(ctx context.Context, c ringout.Call) (ringout.RingOut, error)
	Status(ctx context.Context, id string) (ringout.RingOut, error)
	Cancel(ctx context.Context, id string) error
	Presence(ctx context.Context) (ringout.Presence, error)
	ActiveCalls(ctx context.Context) (ringout.Records, error)
	CallLog(ctx context.Context, q ringout.LogQuery) (ringout.Records, error)
}

// Extension is a RingCentral user: one set of credentials, one set of quotas, one or more lines.
type Extension struct {
	Key   string // opaque; names its quotas
	Calls Calls
	Quota *ratelimit.Limiter
	// Breaker is how long the lines wait after three failures in a row to place a call; each further failure doubles it, up
	// to 32 times. If zero, 30 s.
	Breaker time.Duration
	// OnWait is told how long each wait for a slot took. May be nil.
	OnWait func(group ringout.Group, d time.Duration)
	// OnRequest is told of each request that was sent for the extension. May be nil.
	OnRequest func(e ringout.Exchange)

	mu        sync.Mutex
	live      int // calls that this worker tracks on it
	light     ratelimit.Limit
	suspended time.Time
	why       string
	failures  int             // in a row, of placing calls
	broke     map[string]bool // contacts in a row for whom there were no funds
}

// NewExtension returns an extension whose status polls start from the given Light quota.
func NewExtension(key string, calls Calls, quota *ratelimit.Limiter, light ratelimit.Limit) *Extension {
	return &Extension{Key: key, Calls: calls, Quota: quota, light: light}
}

// Wait waits for a slot of one of the extension's quotas.
func (e *Extension) Wait(ctx context.Context, group ringout.Group) (ratelimit.Slot, error) {
	began := time.Now()
	slot, err := e.Quota.Wait(ctx, ratelimit.Key{Owner: e.Key, Group: string(group)})
	if err == nil && e.OnWait != nil {
		e.OnWait(group, time.Since(began))
	}
	return slot, err
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

const (
	tripAfter      = 3 // failures in a row
	tripDoublings  = 5
	defaultBreaker = 30 * time.Second
)

// Failed is told that placing a call has failed. After three failures in a row the extension's lines wait, longer each time;
// after each wait they try again.
func (e *Extension) Failed(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures++
	if e.failures < tripAfter {
		return
	}
	wait := cmp.Or(e.Breaker, defaultBreaker) << min(e.failures-tripAfter, tripDoublings)
	if until := time.Now().Add(wait); until.After(e.suspended) {
		e.suspended, e.why = until, fmt.Sprintf("%s, %d times in a row; trying again by itself", why, e.failures)
	}
}

// Worked is told that a call was placed.
func (e *Extension) Worked() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suspended, e.why, e.failures = time.Time{}, "", 0
}

// brokeFor counts a contact for whom there were no funds, and says whether it is the account that has none: one number may
// just be too dear. reached forgets what was counted.
func (e *Extension) brokeFor(contact string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broke == nil {
		e.broke = map[string]bool{}
	}
	e.broke[contact] = true
	return len(e.broke) >= tripAfter
}

func (e *Extension) reached() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broke = nil
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
