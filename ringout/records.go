package ringout

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Record is a call in RingCentral's own records. Fields that did not come are empty.
type Record struct {
	ID                 string
	SessionID          string
	TelephonySessionID string
	StartedAt          time.Time     // zero if absent or unreadable
	Duration           time.Duration // 0 if absent or unreadable
	Direction          string        // Inbound, Outbound; this and the next three as they came
	Action             string        // RingOut Web, Phone Call, VoIP Call, …
	Result             string        // Call connected, In Progress, Busy, No Answer, …
	Reason             string
	From, To           string // phone numbers as RingCentral wrote them, see SameNumber; "" for an internal party
	Legs               []Leg
}

// Leg is one of the connections that a recorded call is made of.
type Leg struct {
	Type      string // RingOutWebToCaller, RingOutWebToSubscriber, …; as it came
	Direction string // this and all that follow as in Record
	Action    string
	Result    string
	Reason    string
	From, To  string
	StartedAt time.Time
	Duration  time.Duration
}

// RingOut reports whether the record says that the call is a RingOut of any kind, in its action or in one of its legs.
func (r Record) RingOut() bool {
	if namesRingOut(r.Action) {
		return true
	}
	for _, leg := range r.Legs {
		if namesRingOut(leg.Type) || namesRingOut(leg.Action) {
			return true
		}
	}
	return false
}

func namesRingOut(s string) bool {
	letters := strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
	return strings.Contains(letters, "ringout")
}

// Records is the first page of a list of calls.
type Records struct {
	Calls    []Record  // in RingCentral's order, the newest first
	At       time.Time // the server's Date header, zero if absent
	Complete bool      // false if there are further pages, or if the answer does not show that there are none
}

// ActiveCalls lists the extension's calls that go on or have ended in the last two minutes (group Heavy; the app needs
// the permission ReadCallLog, else [ErrForbidden]). A call shows up some seconds after it began. It logs in and repeats
// as Status does.
func (c *Client) ActiveCalls(ctx context.Context) (Records, error) {
	return c.records(ctx, opActiveCalls, activeCallsPath, url.Values{})
}

// LogQuery narrows the call log. A call must fit all fields that are set.
type LogQuery struct {
	PhoneNumber string    // of either party, E.164
	From        time.Time // calls that began then or later; if zero, RingCentral takes 24 hours ago
	To          time.Time // calls that began then or earlier
	SessionID   string
}

// logPageSize keeps a page of detailed records well below maxBody.
const logPageSize = 100

// CallLog lists the extension's calls that have ended (group Heavy; the app needs the permission ReadCallLog, else
// [ErrForbidden]). A call shows up about half a minute after its end. It logs in and repeats as Status does.
func (c *Client) CallLog(ctx context.Context, q LogQuery) (Records, error) {
	const op = opCallLog
	query, err := q.values()
	if err != nil {
		return Records{}, &Error{Op: op, Kind: NotSent, err: err}
	}
	return c.records(ctx, op, callLogPath, query)
}

// records asks for the first page of a list, which it does not repeat for further ones: each costs a request that could
// place a call.
func (c *Client) records(ctx context.Context, op, path string, query url.Values) (Records, error) {
	query.Set("view", "Detailed")
	got, err := c.ask(ctx, request{
		op: op, group: Heavy, method: http.MethodGet, path: path + "?" + query.Encode(), via: c.pooled,
	})
	if err != nil {
		return Records{}, forbidden(err)
	}
	r, err := decodeRecords(got.body)
	if err != nil {
		return Records{}, &Error{Op: op, Kind: Unknown, Status: got.status, err: err}
	}
	r.At = got.at
	return r, nil
}

// values checks the query and writes it as RingCentral takes it. Errors name no number.
func (q LogQuery) values() (url.Values, error) {
	query := url.Values{"perPage": {strconv.Itoa(logPageSize)}}
	if q.PhoneNumber != "" {
		digits, ok := e164Digits(q.PhoneNumber)
		if !ok {
			return nil, errors.New("the query's phone number is not in E.164")
		}
		query.Set("phoneNumber", digits)
	}
	if q.SessionID != "" {
		if !usableID(q.SessionID) {
			return nil, errors.New("the query's session id is not usable in an address")
		}
		query.Set("sessionId", q.SessionID)
	}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		return nil, errors.New("the query's time ends before it begins")
	}
	const milliseconds = "2006-01-02T15:04:05.000Z"
	if !q.From.IsZero() {
		query.Set("dateFrom", q.From.UTC().Format(milliseconds))
	}
	if !q.To.IsZero() {
		// Format rounds down, which must not leave out the last millisecond.
		query.Set("dateTo", q.To.Add(time.Millisecond-1).UTC().Format(milliseconds))
	}
	return query, nil
}

// recorded is what records and legs have in common.
type recorded struct {
	StartTime text  `json:"startTime"`
	Duration  text  `json:"duration"`
	Direction text  `json:"direction"`
	Action    text  `json:"action"`
	Result    text  `json:"result"`
	Reason    text  `json:"reason"`
	From      party `json:"from"`
	To        party `json:"to"`
}

type party struct {
	PhoneNumber text `json:"phoneNumber"`
}

// page tells whether there is another one. Totals may be absent.
type page struct {
	Paging struct {
		PerPage       text `json:"perPage"`
		TotalPages    text `json:"totalPages"`
		TotalElements text `json:"totalElements"`
	} `json:"paging"`
	Navigation *struct {
		NextPage json.RawMessage `json:"nextPage"`
	} `json:"navigation"`
}

// last reports whether the first page, of n records, shows that it is the only one.
func (p page) last(n int) bool {
	pages, pagesKnown := count(p.Paging.TotalPages)
	elements, elementsKnown := count(p.Paging.TotalElements)
	if pages > 1 || elements > n {
		return false
	}
	if p.Navigation != nil {
		next := string(p.Navigation.NextPage)
		return next == "" || next == "null"
	}
	size, sizeKnown := count(p.Paging.PerPage)
	return pagesKnown || elementsKnown || sizeKnown && n < size
}

func count(t text) (int, bool) {
	n, err := strconv.Atoi(string(t))
	return n, err == nil && n >= 0
}

var errNoRecords = errors.New("the answer is no list of calls")

func decodeRecords(body []byte) (Records, error) {
	var list struct {
		Records *[]*struct {
			recorded
			ID                 text `json:"id"`
			SessionID          text `json:"sessionId"`
			TelephonySessionID text `json:"telephonySessionId"`
			Legs               []struct {
				recorded
				Type text `json:"legType"`
			} `json:"legs"`
		} `json:"records"`
		page
	}
	// A call that is overlooked may be placed again, so nothing is guessed from an answer of another shape.
	if err := json.Unmarshal(body, &list); err != nil || list.Records == nil {
		return Records{}, errNoRecords
	}
	calls := make([]Record, 0, len(*list.Records))
	for _, told := range *list.Records {
		if told == nil {
			return Records{}, errNoRecords
		}
		call := Record{
			ID:                 string(told.ID),
			SessionID:          string(told.SessionID),
			TelephonySessionID: string(told.TelephonySessionID),
			StartedAt:          instant(told.StartTime),
			Duration:           length(told.Duration),
			Direction:          string(told.Direction),
			Action:             string(told.Action),
			Result:             string(told.Result),
			Reason:             string(told.Reason),
			From:               string(told.From.PhoneNumber),
			To:                 string(told.To.PhoneNumber),
		}
		for _, leg := range told.Legs {
			call.Legs = append(call.Legs, Leg{
				Type:      string(leg.Type),
				Direction: string(leg.Direction),
				Action:    string(leg.Action),
				Result:    string(leg.Result),
				Reason:    string(leg.Reason),
				From:      string(leg.From.PhoneNumber),
				To:        string(leg.To.PhoneNumber),
				StartedAt: instant(leg.StartTime),
				Duration:  length(leg.Duration),
			})
		}
		calls = append(calls, call)
	}
	return Records{Calls: calls, Complete: list.last(len(calls))}, nil
}

// instant reads a time, zero for what is absent or unreadable.
func instant(t text) time.Time {
	at, err := time.Parse(time.RFC3339, string(t))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// length reads a call's duration in seconds, 0 for what is absent, unreadable or beyond belief.
func length(t text) time.Duration {
	const longest = 30 * 24 * time.Hour
	d, ok := parseSeconds(string(t))
	if !ok || d > longest {
		return 0
	}
	return d
}

const (
	// minDigits must be left of a masked number, or it would be the same as too many others.
	minDigits = 7
	// maxDigits of an E.164 number.
	maxDigits = 15
)

// SameNumber reports whether a number of RingCentral's records can be the given one in E.164. RingCentral may leave out
// the plus, format the number, and mask its end, each X standing for one digit (+1855201XXXX). At least seven digits
// must be readable. A masked number can be the same as several.
func SameNumber(recorded, e164 string) bool {
	want, ok := e164Digits(e164)
	if !ok {
		return false
	}
	plus, digits, masks := false, 0, 0
	for _, r := range recorded {
		switch {
		case r >= '0' && r <= '9':
			if masks > 0 || digits == len(want) || rune(want[digits]) != r {
				return false
			}
			digits++
		case r == 'X' || r == 'x':
			masks++
		case r == '+':
			if plus || digits > 0 || masks > 0 {
				return false
			}
			plus = true
		case !strings.ContainsRune(messageSeparators, r):
			return false
		}
	}
	return digits >= minDigits && digits+masks == len(want)
}

// e164Digits is the number without its plus.
func e164Digits(e164 string) (string, bool) {
	digits, ok := strings.CutPrefix(e164, "+")
	if !ok || len(digits) < minDigits || len(digits) > maxDigits || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return digits, true
}
