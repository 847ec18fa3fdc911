package ringout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	// How long a failed login is remembered where the server does not say. Refused credentials do not get better by
	// themselves, and RingCentral restarts the penalty of the Auth group with every request in it.
	refusedHold = 60 * time.Second
	limitedHold = 30 * time.Second
	brokenHold  = 10 * time.Second

	// maxRefused tokens that the API refuses in a row, without one good answer, show that new tokens are no help.
	maxRefused = 3

	// maxHeld tokens are remembered to be kept out of errors: a late answer may still quote one that was replaced.
	maxHeld = 8

	// patience is how long a request waits for the renewal of a token that is still good.
	patience = 2 * time.Second

	// assumedLife is a token's life where the answer does not tell: the shortest that RingCentral gives.
	assumedLife = 10 * time.Minute
	maxLife     = 30 * 24 * time.Hour
)

var errNoToken = errors.New("the answer holds no access token")

// token is a pair of tokens. It is never changed once it is shared.
type token struct {
	access  string
	renew   time.Time // from then on it should be replaced
	expires time.Time // from then on it must not be used

	refresh        string // good for one use; "" if the server gave none
	refreshExpires time.Time
}

// login is one login or refresh that is under way; any number of callers wait for it.
type login struct {
	done      chan struct{} // closed when err is set
	err       *Error
	waiters   int
	admitting bool               // waits for Admit: nothing is sent yet
	abandoned bool               // its last waiter left while it was admitting
	cancel    context.CancelFunc // ends Admit
}

// Login makes sure that a valid token with some margin is at hand: it logs in, refreshes, or does nothing. All callers
// share one attempt, which goes on when one of them leaves; a caller waits no longer than its own ctx.
//
// A failure is remembered, and the same error returned without a request, for as long as its RetryAfter says: what the
// server asked for, else 60 s for a refusal, 30 s for a 429 and 10 s for anything else. Refused credentials are
// [ErrCredentials]. A failure of another kind is no error while the token in hand is still valid.
func (c *Client) Login(ctx context.Context) error {
	if ctx.Err() != nil {
		return c.left(ctx)
	}
	c.mu.Lock()
	now := c.now()
	if c.token != nil && now.Before(c.token.renew) {
		c.mu.Unlock()
		return nil
	}
	if c.failed != nil && now.Before(c.retry) {
		err := c.resultLocked(c.failed, now)
		c.mu.Unlock()
		return err
	}
	l := c.login
	if l == nil {
		// The login belongs to all who wait, so it outlives the one who came first, but keeps its values.
		shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
		l = &login{done: make(chan struct{}), cancel: cancel}
		c.login = l
		go c.run(shared, l, c.token)
	}
	l.waiters++
	c.mu.Unlock()

	select {
	case <-l.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.resultLocked(l.err, c.now())
	case <-ctx.Done():
		c.leave(l)
		return c.left(ctx)
	}
}

func (c *Client) left(ctx context.Context) error {
	return failure(opLogin, NotSent, context.Cause(ctx), c.hidden())
}

// leave gives up waiting for l. When nobody waits any more and nothing is sent yet, it ends, so that Admit's place in
// the queue is free again.
func (c *Client) leave(l *login) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.waiters--
	if l.waiters == 0 && l.admitting {
		l.abandoned = true
		l.cancel()
		if c.login == l {
			c.login = nil
		}
	}
}

// resultLocked is what a login that ended with err means to a caller. c.mu is held.
func (c *Client) resultLocked(err *Error, now time.Time) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrCredentials) && c.token != nil && now.Before(c.token.expires) {
		return nil
	}
	again := *err
	if err == c.failed {
		again.RetryAfter = max(c.retry.Sub(now), 0)
	}
	return &again
}

// run gets a new token in place of old, which may be nil, and tells those who wait for l.
func (c *Client) run(ctx context.Context, l *login, old *token) {
	defer l.cancel()
	fresh, err := c.obtain(ctx, l, old)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(l.done)
	l.err = err
	if l.abandoned {
		return // nothing was sent, and another login may be under way
	}
	c.login = nil
	if err == nil {
		c.keepLocked(fresh)
		return
	}
	if hold := holdFor(err); hold > 0 {
		c.failed, c.retry = err, c.now().Add(hold)
	}
}

// keepLocked makes fresh the client's token. c.mu is held.
func (c *Client) keepLocked(fresh *token) {
	c.token, c.failed = fresh, nil
	c.held = append(c.held, fresh.access, fresh.refresh)
	if n := len(c.held); n > maxHeld {
		c.held = slices.Clone(c.held[n-maxHeld:])
	}
}

// hidden lists all that must stay out of errors.
func (c *Client) hidden() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.secrets, c.held)
}

// holdFor is how long a failed login keeps the next one from being sent. One that Admit stopped keeps nothing: it
// was RingCentral's limit or the caller's that spoke.
func holdFor(err *Error) time.Duration {
	if errors.Is(err, errNotAdmitted) {
		return 0
	}
	if err.RetryAfter > 0 {
		return err.RetryAfter
	}
	switch err.Kind {
	case Refused:
		return refusedHold
	case Limited:
		return limitedHold
	default:
		return brokenHold
	}
}

// obtain uses old's refresh token where there is one, else, or where that is refused, the JWT.
func (c *Client) obtain(ctx context.Context, l *login, old *token) (*token, *Error) {
	if old != nil && old.refresh != "" && c.now().Before(old.refreshExpires) {
		fresh, err := c.exchange(ctx, l, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.refresh}})
		if err == nil || err.Kind != Refused {
			return fresh, err
		}
		c.forgetRefresh(old)
	}
	return c.exchange(ctx, l, url.Values{"grant_type": {jwtGrant}, "assertion": {c.config.JWT}})
}

// exchange sends one token request, once it is admitted.
func (c *Client) exchange(ctx context.Context, l *login, grant url.Values) (*token, *Error) {
	if err := c.enter(ctx, l); err != nil {
		return nil, err
	}
	sent := c.now() // the life is counted from before the answer, to be on the safe side
	got, err := c.send(ctx, request{
		op: opLogin, group: Auth, method: http.MethodPost, path: tokenPath,
		contentType: "application/x-www-form-urlencoded", body: grant.Encode(), via: c.fresh,
		authorize: func(r *http.Request) { r.SetBasicAuth(c.config.ClientID, c.config.ClientSecret) },
	})
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Op: opLogin, Kind: Unknown, err: err}
		}
		switch e.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			if !errors.Is(e, ErrIntercepted) {
				e.err = ErrCredentials
			}
		}
		return nil, e
	}
	fresh, ok := decodeToken(got.body, sent, c.jitter)
	if !ok {
		return nil, &Error{Op: opLogin, Kind: Unknown, Status: got.status, err: errNoToken}
	}
	return fresh, nil
}

// Logout ends the session at RingCentral (group Auth), which keeps only a few for each user, and forgets the token; without
// one it does nothing. It asks Config.Admit first, as for a login. The client can be used on: it logs in anew. Polls that are
// under way may fail.
func (c *Client) Logout(ctx context.Context) error {
	c.mu.Lock()
	access := ""
	if c.token != nil && c.now().Before(c.token.expires) {
		access = c.token.access
	}
	c.token = nil
	c.mu.Unlock()
	if access == "" {
		return nil
	}
	if err := c.admit(ctx, opLogout, Auth); err != nil {
		return err
	}
	_, err := c.send(ctx, request{
		op: opLogout, group: Auth, method: http.MethodPost, path: revokePath,
		contentType: "application/x-www-form-urlencoded", body: url.Values{"token": {access}}.Encode(), via: c.fresh,
		authorize: func(r *http.Request) { r.SetBasicAuth(c.config.ClientID, c.config.ClientSecret) },
	})
	return err
}

// enter waits for Admit. Meanwhile l ends if nobody waits for it any more.
func (c *Client) enter(ctx context.Context, l *login) *Error {
	c.mu.Lock()
	if l.waiters == 0 {
		l.abandoned = true
		if c.login == l {
			c.login = nil
		}
		c.mu.Unlock()
		return &Error{Op: opLogin, Kind: NotSent, err: context.Canceled}
	}
	l.admitting = true
	c.mu.Unlock()

	err := c.admit(ctx, opLogin, Auth)

	c.mu.Lock()
	defer c.mu.Unlock()
	l.admitting = false // leave given too late does no harm: ctx is done then, and send refuses
	return err
}

// forgetRefresh takes the refresh token, which the server refused, away from old.
func (c *Client) forgetRefresh(old *token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == old {
		without := *old
		without.refresh = ""
		c.token = &without
	}
}

// bearer gives an access token, after a login where that is needed. A token that is due for renewal is used if
// renewing it fails or takes long: the calls under way must be followed as long as anyhow possible.
func (c *Client) bearer(ctx context.Context, op string) (string, error) {
	wait := ctx
	if c.usable() != "" {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	for range maxRefused {
		err := c.Login(wait)
		if access := c.usable(); access != "" {
			return access, nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", op, err)
		}
		// Logged in, and the token is gone again: the API has just refused it to another request.
	}
	return "", &Error{Op: op, Kind: NotSent, err: ErrNotLoggedIn}
}

// usable is the access token, "" if there is none that is still valid.
func (c *Client) usable() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == nil || !c.now().Before(c.token.expires) {
		return ""
	}
	return c.token.access
}

// drop forgets the token that the API refused, unless it has been replaced already.
func (c *Client) drop(access string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == nil || c.token.access != access {
		return
	}
	c.token = nil
	if c.refused++; c.refused >= maxRefused {
		c.failed = &Error{Op: opLogin, Kind: Refused, Status: http.StatusUnauthorized, err: ErrUnauthorized}
		c.retry = c.now().Add(brokenHold)
	}
}

// accepted notes that the API took the token.
func (c *Client) accepted(access string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != nil && c.token.access == access {
		c.refused = 0
	}
}

// decodeToken reads the answer to a token request that was sent at the given time.
func decodeToken(body []byte, sent time.Time, jitter func(time.Duration) time.Duration) (*token, bool) {
	var t struct {
		Access         text `json:"access_token"`
		Type           text `json:"token_type"`
		ExpiresIn      text `json:"expires_in"`
		Refresh        text `json:"refresh_token"`
		RefreshExpires text `json:"refresh_token_expires_in"`
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return nil, false
	}
	if !sendable(string(t.Access)) || t.Type != "" && !strings.EqualFold(string(t.Type), "bearer") {
		return nil, false
	}
	life := lifetime(string(t.ExpiresIn), assumedLife)
	fresh := &token{
		access:  string(t.Access),
		expires: sent.Add(life),
		renew:   sent.Add(life - margin(life, jitter)),
	}
	if sendable(string(t.Refresh)) {
		fresh.refresh = string(t.Refresh)
		fresh.refreshExpires = sent.Add(lifetime(string(t.RefreshExpires), maxLife))
	}
	return fresh, true
}

// sendable reports whether s can stand in a header.
func sendable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f })
}

// lifetime reads a number of seconds, and takes assumed for what is absent or no life at all.
func lifetime(value string, assumed time.Duration) time.Duration {
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return assumed
	}
	if seconds >= maxLife.Seconds() {
		return maxLife
	}
	return time.Duration(seconds * float64(time.Second))
}

// margin is how long before its end a token is renewed: 60 s or a tenth of its life, whichever is more, and up to half
// as much again by chance, so that extensions which logged in together do not renew together. It is never more than a
// third of the life.
func margin(life time.Duration, jitter func(time.Duration) time.Duration) time.Duration {
	base := max(time.Minute, life/10)
	if most := life / 3; base+base/2 > most {
		base = most * 2 / 3
	}
	return base + jitter(base/2)
}

// jitter is a random duration from 0 up to most.
func jitter(most time.Duration) time.Duration {
	return rand.N(most + 1)
}
