// Package ratelimit shares RingCentral's quotas among all workers through Redis:
// a worker that is about to send a request waits for a slot, and no two workers
// together ever send more than the quota allows.
//
// RingCentral counts the requests of each extension and group (heavy, medium,
// light, auth) in a sliding window: at most N within any 60 s. One request too
// many is refused and starts a penalty of 60 s, which every further request
// restarts, so the limiter must never try and see; and since a campaign is as
// fast as its quota, it must not leave any of it unused either.
//
// # Words
//
//   - A slot is the instant at which one request may be sent.
//   - The margin is added to the window because requests do not take equally
//     long to arrive: one that is delayed by 300 ms, followed a window later by
//     one that is not, is too early by 300 ms. It is a 120th of the window, 0.5 s
//     for 60 s, and at least 40 ms.
//   - The tolerance is how long after its instant a slot may still be used, half
//     the margin; the other half is left to the network. After that the slot has
//     lapsed: whoever held it was suspended or slow and must wait for another.
//
// # Algorithm
//
// Redis keeps the exact log of the slots of each quota. One script, on Redis's
// own clock, reserves the next one:
//
//	slot = max(now, last slot, slot[n-N] + window + margin, blocked until)
//
// A token bucket or GCRA with the whole quota as burst lets up to 2N requests
// into one window, with a burst of one it is refused at the slightest jitter, and
// with a burst between leaves half the quota unused; a counter per fixed window
// lets through 2N as well. The log costs N entries per quota, and quotas are
// small.
//
// Slots are reserved, not granted: the answer says when the slot is, the waiter
// sleeps until then, and so waiters are served in the order in which they came,
// without polling. Shortly before its time, by as much as Redis is far away but a
// quarter of the margin at most, the slot is confirmed, since meanwhile a refusal
// may have blocked the quota or the quota may have become smaller. If
// so, the slots of all who wait have been moved to later instants in the same
// order, and the waiter sleeps again. Slots are never moved to sooner ones.
//
// # What answers teach
//
// Observe reads the limit, the window, what remains, and refusals off each
// answer. Limits differ between applications and may change; what was learned is
// used by all workers and forgotten after a day without news. Where the server
// counted more requests than are in the log, other applications use the same
// quota, and their requests are entered into the log as made now. A refusal blocks
// the quota for every worker at once, for as long as the server says.
//
// # What Redis loses
//
// A Redis that comes back from a snapshot, or fails over to a replica, has forgotten the newest slots. Each Limiter remembers
// those that it was given within the last window. When it reserves, it says which one was the last; if Redis does not have that,
// the Limiter first enters all of its own again, and the quota is blocked for an eighth of the window so that other Limiters can
// enter theirs. What nobody remembers, since its process has ended too, is lost. See Restore.
//
// # Time
//
// Instants are Redis's, so workers' clocks need not agree. A worker learns how
// far off its slot is from the reply, which was made some time between sending
// the call and receiving the reply. It starts to use the slot counting from the
// later of the two, and stops counting from the sooner, so that a slow Redis
// makes the usable time shorter but never wrong.
package ratelimit

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The parts of a window. The scripts compute the same from the window in force.
const (
	marginDivisor    = 120                   // of the window
	leastMargin      = 40 * time.Millisecond // jitter does not shrink with a simulator's windows
	toleranceDivisor = 2                     // of the margin
	earlyDivisor     = 2                     // of the tolerance; so long before its slot a confirmation is final
	littleDivisor    = 10                    // of the tolerance; so long before its slot one is made where Redis is near
)

// Bounds of what Observe believes. They keep a nonsensical header from filling
// Redis or stopping a quota for days.
const (
	maxLimit  = 10_000
	minWindow = time.Millisecond
	maxWindow = 24 * time.Hour
)

const (
	defaultPenalty = 30 * time.Second // RingCentral: "wait at least 30 seconds" where Retry-After is absent
	defaultPrefix  = "ringqueue"
)

// Key names a quota.
type Key struct {
	Owner string // whose quota it is: an opaque name of the extension, without personal data, since it is stored in Redis
	Group string // a group of Config.Limits: light, medium, heavy or auth
}

// Limit is a quota's size: at most N requests within any Window.
type Limit struct {
	N      int
	Window time.Duration
}

// margin is added to the window for the jitter of arrivals.
func (l Limit) margin() time.Duration { return max(l.Window/marginDivisor, leastMargin) }

// tolerance is how long a slot may be used after its instant.
func (l Limit) tolerance() time.Duration { return l.margin() / toleranceDivisor }

// early is how long before its slot a confirmation is final.
func (l Limit) early() time.Duration { return l.tolerance() / earlyDivisor }

// ahead is how long before its slot a confirmation is sent that takes so long: late enough to learn of a block, early enough
// for the slot to be of use where Redis is far away.
func (l Limit) ahead(trip time.Duration) time.Duration {
	return min(l.early(), l.tolerance()/littleDivisor+trip)
}

// Defaults returns RingCentral's documented quotas by group. They are an example
// that applications start from; Observe learns the real ones.
// See https://developers.ringcentral.com/guide/basics/rate-limits.
func Defaults() map[string]Limit {
	return map[string]Limit{
		"heavy":  {N: 10, Window: time.Minute},
		"medium": {N: 40, Window: time.Minute},
		"light":  {N: 50, Window: time.Minute},
		"auth":   {N: 5, Window: time.Minute},
	}
}

// Config is what a Limiter needs. Redis is required.
type Config struct {
	// Redis stores the quotas: any redis.UniversalClient, of a single server,
	// Sentinel or a cluster.
	Redis redis.Scripter
	// Limits are the quotas by group where none was learned yet. They name all
	// groups there are. If nil, Defaults.
	Limits map[string]Limit
	// Penalty is how long a refusal without Retry-After blocks the quota; refusals
	// that follow one another double it, up to eight times. If zero, 30 s.
	Penalty time.Duration
	// Prefix begins all keys. If empty, "ringqueue".
	Prefix string
	// OnLapse is told of each slot that lapsed before Wait could return it, and how many did in a row. May be nil.
	OnLapse func(key Key, inARow int)
}

// Limiter shares quotas with all Limiters that have the same Redis and prefix. It
// is safe for concurrent use.
type Limiter struct {
	redis   redis.Scripter
	limits  map[string]Limit
	penalty time.Duration
	prefix  string
	onLapse func(Key, int)
	scripts scripts

	mu       sync.Mutex
	owed     map[Key]debt    // what Redis could not be told
	memories map[Key]*memory // what Redis told
}

// New returns a Limiter. It does not talk to Redis yet.
func New(c Config) *Limiter {
	l := &Limiter{
		redis:   c.Redis,
		limits:  c.Limits,
		penalty: c.Penalty,
		prefix:  c.Prefix,
		onLapse: c.OnLapse,
		scripts: newScripts(),
		owed:    make(map[Key]debt),

		memories: make(map[Key]*memory),
	}
	if l.limits == nil {
		l.limits = Defaults()
	}
	if l.penalty <= 0 {
		l.penalty = defaultPenalty
	}
	if l.prefix == "" {
		l.prefix = defaultPrefix
	}
	return l
}

// start returns the quota to begin with. The error names a key or a setting that
// cannot be used.
func (l *Limiter) start(key Key) (Limit, error) {
	if key.Owner == "" {
		return Limit{}, errors.New("quota has no owner")
	}
	lim, ok := l.limits[key.Group]
	switch {
	case !ok:
		return Limit{}, fmt.Errorf("no limit for group %q", key.Group)
	case lim.N < 1 || lim.N > maxLimit:
		return Limit{}, fmt.Errorf("limit of group %q is %d, want 1 to %d", key.Group, lim.N, maxLimit)
	case lim.Window < minWindow || lim.Window > maxWindow:
		return Limit{}, fmt.Errorf("window of group %q is %s, want %s to %s", key.Group, lim.Window, minWindow, maxWindow)
	}
	return lim, nil
}
