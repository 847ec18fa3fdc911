package ringouttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// Operation names what a request asks for.
type Operation string

// The operations.
const (
	OpToken       Operation = "token"
	OpRevoke      Operation = "revoke"
	OpPlace       Operation = "place"
	OpStatus      Operation = "status"
	OpCancel      Operation = "cancel"
	OpPresence    Operation = "presence"
	OpActiveCalls Operation = "active_calls"
	OpCallLog     Operation = "call_log"
	OpExtension   Operation = "extension"
)

// Effect is what a fault does to a request.
type Effect string

// The effects. Those marked (late possible) come before the request is carried out, so that no phone rings, unless the
// fault says Late. The others change the answer of a request that is carried out.
const (
	AnswerStatus Effect = "status"     // answer with Status, Code, RetryAfter (late possible)
	Delay        Effect = "delay"      // wait for Delay, then go on (late possible)
	Hang         Effect = "hang"       // do not answer until the client gives up (late possible)
	Drop         Effect = "drop"       // close the connection without an answer (late possible)
	Redirect     Effect = "redirect"   // answer 307, or Status, with Location Value or the same address (late possible)
	Malformed    Effect = "malformed"  // cut the JSON off in the middle
	WrongType    Effect = "wrong_type" // an HTML page instead of JSON, with the answer's own status
	StatusValue  Effect = "value"      // put Value into the status of Leg
	NumericID    Effect = "numeric_id" // the RingOut's id as a JSON number
)

// Fault is a rule: which requests it meets, how many of them it hits, and what it does to them. Faults are tried in
// the order in which they were injected, and a request is hit by the first that applies.
type Fault struct {
	// Operation and Extension, where given, must be the request's; so must To, the destination of the call that is
	// placed, polled or cancelled, in E.164 with the plus sign.
	Operation Operation `json:"operation,omitempty"`
	Extension string    `json:"extension,omitempty"`
	To        string    `json:"to,omitempty"`
	// Line and CallerID, where given, must be the phone that rings first and the number that is shown, both in E.164; only
	// calls that are being placed have them.
	Line     string `json:"line,omitempty"`
	CallerID string `json:"caller_id,omitempty"`

	// After is how long after it was injected the fault begins, and For how long it then goes on, both before scaling; 0 is
	// at once, and without end.
	After time.Duration `json:"-"`
	For   time.Duration `json:"-"`

	Skip        int     `json:"skip,omitempty"`        // lets the first so many matches pass
	Times       int     `json:"times,omitempty"`       // hits so many; 0 is one, negative is without end
	Probability float64 `json:"probability,omitempty"` // of each hit; 0 is certain

	Effect Effect `json:"effect"`
	Late   bool   `json:"late,omitempty"` // the request is carried out first: a call is placed, then its answer is lost

	Status int    `json:"status,omitempty"` // of AnswerStatus and Redirect
	Code   string `json:"code,omitempty"`   // error code; empty: one that fits the status
	// Parameter is the field of the request that AnswerStatus says is wrong: to, from, callerId.
	Parameter string `json:"parameter,omitempty"`
	// HTML makes AnswerStatus send a page, as a proxy or a web filter does, instead of RingCentral's JSON.
	HTML bool `json:"html,omitempty"`
	// RetryAfter is how long an injected 429 blocks the extension's group, before scaling; 0 is the group's usual
	// penalty. Other statuses, 503 for example, send it only if it is given.
	RetryAfter     time.Duration `json:"-"`
	OmitRetryAfter bool          `json:"omit_retry_after,omitempty"`
	Delay          time.Duration `json:"-"`               // real time, never scaled
	Value          string        `json:"value,omitempty"` // of StatusValue and Redirect
	Leg            string        `json:"leg,omitempty"`   // call, caller or callee; empty: all three
}

// rule is a fault at work.
type rule struct {
	Fault
	begins, ends time.Time // zero: at once, never
	matched, hit int
}

// Inject adds a fault. It panics on one that can have no effect.
func (s *Simulator) Inject(f Fault) {
	if err := f.check(); err != nil {
		panic("ringouttest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &rule{Fault: f}
	if now := s.config.Now(); f.After > 0 || f.For > 0 {
		r.begins = now.Add(s.config.scaled(f.After))
		if f.For > 0 {
			r.ends = r.begins.Add(s.config.scaled(f.For))
		}
	}
	s.rules = append(s.rules, r)
}

// ClearFaults removes every fault.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// check says what is wrong with f.
func (f Fault) check() error {
	effects := []Effect{AnswerStatus, Delay, Hang, Drop, Redirect, Malformed, WrongType, StatusValue, NumericID}
	operations := []Operation{"", OpToken, OpRevoke, OpPlace, OpStatus, OpCancel, OpPresence, OpActiveCalls, OpCallLog, OpExtension}
	switch {
	case !slices.Contains(effects, f.Effect):
		return fmt.Errorf("fault: no effect is called %q", f.Effect)
	case !slices.Contains(operations, f.Operation):
		return fmt.Errorf("fault: no operation is called %q", f.Operation)
	case f.Effect == AnswerStatus && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault: status must be 400 to 599, not %d", f.Status)
	case f.Effect == Redirect && f.Status != 0 && (f.Status < 300 || f.Status > 399):
		return fmt.Errorf("fault: a redirect's status must be 300 to 399, not %d", f.Status)
	case f.Effect == Delay && f.Delay <= 0:
		return errors.New("fault: delay must be positive")
	case f.Effect == StatusValue && f.Value == "":
		return errors.New("fault: value is missing")
	case !slices.Contains([]string{"", "call", "caller", "callee"}, f.Leg):
		return fmt.Errorf("fault: leg must be call, caller or callee, not %q", f.Leg)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("fault: probability must be 0 to 1, not %v", f.Probability)
	case f.After < 0 || f.For < 0:
		return errors.New("fault: after and for must not be negative")
	case f.Effect != AnswerStatus && (f.Parameter != "" || f.HTML):
		return errors.New("fault: only the effect status has a parameter or a page")
	}
	for _, n := range []struct{ field, number string }{{"to", f.To}, {"line", f.Line}, {"caller_id", f.CallerID}} {
		if n.number != "" && e164(n.number) != n.number {
			return fmt.Errorf("fault: %s must be an E.164 number with its plus sign", n.field)
		}
	}
	return nil
}

// early says that the effect replaces carrying the request out.
func (f Fault) early() bool {
	switch f.Effect {
	case AnswerStatus, Delay, Hang, Drop, Redirect:
		return !f.Late
	}
	return false
}

// meets says whether a fault is meant for a request of the extension who.
func (r *rule) meets(q *request, who string) bool {
	switch {
	case r.Operation != "" && r.Operation != q.op.name:
	case r.Extension != "" && r.Extension != who:
	case r.To != "" && r.To != q.to:
	case r.Line != "" && r.Line != q.made.from:
	case r.CallerID != "" && r.CallerID != q.made.callerID:
	case !r.begins.IsZero() && q.now.Before(r.begins):
	case !r.ends.IsZero() && !q.now.Before(r.ends):
	default:
		return true
	}
	return false
}

// fault finds the fault that hits a request. s.mu is held.
func (s *Simulator) fault(q *request, who string) *Fault {
	for i, r := range s.rules {
		if !r.meets(q, who) {
			continue
		}
		r.matched++
		if r.matched <= r.Skip || r.Probability > 0 && s.chance.Float64() >= r.Probability {
			continue
		}
		r.hit++
		f := r.Fault
		if r.Times >= 0 && r.hit >= max(1, r.Times) {
			s.rules = slices.Delete(s.rules, i, i+1)
		}
		return &f
	}
	return nil
}

// newChance makes the dice for faults.
func newChance(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) // faults are to be repeatable
}

// statusAnswer is the answer of AnswerStatus. It may block the group. s.mu is held.
func (s *Simulator) statusAnswer(f *Fault, op Operation, b *bucket, now time.Time) answer {
	code := f.Code
	if code == "" {
		code = codeFor(f.Status)
	}
	a := failure(f.Status, code, http.StatusText(f.Status), f.Parameter)
	if op == OpToken || op == OpRevoke {
		a = oauthFailure(f.Status, oauthError(f.Status), code, http.StatusText(f.Status))
	}
	if f.HTML {
		a.contentType = "text/html; charset=utf-8"
		a.raw = []byte("<!DOCTYPE html><title>Access denied</title><p>This page was blocked by your organisation.</p>")
	}
	wait := s.config.scaled(f.RetryAfter)
	if f.Status == http.StatusTooManyRequests {
		if wait == 0 {
			wait = b.limit.Penalty
		}
		b.block(now, wait)
	}
	if wait > 0 && !f.OmitRetryAfter && !s.config.OmitRetryAfter {
		a.header.Set("Retry-After", wholeSeconds(wait))
	}
	return a
}

// oauthError is the OAuth error that goes with a status.
func oauthError(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_client"
	case status == http.StatusForbidden:
		return "unauthorized_client"
	case status >= 500:
		return "temporarily_unavailable"
	}
	return "invalid_grant"
}

// codeFor is the error code that RingCentral sends with a status.
func codeFor(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "OAU-213"
	case http.StatusForbidden:
		return "CMN-408"
	case http.StatusNotFound:
		return "CMN-102"
	case http.StatusTooManyRequests:
		return "CMN-301"
	}
	if status >= 500 {
		return "CMN-201"
	}
	return "CMN-101"
}

// spoil changes an answer as the effect says.
func (f *Fault) spoil(a *answer, c *call) {
	switch f.Effect {
	case Malformed:
		a.raw = a.encoded()
		a.raw = a.raw[:len(a.raw)/2]
	case WrongType:
		a.contentType = "text/html; charset=utf-8"
		a.raw = []byte("<!DOCTYPE html><title>Please wait</title><p>The service is being restarted.</p>")
	case StatusValue:
		if body, ok := a.body.(*ringOutBody); ok {
			body.Status.set(f.Leg, f.Value)
		}
	case NumericID:
		if body, ok := a.body.(*ringOutBody); ok && c != nil {
			body.ID = json.Number(c.number)
		}
	}
}

// MarshalJSON writes durations as text, "1m30s".
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	return json.Marshal(struct {
		plain
		RetryAfter duration `json:"retry_after,omitzero"`
		Delay      duration `json:"delay,omitzero"`
		After      duration `json:"after,omitzero"`
		For        duration `json:"for,omitzero"`
	}{plain(f), duration(f.RetryAfter), duration(f.Delay), duration(f.After), duration(f.For)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(src []byte) error {
	type plain Fault
	var wire struct {
		plain
		RetryAfter duration `json:"retry_after"`
		Delay      duration
		After      duration
		For        duration
	}
	if err := strict(src, &wire); err != nil {
		return err
	}
	*f = Fault(wire.plain)
	f.RetryAfter, f.Delay = time.Duration(wire.RetryAfter), time.Duration(wire.Delay)
	f.After, f.For = time.Duration(wire.After), time.Duration(wire.For)
	return nil
}
