package dial

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

// Blame is what is at fault when a call could not be placed. But for BlameUnknown no phone rang.
type Blame int

// The blames.
const (
	BlameNobody    Blame = iota // nothing was sent: the contact is as it was
	BlameUnknown                // the outcome is unknown, a phone may ring: the call must be confirmed
	BlameLimit                  // the rate limit: the contact is as it was, the quota knows until when
	BlameContact                // the contact's number, as far as one refusal can tell: it is put off and the refusal counted
	BlameCallerID               // the campaign's caller ID: calls that show it wait
	BlameLine                   // the line's number: the line rests
	BlameExtension              // the extension's login, permissions or account, or the way to RingCentral: its lines wait
)

// String is for logs and metrics.
func (b Blame) String() string {
	names := [...]string{"nobody", "unknown", "limit", "contact", "caller_id", "line", "extension"}
	if b < 0 || int(b) >= len(names) {
		return "Blame(" + strconv.Itoa(int(b)) + ")"
	}
	return names[b]
}

// Refusal is what follows from a call that could not be placed.
type Refusal struct {
	Blame Blame
	Text  string // for people, with RingCentral's words and codes; nothing personal
	Code  string // refusals with the same one are alike

	// For BlameContact alone; see Verdict.
	Outcome campaign.Outcome // what the contact ends as, if it comes to that
	Named   bool             // RingCentral named the contact's number as what is wrong
	Final   bool             // the contact ends now

	// Wait is how long what is to blame is left alone: the caller ID, the line, the extension.
	Wait time.Duration
	// After is how long the contact, of which nothing is counted, is put off. For BlameContact the retry rules decide.
	After time.Duration
}

// Verdict is how an attempt ends that was refused for the contact's sake.
func (r Refusal) Verdict() campaign.Verdict {
	v := campaign.Verdict{Ended: true, Refused: r.Outcome, Named: r.Named, Detail: r.Text}
	if r.Final {
		v.Outcome = r.Outcome
	}
	return v
}

// The first waits of what is to blame; a Tracker makes them longer each time.
const (
	extensionWait = 30 * time.Second
	callerIDWait  = time.Minute
	lineWait      = 5 * time.Minute
)

// The codes of RingCentral's RingOut errors, from its official JavaScript client and its error reference. Where an answer
// has several, the first in this order counts.
var refusals = []struct {
	code string
	Refusal
}{
	{"TEL-109", Refusal{Blame: BlameContact, Outcome: campaign.InvalidNumber, Named: true, Final: true, Text: "the number is invalid"}},
	{"TEL-101", Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Named: true, Final: true, Text: "RingCentral blocks the number"}},
	{"TEL-108", Refusal{Blame: BlameLine, Text: "RingCentral does not accept the line's number"}},
	{"TEL-102", Refusal{Blame: BlameLine, Text: "RingCentral blocks the line's number"}},
	{"CMN-102", Refusal{Blame: BlameLine, Text: "RingCentral does not know the line's forwarding number"}},
	{"TEL-107", Refusal{Blame: BlameCallerID, Text: callerIDText}},
	{"RNG-102", Refusal{Blame: BlameCallerID, Text: "the caller ID must be a company's direct number, see caller_id in the campaign file"}},
	{"BIL-103", Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "the account has no credit or lacks the feature"}},
	{"CMN-112", Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "the extension's type may not place the call"}},
	{"CMN-113", Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "the extension lacks the feature for the call"}},
	{"CMN-401", Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "the app lacks a permission for the call"}},
	{"CMN-408", Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "the extension's user lacks a permission for the call"}},
}

const callerIDText = "the caller ID is not allowed, see caller_id in the campaign file"

// Judge says what one answer to Place is to be taken for, by itself. A Tracker then says what it means together with others.
// The error must be one of Place's or Login's.
//
// RingCentral's word for the field that is wrong counts most, then the error code. What could have any cause is the contact's
// at first: it costs the contact some time, while an extension or a line that is blamed wrongly costs everybody theirs.
func Judge(err error) Refusal {
	var e *ringout.Error
	if !errors.As(err, &e) {
		return Refusal{Text: "the call was not sent"}
	}
	switch {
	case e.Kind == ringout.Limited:
		return Refusal{Blame: BlameLimit, Wait: e.RetryAfter, After: e.RetryAfter, Text: "RingCentral limits the rate"}
	case errors.Is(err, ringout.ErrTooLate):
		return Refusal{Text: "too late to send"}
	case errors.Is(err, ringout.ErrNotLoggedIn):
		return Refusal{Text: "the login ran out, logging in anew"}
	case errors.Is(err, ringout.ErrCredentials):
		return extension(e, time.Minute, "RingCentral does not accept the login")
	case errors.Is(err, ringout.ErrUnauthorized):
		return extension(e, time.Second, "RingCentral no longer accepts the login, logging in anew")
	case errors.Is(err, ringout.ErrIntercepted):
		return extension(e, extensionWait, "something on the way to RingCentral refuses the call, such as a web filter or a proxy")
	case e.Kind == ringout.NotSent:
		return extension(e, 10*time.Second, "RingCentral is not reachable")
	case e.Kind != ringout.Refused:
		return Refusal{Blame: BlameUnknown, Text: "it is unknown whether the call was placed"}
	}
	r, told := byCode(e)
	switch by := e.Parameter(); {
	case by == "callerId" && (!told || r.Blame != BlameCallerID):
		r = Refusal{Blame: BlameCallerID, Text: callerIDText}
	case by == "from" && (!told || r.Blame != BlameLine):
		r = Refusal{Blame: BlameLine, Text: "RingCentral does not accept the line's number"}
	case by == "to" && (!told || r.Blame != BlameContact):
		r = Refusal{Blame: BlameContact, Outcome: campaign.InvalidNumber, Named: true, Text: "RingCentral does not accept the number"}
	case by == "to":
		r.Named = true
	}
	switch r.Blame {
	case BlameCallerID:
		r.Wait = callerIDWait
	case BlameLine:
		r.Wait = lineWait
	}
	r.Code = strings.TrimSpace(cmp.Or(strings.Join(e.Codes, " "), "HTTP "+strconv.Itoa(e.Status)) + " " + e.Parameter())
	r.Text += " (" + cmp.Or(strings.Join(e.Codes, ", "), "HTTP "+strconv.Itoa(e.Status)) + ")"
	if e.Message != "" {
		r.Text += ": " + e.Message
	}
	return r
}

// extension is a failure that says of itself that no contact, line or caller ID is at fault.
func extension(e *ringout.Error, wait time.Duration, text string) Refusal {
	wait = max(wait, e.RetryAfter)
	if e.Status > 0 {
		text += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	return Refusal{Blame: BlameExtension, Wait: wait, After: wait, Text: text, Code: text}
}

// byCode is what the codes say, and whether they say anything for certain.
func byCode(e *ringout.Error) (r Refusal, told bool) {
	for _, r := range refusals {
		if e.Has(r.code) {
			return r.Refusal, true
		}
	}
	if e.Has("CMN-101") {
		return Refusal{Blame: BlameContact, Outcome: campaign.InvalidNumber, Text: "RingCentral does not accept one of the call's numbers"}, false
	}
	return Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "RingCentral refuses the call"}, false
}
