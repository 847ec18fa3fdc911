// Package ringout is a client for RingCentral's RingOut: it places two-legged calls, asks how they are, and cancels
// them, for one extension, and reads what RingCentral itself has recorded of that extension's calls.
//
// A RingOut has no idempotency key, so nothing in here ever sends one twice: [Client.Place] never logs in, never follows
// a redirect and never repeats, and its error says what is known about the phones: [Refused], [Limited], [NotSent], or
// [Unknown], after which one may be ringing.
//
// The client keeps no quota itself. Every answer's rate-limit facts go to Config.Observe, and Config.Admit is asked
// before each request that the caller did not make.
package ringout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Client talks to RingCentral for one extension. It is safe for concurrent use. Make one with [New].
type Client struct {
	config  Config
	base    string            // no slash at its end
	secrets []string          // of the config; never in an error
	pooled  http.RoundTripper // for what may be repeated
	fresh   http.RoundTripper // for token requests, on connections of their own where that can be had
	placing http.RoundTripper // for Place: likewise, and made before where Ready was called
	spares  *spares           // nil: connections cannot be made before
	jitter  func(time.Duration) time.Duration

	mu      sync.Mutex
	token   *token    // nil: none; replaced, never changed
	held    []string  // the latest tokens, valid or not; never in an error
	login   *login    // the one under way, nil: none
	failed  *Error    // why the last one failed, returned again until retry
	retry   time.Time // earliest next login after failed
	refused int       // tokens refused by the API in a row
}

// String hides the secrets.
func (c *Client) String() string {
	return "ringout.Client{" + c.base + "}"
}

// GoString hides the secrets.
func (c *Client) GoString() string {
	return c.String()
}

// Endpoint is a phone: a number in E.164, or the id of one of the extension's forwarding numbers.
type Endpoint struct {
	PhoneNumber        string
	ForwardingNumberID string
}

// Call is a RingOut to be placed.
type Call struct {
	From       Endpoint // the phone that rings first; exactly one of its fields is set
	To         string   // the number that rings when From has answered, E.164
	CallerID   string   // what To sees, one of the account's numbers; if empty, the extension's default
	PlayPrompt bool     // From must press 1 before To rings
	CountryID  string   // RingCentral's id of the dialling country; if empty, the extension's own

	// SendBy is when the request must have been written; if zero, any time is good. Connecting may take long, and the
	// process may be suspended at any instruction, so this is asked at the very last: a request that comes too late is
	// not sent, and the error is [ErrTooLate].
	SendBy time.Time
}

// RingOut is a placed call as RingCentral sees it at one moment.
type RingOut struct {
	ID     string    // opaque
	Call   Status    // of both together; stays Success after hang-up
	Caller Status    // the From leg
	Callee Status    // the To leg
	At     time.Time // the server's Date header, zero if absent
}

const (
	extensionPath = "/restapi/v1.0/account/~/extension/~"
	ringOutPath   = extensionPath + "/ring-out"
	presencePath  = extensionPath + "/presence?detailedTelephonyState=true"

	activeCallsPath = extensionPath + "/active-calls"
	callLogPath     = extensionPath + "/call-log"

	tokenPath  = "/restapi/oauth/token" //nolint:gosec // G101: a path, no credential
	revokePath = "/restapi/oauth/revoke"
)

// Place starts a call (group Heavy). It sends at most one request, on a connection of its own where Config.Transport
// allows, which [Client.Ready] has made if that was called a moment ago, and never logs in: without a valid token it returns [ErrNotLoggedIn].
//
// Every error is an *[Error], whose Kind says what is known about the phones. A 401 is Refused and [ErrUnauthorized];
// the token is then dropped, so that the next [Client.Login] gets a new one. An answer without a usable id is Unknown.
func (c *Client) Place(ctx context.Context, call Call) (RingOut, error) {
	const op = opPlace
	body, err := call.encode()
	if err != nil {
		return RingOut{}, &Error{Op: op, Kind: NotSent, err: err}
	}
	access := c.usable()
	if access == "" {
		return RingOut{}, &Error{Op: op, Kind: NotSent, err: ErrNotLoggedIn}
	}
	got, err := c.sendWith(ctx, access, request{
		op: op, group: Heavy, method: http.MethodPost, path: ringOutPath,
		contentType: "application/json", body: body, by: call.SendBy, via: c.placing, guarded: c.spares != nil,
	})
	if err != nil {
		return RingOut{}, err
	}
	seen, err := decodeRingOut(got.body)
	if err == nil && seen.id == "" {
		err = errNoID
	}
	if err == nil && !usableID(seen.id) {
		err = errBadID
	}
	if err != nil {
		return RingOut{}, &Error{Op: op, Kind: Unknown, Status: got.status, err: err}
	}
	return c.ringOut(ctx, seen, got.at), nil
}

// Status asks how a call is (group Light). It logs in where that is needed, and after a 401 it logs in anew and asks
// once more. A call that RingCentral does not know, or no longer, is [ErrNotFound].
func (c *Client) Status(ctx context.Context, id string) (RingOut, error) {
	const op = opStatus
	if !usableID(id) {
		return RingOut{}, &Error{Op: op, Kind: NotSent, err: errBadID}
	}
	got, err := c.ask(ctx, request{
		op: op, group: Light, method: http.MethodGet, path: ringOutPath + "/" + url.PathEscape(id), via: c.pooled,
	})
	if err != nil {
		return RingOut{}, notFound(err)
	}
	seen, err := decodeRingOut(got.body)
	if err == nil && seen.call == "" && seen.caller == "" && seen.callee == "" {
		err = errUndecodable
	}
	if err != nil {
		return RingOut{}, &Error{Op: op, Kind: Unknown, Status: got.status, err: err}
	}
	seen.id = id
	r := c.ringOut(ctx, seen, got.at)
	if r.Call == NoSessionFound || r.Caller == NoSessionFound || r.Callee == NoSessionFound {
		return RingOut{}, &Error{Op: op, Kind: Refused, Status: got.status, err: ErrNotFound}
	}
	return r, nil
}

// Cancel asks RingCentral to drop a call (group Heavy), which it does only before the caller has answered; whether it
// did shows in Status. It logs in and repeats as Status does. A call that RingCentral does not know, or no longer, is
// [ErrNotFound].
func (c *Client) Cancel(ctx context.Context, id string) error {
	const op = opCancel
	if !usableID(id) {
		return &Error{Op: op, Kind: NotSent, err: errBadID}
	}
	_, err := c.ask(ctx, request{
		op: op, group: Heavy, method: http.MethodDelete, path: ringOutPath + "/" + url.PathEscape(id), via: c.pooled,
	})
	return notFound(err)
}

// Presence tells what the extension's phones do (group Light; the app needs the permission ReadPresence, else
// [ErrForbidden]). It logs in and repeats as Status does.
func (c *Client) Presence(ctx context.Context) (Presence, error) {
	const op = opPresence
	got, err := c.ask(ctx, request{op: op, group: Light, method: http.MethodGet, path: presencePath, via: c.pooled})
	if err != nil {
		return Presence{}, forbidden(err)
	}
	p, err := decodePresence(got.body)
	if err != nil {
		return Presence{}, &Error{Op: op, Kind: Unknown, Status: got.status, err: err}
	}
	p.At = got.at
	return p, nil
}

// ask sends a request that may be sent twice, and repeats it once with a new token after a 401.
func (c *Client) ask(ctx context.Context, r request) (answer, error) {
	access, err := c.bearer(ctx, r.op)
	if err != nil {
		return answer{}, err
	}
	got, err := c.sendWith(ctx, access, r)
	if !errors.Is(err, ErrUnauthorized) {
		return got, err
	}
	if access, err = c.bearer(ctx, r.op); err != nil {
		return answer{}, err
	}
	if err := c.admit(ctx, r.op, r.group); err != nil {
		return answer{}, err
	}
	return c.sendWith(ctx, access, r)
}

// sendWith sends r with an access token, and drops the token if the API refuses it.
func (c *Client) sendWith(ctx context.Context, access string, r request) (answer, error) {
	r.authorize = func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+access) }
	got, err := c.send(ctx, r)
	if errors.Is(err, ErrUnauthorized) {
		c.drop(access)
	} else if err == nil {
		c.accepted(access)
	}
	return got, err
}

var errNotAdmitted = errors.New("not admitted")

// admit asks for leave to send a request of group g that the caller did not make.
func (c *Client) admit(ctx context.Context, op string, g Group) *Error {
	if c.config.Admit == nil {
		return nil
	}
	if err := c.config.Admit(ctx, g); err != nil {
		return failure(op, NotSent, fmt.Errorf("%w: %w", errNotAdmitted, err), c.hidden())
	}
	return nil
}

// notFound marks a 404 for a call's id.
func notFound(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Op != opLogin && e.Status == http.StatusNotFound && !errors.Is(e, ErrIntercepted) {
		e.err = ErrNotFound
	}
	return err
}

// forbidden marks a 403 where no number or call could be what is refused.
func forbidden(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Op != opLogin && e.Status == http.StatusForbidden && !errors.Is(e, ErrIntercepted) {
		e.err = ErrForbidden
	}
	return err
}

// ringOut parses the statuses and tells of those that are not known.
func (c *Client) ringOut(ctx context.Context, seen told, at time.Time) RingOut {
	parse := func(field, value string) Status {
		status := ParseStatus(bounded(value))
		if status != "" && !status.Known() && c.config.UnknownStatus != nil {
			c.config.UnknownStatus(ctx, field, clean(string(status), nil))
		}
		return status
	}
	return RingOut{
		ID:     seen.id,
		Call:   parse("callStatus", seen.call),
		Caller: parse("callerStatus", seen.caller),
		Callee: parse("calleeStatus", seen.callee),
		At:     at,
	}
}

// bounded keeps the first 64 characters: a status is stored for every call.
func bounded(s string) string {
	if runes := []rune(s); len(runes) > 64 {
		return string(runes[:64])
	}
	return s
}

// encode checks the call and writes it as RingCentral takes it. Errors name no number.
func (call Call) encode() (string, error) {
	switch {
	case call.From.PhoneNumber == "" && call.From.ForwardingNumberID == "":
		return "", errors.New("the call has no From")
	case call.From.PhoneNumber != "" && call.From.ForwardingNumberID != "":
		return "", errors.New("the call's From has both a phone number and a forwarding number's id")
	case call.To == "":
		return "", errors.New("the call has no To")
	}
	type number struct {
		PhoneNumber        string `json:"phoneNumber,omitempty"`
		ForwardingNumberID string `json:"forwardingNumberId,omitempty"`
	}
	type country struct {
		ID string `json:"id"`
	}
	body := struct {
		From       number   `json:"from"`
		To         number   `json:"to"`
		CallerID   *number  `json:"callerId,omitempty"`
		PlayPrompt bool     `json:"playPrompt"`
		Country    *country `json:"country,omitempty"`
	}{
		From:       number(call.From),
		To:         number{PhoneNumber: call.To},
		PlayPrompt: call.PlayPrompt,
	}
	if call.CallerID != "" {
		body.CallerID = &number{PhoneNumber: call.CallerID}
	}
	if call.CountryID != "" {
		body.Country = &country{ID: call.CountryID}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

func (c *Client) now() time.Time {
	return c.config.Now()
}
