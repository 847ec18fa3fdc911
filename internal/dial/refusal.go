package dial

import (
	"errors"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

// blame says whose fault it is that RingCentral refused to place a call. No phone rang in any of these cases.
type blame int

const (
	blameExtension blame = iota // its credentials, permissions, credit or quota: its lines wait
	blameLine                   // the agent's number: the line cools down
	blameNumber                 // the contact's number: the contact ends
)

// refusal is what a refused call leads to.
type refusal struct {
	blame   blame
	outcome campaign.Outcome // for blameNumber
	wait    time.Duration    // for blameExtension
	text    string           // for people; RingCentral's codes, nothing personal
}

// The codes of RingCentral's RingOut errors, from its official JavaScript client and its error reference.
var refusals = []struct {
	code string
	refusal
}{
	{"TEL-109", refusal{blame: blameNumber, outcome: campaign.InvalidNumber, text: "RingCentral says that the number is invalid (TEL-109)"}},
	{"TEL-101", refusal{blame: blameNumber, outcome: campaign.Blocked, text: "RingCentral blocks the number (TEL-101)"}},
	{"TEL-108", refusal{blame: blameLine, text: "RingCentral does not accept the line's number (TEL-108)"}},
	{"TEL-102", refusal{blame: blameLine, text: "RingCentral blocks the line's number (TEL-102)"}},
	{"CMN-102", refusal{blame: blameLine, text: "RingCentral does not know the line's forwarding number (CMN-102)"}},
	{"TEL-107", refusal{blame: blameExtension, wait: time.Minute, text: "the caller ID is not allowed (TEL-107): see caller_id in the campaign file"}},
	{"RNG-102", refusal{blame: blameExtension, wait: time.Minute, text: "the caller ID must be a company's direct number (RNG-102): see caller_id in the campaign file"}},
	{"BIL-103", refusal{blame: blameExtension, wait: time.Minute, text: "the account has no credit or lacks the feature (BIL-103)"}},
	{"CMN-112", refusal{blame: blameExtension, wait: time.Minute, text: "the extension's type may not place RingOuts (CMN-112)"}},
	{"CMN-113", refusal{blame: blameExtension, wait: time.Minute, text: "the extension lacks the feature for this call (CMN-113)"}},
	{"CMN-401", refusal{blame: blameExtension, wait: time.Minute, text: "the app lacks the RingOut permission (CMN-401)"}},
	{"CMN-408", refusal{blame: blameExtension, wait: time.Minute, text: "the extension's user lacks the RingOut permission (CMN-408)"}},
}

// judge says what a refused Place leads to. proven means that the line's number and caller ID have placed a call before,
// so that a complaint about "a phone number" can only mean the contact's.
func judge(err error, proven bool) refusal {
	var e *ringout.Error
	if !errors.As(err, &e) {
		return refusal{blame: blameExtension, wait: 10 * time.Second, text: "the call was not sent"}
	}
	switch {
	case e.Kind == ringout.Limited:
		return refusal{blame: blameExtension, text: "RingCentral limits the rate"}
	case errors.Is(err, ringout.ErrUnauthorized):
		return refusal{blame: blameExtension, wait: time.Second, text: "RingCentral no longer accepts the login; logging in anew"}
	case errors.Is(err, ringout.ErrTooLate):
		return refusal{blame: blameExtension, text: "too late to send"}
	case errors.Is(err, ringout.ErrNotLoggedIn):
		return refusal{blame: blameExtension, text: "the login ran out; logging in anew"}
	case e.Kind == ringout.NotSent:
		return refusal{blame: blameExtension, wait: 10 * time.Second, text: "RingCentral is not reachable"}
	}
	for _, r := range refusals {
		if e.Has(r.code) {
			return r.refusal
		}
	}
	if e.Has("CMN-101") {
		if proven {
			return refusal{blame: blameNumber, outcome: campaign.InvalidNumber, text: "RingCentral says that the number is invalid (CMN-101)"}
		}
		return refusal{blame: blameLine, text: "RingCentral does not accept one of the call's numbers (CMN-101)"}
	}
	return refusal{blame: blameExtension, wait: time.Minute, text: "RingCentral refuses calls: " + e.Error()}
}
