package ringouttest

import (
	"container/heap"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"time"
)

// accountID is the one account's id.
const accountID = "400131426008"

// ringOutBody is a RingOut as RingCentral answers it.
type ringOutBody struct {
	ID     any           `json:"id"` // string or json.Number
	URI    string        `json:"uri"`
	Status ringOutStatus `json:"status"`
}

type ringOutStatus struct {
	Call   string `json:"callStatus"`
	Caller string `json:"callerStatus"`
	Callee string `json:"calleeStatus"`
}

// set overwrites one status, or all three.
func (s *ringOutStatus) set(leg, value string) {
	for name, field := range map[string]*string{"call": &s.Call, "caller": &s.Caller, "callee": &s.Callee} {
		if leg == "" || leg == name {
			*field = value
		}
	}
}

// placement is what a POST asks for, once it was looked at.
type placement struct {
	from, to, callerID string
	playPrompt         bool
	refused            *answer
	code               string // of refused
}

// refuse turns a placement down.
func (p *placement) refuse(status int, code, message, parameter string) {
	a := failure(status, code, message, parameter)
	p.refused, p.code = &a, code
}

// placement reads the body of a POST. What is wrong with it is kept for later: quota and faults come first.
func (s *Simulator) placement(q *request) {
	type endpoint struct {
		PhoneNumber        *string         `json:"phoneNumber"`
		ForwardingNumberID json.RawMessage `json:"forwardingNumberId"` // a string or a number
	}
	var body struct {
		From       *endpoint `json:"from"`
		To         *endpoint `json:"to"`
		CallerID   *endpoint `json:"callerId"`
		PlayPrompt bool      `json:"playPrompt"`
		Country    *struct {
			ID json.RawMessage `json:"id"`
		} `json:"country"`
	}
	p := &q.made
	kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		p.refuse(http.StatusUnsupportedMediaType, "CMN-101", "Unsupported media type", "Content-Type")
		return
	}
	if err := json.Unmarshal(q.body, &body); err != nil {
		p.refuse(http.StatusBadRequest, "CMN-101", "Cannot parse the request's body", "body")
		return
	}
	number := func(e *endpoint) string {
		if e == nil || e.PhoneNumber == nil {
			return ""
		}
		return e164(*e.PhoneNumber)
	}

	p.to, p.playPrompt = number(body.To), body.PlayPrompt
	q.to = p.to
	switch {
	case body.From == nil:
		p.from = e164(q.ext.DefaultNumber)
	case len(body.From.ForwardingNumberID) > 0 && string(body.From.ForwardingNumberID) != "null":
		id := string(body.From.ForwardingNumberID)
		var text string
		if json.Unmarshal(body.From.ForwardingNumberID, &text) == nil {
			id = text
		}
		if p.from = e164(q.ext.Forwarding[id]); p.from == "" {
			a := notFound("forwardingNumberId")
			p.refused, p.code = &a, "CMN-102"
			return
		}
	default:
		p.from = number(body.From)
	}
	p.callerID = number(body.CallerID)
	switch {
	case body.To == nil:
		p.refuse(http.StatusBadRequest, "CMN-101", "Parameter [to] is required", "to")
	case p.to == "":
		p.refuse(http.StatusBadRequest, "TEL-109", "phoneNumber specified in the [to] field is empty or invalid", "to")
	case p.from == "":
		p.refuse(http.StatusBadRequest, "TEL-108", "phoneNumber specified in the [from] field is empty or invalid", "from")
	case body.CallerID != nil && (p.callerID == "" || len(q.ext.CallerIDs) > 0 && !slices.Contains(q.ext.CallerIDs, p.callerID)):
		p.refuse(http.StatusForbidden, "TEL-107", "The caller ID is not allowed", "callerId")
	}
}

// place answers POST ring-out.
func (s *Simulator) place(q *request) answer {
	p := q.made
	if p.refused != nil {
		return s.refuse(q, *p.refused, p.code)
	}
	attempt := s.attempts[p.to] + 1
	s.attempts[p.to] = attempt
	e := s.ending(p.to, attempt)
	info, ok := lookup(e.Name)
	if !ok {
		panic("ringouttest: Config.Ending chose an ending that there is not: " + string(e.Name))
	}
	if info.Refused != 0 {
		code := info.Code
		if e.Code != "" {
			code = e.Code
		}
		return s.refuse(q, failure(info.Refused, code, info.Text, "to"), code)
	}

	c := newCall(s.config, Dial{
		At: q.now, Extension: q.ext.ID, From: p.from, To: p.to, CallerID: p.callerID, PlayPrompt: p.playPrompt,
		Ending: e.Name, Attempt: attempt,
	}, e.timed(info, p.to), info)
	c.name(int64(len(s.dials)), s.config.SessionIDMatchesRingOutID)
	if s.config.NumericIDs {
		c.dial.ID = c.number
		if s.config.SessionIDMatchesRingOutID {
			c.telephonyID = c.number
		}
	}
	s.remember(q, c)
	return reply(http.StatusOK, s.ringOut(q, c))
}

// ending chooses what a number does.
func (s *Simulator) ending(number string, attempt int) Ending {
	if script := s.config.Endings[number]; len(script) > 0 {
		return script[min(attempt, len(script))-1]
	}
	return s.config.Ending(number, attempt)
}

// refuse notes a refusal and passes its answer on.
func (s *Simulator) refuse(q *request, a answer, code string) answer {
	s.refusals = append(s.refusals, Refusal{
		At: q.now, Extension: q.ext.ID, From: q.made.from, To: q.made.to, Status: a.status, Code: code,
	})
	return a
}

// remember files a call that was placed, and notes which calls its line was still busy with.
func (s *Simulator) remember(q *request, c *call) {
	s.dials = append(s.dials, c)
	s.calls[c.dial.ID], s.calls[c.number] = c, c
	q.ext.calls = append(q.ext.calls, c)
	q.call = c

	keep := max(s.config.Retention, activeCallsKept, s.config.CallLogLag+s.config.LogKeep)
	c.forgetAt = c.dial.EndedAt.Add(s.config.scaled(keep))
	heap.Push(&s.leaving, c)

	busyWith := slices.DeleteFunc(s.onLine[c.dial.From], func(other *call) bool { return !q.now.Before(other.dial.LineFreeAt) })
	for _, other := range busyWith {
		s.overlaps = append(s.overlaps, [2]*call{other, c})
	}
	s.onLine[c.dial.From] = append(busyWith, c)
}

// byID finds the call that a path names.
func (s *Simulator) byID(q *request) {
	c := s.calls[q.PathValue("id")]
	if c != nil && c.dial.Extension == q.ext.ID {
		q.call, q.to = c, c.dial.To
	}
}

// gone says that a request's call can no longer be asked for.
func (s *Simulator) gone(q *request) bool {
	c := q.call
	if c == nil || c.gone(q.now, s.config.scaled(s.config.Retention)) {
		return true
	}
	return s.config.CancelForgets && !c.dial.CancelledAt.IsZero()
}

// status answers GET ring-out.
func (s *Simulator) status(q *request) answer {
	if !s.gone(q) {
		return reply(http.StatusOK, s.ringOut(q, q.call))
	}
	if !s.config.NoSessionFound200 {
		return notFound("ringOutId")
	}
	id := q.PathValue("id")
	body := &ringOutBody{ID: id, URI: s.uri(q, "ring-out/"+id)}
	body.Status.set("", s.spell(noSessionFound))
	return reply(http.StatusOK, body)
}

// cancel answers DELETE ring-out. It ends a call only before the agent's phone is answered.
func (s *Simulator) cancel(q *request) answer {
	if s.gone(q) {
		return notFound("ringOutId")
	}
	if q.call.cancel(q.now) {
		return reply(http.StatusNoContent, nil)
	}
	if s.config.LateCancelStatus >= 400 {
		return failure(s.config.LateCancelStatus, codeFor(s.config.LateCancelStatus), "The call can no longer be cancelled", "ringOutId")
	}
	return reply(s.config.LateCancelStatus, nil)
}

// ringOut is the body for a call as it is now.
func (s *Simulator) ringOut(q *request, c *call) *ringOutBody {
	l := c.at(q.now)
	body := &ringOutBody{
		ID:     c.dial.ID,
		URI:    s.uri(q, "ring-out/"+c.dial.ID),
		Status: ringOutStatus{s.spell(l.call), s.spell(l.caller), s.spell(l.callee)},
	}
	if s.config.NumericIDs {
		body.ID = json.Number(c.number)
	}
	return body
}

// spell writes a status as the config wants it.
func (s *Simulator) spell(status string) string {
	if s.config.Spelling == nil {
		return status
	}
	return s.config.Spelling(status)
}

// uri is the address of something of the user's.
func (s *Simulator) uri(q *request, rest string) string {
	uri := base(q.Request) + "/restapi/v1.0/account/" + accountID + "/extension/" + q.ext.ID
	if rest != "" {
		uri += "/" + rest
	}
	return uri
}

// extensionInfo answers GET extension/~.
func (s *Simulator) extensionInfo(q *request) answer {
	return reply(http.StatusOK, map[string]any{
		"id": json.Number(numeric(q.ext.ID)), "uri": s.uri(q, ""), "extensionNumber": "101",
		"name": "Simulated user", "type": "User", "status": "Enabled",
	})
}

// numeric is an id as a JSON number: RingCentral's extension ids are numbers there.
func numeric(id string) string {
	if id == "" || id[0] == '0' {
		return "0"
	}
	for _, d := range []byte(id) {
		if d < '0' || d > '9' {
			return "0"
		}
	}
	return id
}

// clock writes an instant as RingCentral does.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
