package ringouttest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	activeCallsKept = 120 * time.Second // active-calls shows a call for so long after its end
	presenceCalls   = 7                 // presence lists at most so many calls
)

type party struct {
	PhoneNumber     string `json:"phoneNumber,omitempty"`
	ExtensionNumber string `json:"extensionNumber,omitempty"`
}

// presence answers GET presence. It has no lag.
func (s *Simulator) presence(q *request) answer {
	type activeCall struct {
		ID                 string `json:"id"`
		Direction          string `json:"direction"`
		From               string `json:"from"`
		To                 string `json:"to"`
		StartTime          string `json:"startTime"`
		TelephonyStatus    string `json:"telephonyStatus"`
		SessionID          string `json:"sessionId"`
		TelephonySessionID string `json:"telephonySessionId"`
		PartyID            string `json:"partyId"`
	}
	var active []activeCall
	telephony := "NoCall"
	for i := len(q.ext.calls) - 1; i >= 0 && len(active) < presenceCalls; i-- {
		c := q.ext.calls[i]
		state := c.telephony(q.now)
		if state == "NoCall" {
			continue
		}
		if telephony != "CallConnected" {
			telephony = state
		}
		active = append(active, activeCall{
			ID: c.sessionID, Direction: "Outbound", From: c.dial.From, To: c.dial.To, StartTime: clock(c.dial.At),
			TelephonyStatus: state, SessionID: c.sessionID, TelephonySessionID: c.telephonyID,
			PartyID: "p-" + c.sessionID + "-1",
		})
	}
	body := map[string]any{
		"uri": s.uri(q, "presence"), "extension": map[string]any{"id": numeric(q.ext.ID), "uri": s.uri(q, ""), "extensionNumber": "101"},
		"presenceStatus": "Available", "telephonyStatus": telephony, "userStatus": "Available", "dndStatus": "TakeAllCalls",
	}
	if telephony != "NoCall" {
		body["presenceStatus"] = "Busy"
	}
	if q.URL.Query().Get("detailedTelephonyState") == "true" && len(active) > 0 {
		body["activeCalls"] = active
	}
	return reply(http.StatusOK, body)
}

// record is one entry of active-calls and of the call log.
type record struct {
	ID                 string `json:"id"`
	URI                string `json:"uri"`
	SessionID          string `json:"sessionId"`
	TelephonySessionID string `json:"telephonySessionId"`
	StartTime          string `json:"startTime"`
	Duration           int    `json:"duration"` // seconds
	Type               string `json:"type"`
	Direction          string `json:"direction"`
	Action             string `json:"action"`
	Result             string `json:"result"`
	From               party  `json:"from"`
	To                 party  `json:"to"`
	Legs               []leg  `json:"legs,omitempty"`
}

// leg is one leg of a detailed record.
type leg struct {
	LegType   string `json:"legType"`
	StartTime string `json:"startTime"`
	Duration  int    `json:"duration"`
	Type      string `json:"type"`
	Direction string `json:"direction"`
	Action    string `json:"action"`
	Result    string `json:"result"`
	From      party  `json:"from"`
	To        party  `json:"to"`
}

// recorded is one of the sessions under which a call stands in the records: one, or, as Config.SplitRecords has it, one to
// the agent and, from the agent's answer on, one to the contact.
type recorded struct {
	c             *call
	agent, callee bool // whose legs it has
	id, telephony string
	direction     string
	start         time.Time
	from, to      string // "": a party without a number
}

// sessionsOf lists a call's sessions, newest first. It has all that the call will ever have.
func (s *Simulator) sessionsOf(c *call) []recorded {
	d := c.dial
	whole := recorded{
		c: c, agent: true, callee: true, id: c.sessionID, telephony: c.telephonyID, direction: "Outbound",
		start: d.At, from: d.From, to: d.To,
	}
	if !s.config.SplitRecords {
		return []recorded{whole}
	}
	inbound := whole
	inbound.callee, inbound.direction, inbound.from, inbound.to = false, "Inbound", d.CallerID, ""
	if d.CallerAnsweredAt.IsZero() {
		return []recorded{inbound}
	}
	outbound := whole
	outbound.agent, outbound.start = false, d.CallerAnsweredAt
	outbound.id, outbound.telephony = c.secondSessionID, c.telephonyID+"-2"
	return []recorded{outbound, inbound}
}

// record describes a session as it was at an instant.
func (s *Simulator) record(q *request, x recorded, at time.Time) record {
	d := x.c.dial
	partyOf := func(number string) party {
		switch {
		case number == "":
			return party{ExtensionNumber: "101"}
		case s.config.MaskLogNumbers:
			return party{PhoneNumber: masked(number)}
		}
		return party{PhoneNumber: number}
	}
	from, to := partyOf(x.from), partyOf(x.to)
	until, result := at, "In Progress"
	if !at.Before(d.EndedAt) {
		until, result = d.EndedAt, x.c.result
	}
	talked := func(since time.Time) int {
		if since.IsZero() || until.Before(since) {
			return 0
		}
		return int(until.Sub(since) / time.Second)
	}
	answered := !d.CallerAnsweredAt.IsZero() && !d.CallerAnsweredAt.After(at)
	agentResult := result
	if answered {
		agentResult = "Call connected"
	}
	r := record{
		ID: "A" + x.id, URI: s.uri(q, "call-log/A"+x.id), SessionID: x.id, TelephonySessionID: x.telephony,
		StartTime: clock(x.start), Duration: talked(d.CallerAnsweredAt), Type: "Voice", Direction: x.direction,
		Action: "RingOut Web", Result: result, From: from, To: to,
	}
	if !x.callee {
		r.Result = agentResult
	}
	if q.URL.Query().Get("view") != "Detailed" {
		return r
	}
	if x.agent {
		l := leg{
			LegType: "RingOutWebToCaller", StartTime: clock(d.At), Duration: r.Duration, Type: r.Type, Direction: r.Direction,
			Action: r.Action, Result: agentResult, From: from, To: from,
		}
		if !x.callee {
			l.To = to
		}
		r.Legs = append(r.Legs, l)
	}
	if x.callee && answered {
		r.Legs = append(r.Legs, leg{
			LegType: "RingOutWebToSubscriber", StartTime: clock(d.CallerAnsweredAt), Duration: talked(d.AnsweredAt), Type: r.Type,
			Direction: r.Direction, Action: r.Action, Result: result, From: from, To: to,
		})
	}
	return r
}

// masked hides the last four digits.
func masked(number string) string { return number[:len(number)-4] + "XXXX" }

// activeCalls answers GET active-calls: live calls and those that ended a moment ago, as they were some seconds ago.
func (s *Simulator) activeCalls(q *request) answer {
	f, refused := parseFilter(q.URL.Query(), time.Time{})
	if refused != nil {
		return *refused
	}
	seenAt := q.now.Add(-s.config.scaled(s.config.ActiveCallsLag))
	return s.list(q, f, "active-calls", seenAt, func(x recorded) bool {
		return !x.start.After(seenAt) && seenAt.Before(x.c.dial.EndedAt.Add(s.config.scaled(activeCallsKept)))
	})
}

// callLog answers GET call-log: calls that ended a while ago.
func (s *Simulator) callLog(q *request) answer {
	f, refused := parseFilter(q.URL.Query(), q.now.Add(-24*time.Hour))
	if refused != nil {
		return *refused
	}
	seenAt := q.now.Add(-s.config.scaled(s.config.CallLogLag))
	return s.list(q, f, "call-log", q.now, func(x recorded) bool { return !x.c.dial.EndedAt.After(seenAt) })
}

// filter is what a client wants to see of the records.
type filter struct {
	phone, session, telephony, direction string
	from, to                             time.Time // zero: open
	page, perPage                        int
}

// parseFilter reads the query of both lists.
func parseFilter(query url.Values, usualFrom time.Time) (filter, *answer) {
	f := filter{
		phone: strings.TrimPrefix(query.Get("phoneNumber"), "+"), session: query.Get("sessionId"),
		telephony: query.Get("telephonySessionId"), direction: query.Get("direction"),
		from: usualFrom, page: 1, perPage: 100,
	}
	invalid := func(name string) (filter, *answer) {
		a := failure(http.StatusBadRequest, "CMN-101", "Parameter ["+name+"] value is invalid", name)
		return filter{}, &a
	}
	for name, field := range map[string]*time.Time{"dateFrom": &f.from, "dateTo": &f.to} {
		if value := query.Get(name); value != "" {
			parsed, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return invalid(name)
			}
			*field = parsed
		}
	}
	for name, field := range map[string]*int{"page": &f.page, "perPage": &f.perPage} {
		if value := query.Get(name); value != "" {
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 1000 {
				return invalid(name)
			}
			*field = n
		}
	}
	switch view := query.Get("view"); view {
	case "", "Simple", "Detailed":
	default:
		return invalid("view")
	}
	return f, nil
}

// takes says whether a session is wanted.
func (f filter) takes(x recorded) bool {
	switch {
	case f.phone != "" && x.from != "+"+f.phone && x.to != "+"+f.phone:
	case f.session != "" && x.id != f.session:
	case f.telephony != "" && x.telephony != f.telephony:
	case f.direction != "" && f.direction != x.direction:
	case !f.from.IsZero() && x.start.Before(f.from):
	case !f.to.IsZero() && x.start.After(f.to):
	default:
		return true
	}
	return false
}

// list answers with one page of records, newest first.
func (s *Simulator) list(q *request, f filter, path string, at time.Time, visible func(recorded) bool) answer {
	records := []record{}
	total, first := 0, (f.page-1)*f.perPage
	for _, c := range slices.Backward(q.ext.calls) {
		for _, x := range s.sessionsOf(c) {
			if !visible(x) || !f.takes(x) {
				continue
			}
			if total >= first && len(records) < f.perPage {
				records = append(records, s.record(q, x, at))
			}
			total++
		}
	}
	paging := map[string]int{"page": f.page, "perPage": f.perPage, "totalPages": (total + f.perPage - 1) / f.perPage, "totalElements": total}
	if len(records) > 0 {
		paging["pageStart"], paging["pageEnd"] = first, first+len(records)-1
	}
	return reply(http.StatusOK, map[string]any{
		"uri": s.uri(q, path), "records": records, "paging": paging,
		"navigation": map[string]any{"firstPage": link(s.uri(q, path+"?page=1&perPage="+strconv.Itoa(f.perPage)))},
	})
}

// link is a link.
func link(uri string) map[string]string { return map[string]string{"uri": uri} }
