package ringout

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// text reads a JSON string or number as a string, and anything else as "": RingCentral's ids come as either, and a
// field of an unexpected type must not make the rest of an answer unreadable.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil
	}
	switch {
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err == nil {
			*t = text(s)
		}
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(plainNumber(string(b)))
	}
	return nil
}

// plainNumber writes a whole number such as 2.5e6 without exponent; other numbers stay as they came.
func plainNumber(s string) string {
	if !strings.ContainsAny(s, ".eE") {
		return s
	}
	const exact = 1 << 53 // a float64 is exact up to here
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f > exact || f < -exact || f != math.Trunc(f) {
		return s
	}
	return strconv.FormatInt(int64(f), 10)
}

var (
	errUndecodable = errors.New("the answer is no RingOut")
	errNoID        = errors.New("placed without an id")
	errBadID       = errors.New("the id is empty or not usable in an address")
)

// told is a RingOut as RingCentral wrote it.
type told struct {
	id                   string
	call, caller, callee string
}

// decodeRingOut reads the body of an answer to Place or Status. The id may be missing.
func decodeRingOut(body []byte) (told, error) {
	var r struct {
		ID     text `json:"id"`
		Status *struct {
			Call   text `json:"callStatus"`
			Caller text `json:"callerStatus"`
			Callee text `json:"calleeStatus"`
		} `json:"status"`
	}
	var wrongType *json.UnmarshalTypeError
	if err := json.Unmarshal(body, &r); err != nil && !errors.As(err, &wrongType) {
		return told{}, errUndecodable
	}
	if r.ID == "" && r.Status == nil {
		return told{}, errUndecodable
	}
	t := told{id: string(r.ID)}
	if r.Status != nil {
		t.call, t.caller, t.callee = string(r.Status.Call), string(r.Status.Caller), string(r.Status.Callee)
	}
	return t, nil
}

// maxID is the longest id in bytes that is taken; real ones have about 60.
const maxID = 512

// usableID reports whether the id can stand as one segment of a path, once escaped.
func usableID(id string) bool {
	if strings.TrimSpace(id) == "" || len(id) > maxID || id == "." || id == ".." {
		return false
	}
	return !strings.ContainsFunc(id, unicode.IsControl)
}

// Presence is what an extension's phones do at the moment.
type Presence struct {
	Telephony string       // NoCall, Ringing, CallConnected, OnHold, ParkedCall; as it came
	Calls     []ActiveCall // the latest ones, at most seven
	At        time.Time    // the server's Date header, zero if absent
}

// ActiveCall is one call in a Presence. Fields that did not come are empty.
type ActiveCall struct {
	ID                 string
	Direction          string // Inbound, Outbound
	From, To           string // phone numbers; RingCentral may have masked them
	TelephonyStatus    string // as Presence.Telephony
	SessionID          string
	TelephonySessionID string
	StartedAt          time.Time // zero if absent or unreadable
}

var errNoPresence = errors.New("the answer is no presence")

func decodePresence(body []byte) (Presence, error) {
	var p struct {
		Telephony text `json:"telephonyStatus"`
		Calls     []struct {
			ID                 text `json:"id"`
			Direction          text `json:"direction"`
			From               text `json:"from"`
			To                 text `json:"to"`
			TelephonyStatus    text `json:"telephonyStatus"`
			SessionID          text `json:"sessionId"`
			TelephonySessionID text `json:"telephonySessionId"`
			StartTime          text `json:"startTime"`
		} `json:"activeCalls"`
	}
	// The presence decides whether a line is free, so nothing is guessed from an answer of another shape.
	if err := json.Unmarshal(body, &p); err != nil || p.Telephony == "" {
		return Presence{}, errNoPresence
	}
	presence := Presence{Telephony: string(p.Telephony)}
	for _, call := range p.Calls {
		presence.Calls = append(presence.Calls, ActiveCall{
			ID:                 string(call.ID),
			Direction:          string(call.Direction),
			From:               string(call.From),
			To:                 string(call.To),
			TelephonyStatus:    string(call.TelephonyStatus),
			SessionID:          string(call.SessionID),
			TelephonySessionID: string(call.TelephonySessionID),
			StartedAt:          instant(call.StartTime),
		})
	}
	return presence, nil
}
