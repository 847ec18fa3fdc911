package ringout

import "strings"

// Status is one of a RingOut's three statuses in RingCentral's own spelling, such as "InProgress". A value that this
// package does not know is kept as it came; an absent one is "".
type Status string

// The statuses of the guide and of RingCentral's SDKs. Call, caller and callee share one list.
const (
	InProgress            Status = "InProgress"            // connection is being established
	Success               Status = "Success"               // answered; as the call's status it stays so after hang-up
	Busy                  Status = "Busy"                  // the device is engaged
	NoAnswer              Status = "NoAnswer"              // rang until RingCentral gave up
	Rejected              Status = "Rejected"              // declined, or the caller hung up first
	GenericError          Status = "GenericError"          // failed for a reason that is not told
	Finished              Status = "Finished"              // the leg was answered and has ended
	InternationalDisabled Status = "InternationalDisabled" // the account may not call abroad
	DestinationBlocked    Status = "DestinationBlocked"    // the account may not call this destination
	NotEnoughFunds        Status = "NotEnoughFunds"        // the account's calling credit is used up
	NoSuchUser            Status = "NoSuchUser"            // nobody has the number
	Invalid               Status = "Invalid"               // unknown to RingCentral after an internal failure
	CannotReach           Status = "CannotReach"           // one or both legs failed
	NoAnsweringMachine    Status = "NoAnsweringMachine"    // internal failure at RingCentral
	NoSessionFound        Status = "NoSessionFound"        // RingCentral no longer has the call
	StatusError           Status = "Error"                 // failed for a reason that is not told
	StatusUnknown         Status = "Unknown"               // RingCentral itself says "Unknown"

	// RingOutFromThisNumberIsNotSupported says that the caller's number cannot be rung by RingOut.
	RingOutFromThisNumberIsNotSupported Status = "RingOutFromThisNumberIsNotSupported"
)

// ParseStatus gives the canonical spelling of s in whatever letter case, with or without spaces, dashes and
// underscores. What it does not know it returns unchanged.
func ParseStatus(s string) Status {
	if known, ok := canonical(s); ok {
		return known
	}
	return Status(s)
}

// Known reports whether s is one of this package's statuses, canonically spelled.
func (s Status) Known() bool {
	known, ok := canonical(string(s))
	return ok && known == s
}

func canonical(s string) (Status, bool) {
	folded := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\n', '\r', '\u00a0', '-', '_':
			return -1
		}
		return r
	}, s)
	for _, status := range [...]Status{
		InProgress, Success, Busy, NoAnswer, Rejected, GenericError, Finished, InternationalDisabled,
		DestinationBlocked, NotEnoughFunds, NoSuchUser, Invalid, CannotReach, NoAnsweringMachine, NoSessionFound,
		StatusError, StatusUnknown, RingOutFromThisNumberIsNotSupported,
	} {
		if strings.EqualFold(folded, string(status)) {
			return status, true
		}
	}
	return "", false
}
