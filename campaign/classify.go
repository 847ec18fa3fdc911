package campaign

// Legs is what RingCentral last said about a RingOut, in its own spelling: InProgress, Success, Busy and so on.
type Legs struct{ Call, Caller, Callee string }

// Seen is all that tracking must remember of a call in order to tell how it ended. The zero value is a
// call of which nothing was seen. It is stored as JSON.
type Seen struct {
	CallerAnswered bool   `json:"a,omitempty"` // the agent answered
	CalleeAnswered bool   `json:"b,omitempty"` // the contact answered
	CalleeFirst    bool   `json:"f,omitempty"` // the contact's leg failed while the agent's was still connected
	CallerFirst    bool   `json:"g,omitempty"` // the agent's leg ended, after an answer, while the contact's phone still rang
	Call           string `json:"c,omitempty"` // the last statuses
	Caller         string `json:"d,omitempty"`
	Callee         string `json:"e,omitempty"`
}

// With adds one more look at the call. An empty status says nothing, and a leg that has ended stays as it
// ended, whatever is said of it later.
func (s Seen) With(l Legs) Seen {
	s.Call = newer(s.Call, l.Call)
	s.Caller = newer(s.Caller, l.Caller)
	s.Callee = newer(s.Callee, l.Callee)
	if legOf(s.Caller).answered() {
		s.CallerAnswered = true
	}
	// Without the agent nobody can have talked to the contact. RingCentral was seen to say Success for the
	// contact's leg when the agent's phone was offline.
	if s.CallerAnswered && legOf(s.Callee).answered() {
		s.CalleeAnswered = true
	}
	if legOf(s.Callee) == legFailed && legOf(s.Caller) == legUp {
		s.CalleeFirst = true
	}
	if s.CallerAnswered && legOf(s.Caller).ended() && s.Callee == inProgress {
		s.CallerFirst = true
	}
	return s
}

func newer(before, now string) string {
	if now == "" || legOf(before).ended() {
		return before
	}
	return now
}

// leg is what a status means for one leg of a call.
type leg int

const (
	legRunning  leg = iota // not answered yet; nothing known; a value that is not known
	legUp                  // answered
	legFinished            // answered, then hung up
	legFailed              // ended without an answer, or broken off
)

func (l leg) answered() bool { return l == legUp || l == legFinished }
func (l leg) ended() bool    { return l == legFinished || l == legFailed }

// The statuses, as https://developers.ringcentral.com/api-reference/RingOut and RingCentral's SDKs have
// them.
const (
	inProgress            = "InProgress"
	success               = "Success"
	busy                  = "Busy"
	noAnswer              = "NoAnswer"
	rejected              = "Rejected"
	genericError          = "GenericError"
	finished              = "Finished"
	internationalDisabled = "InternationalDisabled"
	destinationBlocked    = "DestinationBlocked"
	notEnoughFunds        = "NotEnoughFunds"
	noSuchUser            = "NoSuchUser"
	invalid               = "Invalid"
	cannotReach           = "CannotReach"
	noAnsweringMachine    = "NoAnsweringMachine"
	noSessionFound        = "NoSessionFound"
	statusError           = "Error"
	fromNotSupported      = "RingOutFromThisNumberIsNotSupported"
)

// legOf is what a status says by itself. A value that is not known is no end: only the whole call's
// status can make it one.
func legOf(status string) leg {
	switch status {
	case success:
		return legUp
	case finished:
		return legFinished
	case busy, noAnswer, rejected, genericError, internationalDisabled, destinationBlocked, notEnoughFunds,
		noSuchUser, invalid, cannotReach, noAnsweringMachine, statusError, fromNotSupported:
		return legFailed
	}
	return legRunning
}

// callFailed reports whether the whole call's status says that it is over. Success does not: it
// stays after both have hung up.
func callFailed(status string) bool { return legOf(status).ended() }

// known reports whether a status is one that legOf judges for certain. NoSessionFound says nothing of the
// leg, only that the call is forgotten.
func known(status string) bool {
	return status == "" || status == inProgress || status == noSessionFound || legOf(status) != legRunning
}

// Verdict is how a call ended. The zero value is a call that has not.
type Verdict struct {
	Ended        bool
	Outcome      Outcome // of the attempt; empty where it is not charged
	Charged      bool    // counts against the contact's attempts
	Rang         bool    // the contact's phone may have rung: number caps count it
	LineFault    bool    // the agent's leg failed: the line must cool down
	AccountFault bool    // RingCentral refuses calls for the account's sake: funds, international calls
	Refused      Outcome // RingCentral refused the call, and no phone of the contact's rang: what the contact ends as if it goes on so
	Named        bool    // with Refused: RingCentral says that it is the contact's number which is wrong
	Detail       string  // one short readable reason, without numbers
}

// Classify tells from all that was seen of a call how it ended; the zero Verdict as long as it has not.
//
// A call has ended when both legs have, when the agent's leg has ended without ever having been answered,
// or when it has ended otherwise and the contact's leg was not answered. While the agent is still
// connected the call goes on, even if the contact's leg has failed.
func Classify(s Seen) Verdict {
	if s.Call == noSessionFound || s.Caller == noSessionFound || s.Callee == noSessionFound {
		return Missed(s)
	}
	return classify(s)
}

func classify(s Seen) Verdict {
	caller, callee := legOf(s.Caller), legOf(s.Callee)
	// A value that is not known ends its leg where the call as a whole has ended.
	if callFailed(s.Call) {
		if !known(s.Caller) {
			caller = legFailed
		}
		if !known(s.Callee) {
			callee = legFailed
		}
	}
	switch {
	case caller == legFailed && !s.CallerAnswered:
		if !known(s.Caller) && callee == legFailed && known(s.Callee) {
			return calleeFailed(s) // the contact's leg is called only once the agent has answered
		}
		return callerFailed(s.Caller)
	case s.CalleeAnswered:
		if caller.ended() && callee.ended() {
			return answered()
		}
		return Verdict{}
	case caller.ended() && s.CallerFirst:
		return hungUp()
	case caller.ended() && s.Callee == noSessionFound:
		return Verdict{} // forgotten: nothing tells how this leg ended
	case caller.ended():
		return calleeFailed(s)
	case caller == legRunning && callee == legRunning && callFailed(s.Call):
		return internalFailure(s)
	}
	return Verdict{}
}

// Missed tells how a call ended whose end was not seen: RingCentral does not know it any more. A
// conversation or a failure that was seen stands; otherwise nobody knows whether the two have talked.
func Missed(s Seen) Verdict {
	if v := classify(s); v.Ended {
		return v
	}
	switch {
	case s.CalleeAnswered:
		return answered()
	case legOf(s.Callee) == legFailed:
		return calleeFailed(s)
	}
	return Verdict{
		Ended: true, Outcome: Unconfirmed, Charged: true, Rang: true,
		Detail: "RingCentral forgot the call before its end was seen",
	}
}

// Unclear reports whether the last statuses of a call leave open who ended it: a contact who declined looks in the end like
// one whose agent hung up. Only who looked in between, or RingCentral's records, can tell; without them the contact has
// declined.
func Unclear(s Seen) bool {
	return s.Callee == rejected && !s.CalleeAnswered && !s.CalleeFirst && !s.CallerFirst && s.CallerAnswered && legOf(s.Caller).ended()
}

func answered() Verdict {
	return Verdict{Ended: true, Outcome: Answered, Charged: true, Rang: true, Detail: "talked"}
}

// hungUp is the agent giving up while the contact's phone rings. It did ring: caps count it.
func hungUp() Verdict {
	return Verdict{Ended: true, Rang: true, Detail: "the agent hung up before the contact answered"}
}

// callerFailed is an agent's phone that was never answered. The contact's cannot have rung, whatever
// is said of that leg.
func callerFailed(status string) Verdict {
	v := Verdict{Ended: true, LineFault: true, Detail: "the agent's phone: " + words(status)}
	switch status {
	case notEnoughFunds, internationalDisabled, fromNotSupported:
		v.AccountFault = true
	}
	return v
}

// calleeFailed is a contact's leg that ended without an answer.
func calleeFailed(s Seen) Verdict {
	v := Verdict{Ended: true, Charged: true, Rang: true, Detail: "the contact's phone: " + words(s.Callee)}
	switch s.Callee {
	case busy:
		v.Outcome = Busy
	case noAnswer:
		v.Outcome = NoAnswer
	case rejected:
		// The agent's hanging up looks the same in the end. In doubt the contact has declined, and is left alone.
		v.Outcome = Rejected
	case internationalDisabled, destinationBlocked:
		v.Outcome, v.Rang = Blocked, false
	case noSuchUser:
		v.Outcome, v.Rang = InvalidNumber, false
	case notEnoughFunds:
		return Verdict{Ended: true, AccountFault: true, Refused: Blocked, Detail: v.Detail}
	default:
		v.Outcome = Unreachable
	}
	return v
}

// internalFailure is a call that ended as a whole without an end of either leg.
func internalFailure(s Seen) Verdict {
	v := Verdict{Ended: true, Detail: "the call: " + words(s.Call)}
	if s.CallerAnswered {
		v.Outcome, v.Charged, v.Rang = Unreachable, true, true
	}
	return v
}

// words is a status for people. A value that is not known may hold anything, so that it is not repeated.
func words(status string) string {
	switch status {
	case busy:
		return "busy"
	case noAnswer:
		return "no answer"
	case rejected:
		return "rejected"
	case genericError:
		return "RingCentral reports an error (GenericError)"
	case internationalDisabled:
		return "international calls are not enabled"
	case destinationBlocked:
		return "RingCentral blocks the destination"
	case notEnoughFunds:
		return "not enough funds"
	case noSuchUser:
		return "no such number"
	case invalid:
		return "RingCentral lost its state (Invalid)"
	case cannotReach:
		return "cannot be reached"
	case noAnsweringMachine:
		return "RingCentral failed internally (NoAnsweringMachine)"
	case statusError:
		return "RingCentral reports an error (Error)"
	case fromNotSupported:
		return "RingCentral does not support RingOut from this number"
	case finished:
		return "ended"
	}
	return "ended with a status that is not known"
}
