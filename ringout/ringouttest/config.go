package ringouttest

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
)

// The usage plan groups, as the X-Rate-Limit-Group header names them.
const (
	Light  = "light"
	Medium = "medium"
	Heavy  = "heavy"
	Auth   = "auth"
)

// Config says what the simulated RingCentral is like. The zero value is a RingCentral with its usual limits, which
// lets in everybody and chooses each call's ending by the last two digits of the number. All durations are before
// scaling.
type Config struct {
	// Extensions lists who may log in. Empty: any JWT is accepted and is an extension of its own, named by the
	// token's sub claim or else by a hash of it.
	Extensions []Extension
	// ClientID and ClientSecret must be sent with HTTP Basic to the token endpoints. Empty: any.
	ClientID, ClientSecret string

	// Scale is how many times faster than real time everything runs; 0 is 1. At 60 a window of 60 s lasts 1 s. The
	// Date header is the simulator's clock and is not scaled.
	Scale float64
	// Now is the simulator's clock; nil is time.Now. It must be safe for concurrent use.
	Now func() time.Time
	// Seed makes faults with a probability repeatable.
	Seed uint64

	// Limits replaces the quota of single groups; the others stay at light 50, medium 40, heavy 10, auth 5.
	Limits map[string]Limit
	// OmitRateHeaders leaves the X-Rate-Limit headers out of every answer.
	OmitRateHeaders bool
	// OmitRetryAfter leaves Retry-After out of every 429.
	OmitRetryAfter bool

	// Endings scripts destinations by their E.164 number: the n-th dial takes the n-th ending, later dials the last.
	Endings map[string][]Ending
	// Ending chooses for all other numbers; attempt counts the dials to the number from 1. Nil is [ByNumber].
	Ending func(number string, attempt int) Ending

	// Retention is how long a call's status can be asked for after its end; 0 is 30 s. Then it is a 404, CMN-102.
	Retention time.Duration
	// NoSessionFound200 answers 200 with NoSessionFound in all three statuses instead of that 404.
	NoSessionFound200 bool
	// CancelForgets makes a cancelled call's status go at once; otherwise it is kept for Retention with the caller's
	// leg in NoAnswer.
	CancelForgets bool
	// LateCancelStatus answers a DELETE that comes after the agent's phone was answered and so changes nothing; 0 is 204.
	LateCancelStatus int

	// NumericIDs gives RingOut ids as JSON numbers, as RingCentral's guide shows; otherwise they are opaque strings.
	NumericIDs bool
	// SessionIDMatchesRingOutID makes the telephonySessionId of presence and call records equal to the RingOut's id.
	SessionIDMatchesRingOutID bool
	// Spelling rewrites every status value before it is sent, for letter case and spacing; nil leaves it.
	Spelling func(status string) string
	// MaskLogNumbers replaces the last four digits of numbers in the call log by XXXX.
	MaskLogNumbers bool

	// SplitRecords makes active-calls and the call log have a RingOut as two sessions, as RingCentral does at times: one
	// inbound to the agent, whose parties are the caller ID and an extension without a number, and, from the agent's answer
	// on, one outbound to the contact.
	SplitRecords bool

	// ActiveCallsLag is how late active-calls shows a change; 0 is 5 s.
	ActiveCallsLag time.Duration
	// CallLogLag is how long after its end a call appears in the call log; 0 is 20 s.
	CallLogLag time.Duration
	// LogKeep is how long the call log remembers; 0 is one hour. The truth never forgets.
	LogKeep time.Duration

	// AccessTokenTTL is used where the client asks for none; 0 is one hour.
	AccessTokenTTL time.Duration
	// NoRefreshTokens is an app without the refresh token grant.
	NoRefreshTokens bool
	// MaxSessions is the number of sessions per extension; one more login ends the oldest. 0 is 5.
	MaxSessions int

	// Deny lists permissions that no user has: RingOut, ReadPresence, ReadCallLog, ReadAccounts.
	Deny []string
}

// Extension is one RingCentral user.
type Extension struct {
	// ID is RingCentral's numeric id of the user. Empty: a number made up from the position in the list.
	ID string
	// JWT is what the user logs in with.
	JWT string
	// DefaultNumber is dialled first where a request has no from. Empty: from is required.
	DefaultNumber string
	// Forwarding maps ids of forwarding numbers to E.164 numbers.
	Forwarding map[string]string
	// CallerIDs lists the numbers that may be shown. Empty: any.
	CallerIDs []string
	// Deny lists permissions that this user lacks.
	Deny []string
}

// Limit is the quota of one group: N requests in any Window, and a Penalty that starts with the request that was one
// too many and anew with each request inside it.
type Limit struct {
	N       int           // 0: the group's usual number; negative: no limit
	Window  time.Duration // 0: 60 s
	Penalty time.Duration // 0: 60 s
}

// filled returns c with every default in place. It panics on a setting that can only be a slip in the test's code.
func (c Config) filled() Config {
	orElse := func(d *time.Duration, other time.Duration) {
		if *d == 0 {
			*d = other
		}
	}
	if c.Scale == 0 {
		c.Scale = 1
	}
	if c.Scale < 0 || math.IsNaN(c.Scale) || math.IsInf(c.Scale, 0) {
		panic(fmt.Sprintf("ringouttest: scale must be a positive number, not %v", c.Scale))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Ending == nil {
		c.Ending = ByNumber
	}
	orElse(&c.Retention, 30*time.Second)
	orElse(&c.ActiveCallsLag, 5*time.Second)
	orElse(&c.CallLogLag, 20*time.Second)
	orElse(&c.LogKeep, time.Hour)
	orElse(&c.AccessTokenTTL, time.Hour)
	if c.LateCancelStatus == 0 {
		c.LateCancelStatus = 204
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 5
	}

	limits := map[string]Limit{Light: {N: 50}, Medium: {N: 40}, Heavy: {N: 10}, Auth: {N: 5}}
	for group, l := range c.Limits {
		usual, known := limits[group]
		if !known {
			panic(fmt.Sprintf("ringouttest: no group is called %q", group))
		}
		if l.N == 0 {
			l.N = usual.N
		}
		limits[group] = l
	}
	for group, l := range limits {
		orElse(&l.Window, time.Minute)
		orElse(&l.Penalty, time.Minute)
		limits[group] = l
	}
	c.Limits = limits

	endings := maps.Clone(c.Endings)
	if endings == nil {
		endings = make(map[string][]Ending)
	}
	if err := checkEndings(endings); err != nil {
		panic("ringouttest: " + err.Error())
	}
	c.Endings = endings
	return c
}

// scaled is d as a client sees it.
func (c Config) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.Scale)
}

// e164 returns number with its plus sign, or "" where it is no E.164 number. The plus may be missing, as in
// RingCentral's own examples.
func e164(number string) string {
	digits := strings.TrimPrefix(number, "+")
	if len(digits) < 7 || len(digits) > 15 || digits[0] == '0' {
		return ""
	}
	for _, d := range []byte(digits) {
		if d < '0' || d > '9' {
			return ""
		}
	}
	return "+" + digits
}

// wholeSeconds rounds up, to one at least: Retry-After knows nothing shorter.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64(math.Ceil(d.Seconds()))), 10)
}

// windowSeconds rounds a window up to whole seconds; one that lasts less than a second is given as a fraction, which
// RingCentral never sends, because a rounded one would hide the scale.
func windowSeconds(d time.Duration) string {
	if d >= time.Second {
		return wholeSeconds(d)
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}
