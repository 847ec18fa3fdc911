package campaign

import "strings"

// Recorded tells from the results in RingCentral's call log how a call ended: of the agent's leg and of the contact's, ""
// where the log has no such leg. A result that does not say for certain is Unconfirmed.
func Recorded(agent, contact string) Verdict {
	unclear := Verdict{Ended: true, Outcome: Unconfirmed, Rang: true, Detail: "the call log does not say how the call ended"}
	if contact == "" {
		switch resultOf(agent) {
		case resultNone, resultConnected, resultUnknown:
			return unclear // the log of a busy contact may have one leg only
		}
		return Verdict{Ended: true, LineFault: true, Detail: "the agent's phone, by the call log: " + recordedWords(agent)}
	}
	v := Verdict{Ended: true, Charged: true, Rang: true, Detail: "by the call log: " + recordedWords(contact)}
	switch resultOf(contact) {
	case resultConnected:
		v.Outcome = Answered
	case resultBusy:
		v.Outcome = Busy
	case resultNoAnswer:
		v.Outcome = NoAnswer
	case resultRejected:
		v.Outcome = Rejected
	case resultFailed:
		v.Outcome = Unreachable
	case resultBlocked:
		v.Outcome, v.Rang = Blocked, false
	case resultInvalid:
		v.Outcome, v.Rang = InvalidNumber, false
	case resultHungUp:
		v.Charged = false
	default:
		return unclear
	}
	return v
}

// result is what a call log's result means.
type result int

const (
	resultNone result = iota
	resultUnknown
	resultConnected
	resultBusy
	resultNoAnswer
	resultRejected
	resultFailed
	resultBlocked
	resultInvalid
	resultHungUp
)

// resultOf reads the results of RingCentral's call log, in any letter case; see the CallLogRecord of its API reference.
func resultOf(text string) result {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "":
		return resultNone
	case "call connected", "accepted", "connected", "answered":
		return resultConnected
	case "busy":
		return resultBusy
	case "no answer", "missed":
		return resultNoAnswer
	case "rejected", "declined":
		return resultRejected
	case "call failed", "call failure", "internal error", "ip phone offline", "carrier is not active", "no calls",
		"not allowed", "suspended account", "system error":
		return resultFailed
	case "blocked", "international disabled", "international restriction", "internationally restricted", "destination blocked":
		return resultBlocked
	case "wrong number", "invalid number", "unallocated number":
		return resultInvalid
	case "hang up", "hangup", "stopped", "abandoned", "cancelled", "canceled":
		return resultHungUp
	}
	return resultUnknown
}

func recordedWords(text string) string {
	if resultOf(text) == resultUnknown {
		return "a result that is not known"
	}
	return strings.ToLower(strings.TrimSpace(text))
}
