package ringouttest

import (
	"encoding/json"
	"fmt"
	"time"
)

// The status values that RingCentral documents, and that the simulator sends.
const (
	inProgress            = "InProgress"
	success               = "Success"
	finished              = "Finished"
	busy                  = "Busy"
	noAnswer              = "NoAnswer"
	rejected              = "Rejected"
	genericError          = "GenericError"
	cannotReach           = "CannotReach"
	internationalDisabled = "InternationalDisabled"
	destinationBlocked    = "DestinationBlocked"
	notEnoughFunds        = "NotEnoughFunds"
	noSuchUser            = "NoSuchUser"
	noAnsweringMachine    = "NoAnsweringMachine"
	noSessionFound        = "NoSessionFound"
)

// Name names an ending.
type Name string

// The endings. [Endings] describes them.
const (
	Answered              Name = "answered"
	Short                 Name = "short"
	Voicemail             Name = "voicemail"
	Busy                  Name = "busy"
	BusySticky            Name = "busy_sticky"
	NoAnswer              Name = "no_answer"
	Rejected              Name = "rejected"
	Unreachable           Name = "unreachable"
	AgentNoAnswer         Name = "agent_no_answer"
	AgentBusy             Name = "agent_busy"
	AgentRejected         Name = "agent_rejected"
	AgentOffline          Name = "agent_offline"
	AgentHangup           Name = "agent_hangup"
	Blocked               Name = "blocked"
	BlockedRefused        Name = "blocked_refused"
	InternationalDisabled Name = "international_disabled"
	NoFunds               Name = "no_funds"
	NoSuchUser            Name = "no_such_user"
	InvalidNumber         Name = "invalid_number"
	SessionLost           Name = "session_lost"
	MachineError          Name = "machine_error"
)

// Ending is how a call to a number goes. Durations are before scaling; zero takes the ending's own.
type Ending struct {
	Name   Name          `json:"name"`
	Answer time.Duration `json:"-"` // the agent's phone rings for so long
	Ring   time.Duration `json:"-"` // then RingCentral tries the contact's phone for so long
	Talk   time.Duration `json:"-"` // then the agent stays on the line for so long, connected or not
	// Code replaces the error code of an ending that is refused.
	Code string `json:"code,omitempty"`
}

// EndingInfo describes an ending: what a client sees last, and how long each phase takes unless the Ending says
// otherwise.
type EndingInfo struct {
	Name   Name          `json:"name"`
	Text   string        `json:"text"`
	Digits string        `json:"digits,omitempty"` // last two digits of numbers that end so by themselves
	Answer time.Duration `json:"-"`
	Ring   time.Duration `json:"-"`
	Talk   time.Duration `json:"-"`

	Call   string `json:"call,omitempty"` // the last statuses; empty where the call is refused
	Caller string `json:"caller,omitempty"`
	Callee string `json:"callee,omitempty"`

	AgentRings   bool   `json:"agent_rings"`   // the agent's phone rings
	ContactRings bool   `json:"contact_rings"` // the contact's phone rings
	Result       string `json:"result,omitempty"`
	Refused      int    `json:"refused,omitempty"` // HTTP status of the POST; no phone rings
	Code         string `json:"code,omitempty"`    // its error code

	lost bool // the status goes while the contact's phone rings
}

// Endings is the documented table of endings.
func Endings() []EndingInfo {
	const s = time.Second
	return []EndingInfo{
		{
			Name: Answered, Text: "both answer and talk; without a given length for 21 to 39 s, by the number's third last digit",
			Answer: 2 * s, Ring: 5 * s, Talk: 30 * s,
			Call: success, Caller: finished, Callee: finished, AgentRings: true, ContactRings: true, Result: "Call connected",
		},
		{
			Name: Short, Digits: "19", Text: "the contact hangs up after a moment",
			Answer: 2 * s, Ring: 5 * s, Talk: 4 * s,
			Call: success, Caller: finished, Callee: finished, AgentRings: true, ContactRings: true, Result: "Call connected",
		},
		{
			Name: Voicemail, Digits: "17", Text: "the contact's voicemail answers late, which looks like an answer",
			Answer: 2 * s, Ring: 20 * s, Talk: 12 * s,
			Call: success, Caller: finished, Callee: finished, AgentRings: true, ContactRings: true, Result: "Call connected",
		},
		{
			Name: Busy, Digits: "01", Text: "the contact's phone is engaged",
			Answer: 2 * s, Ring: 3 * s, Talk: 3 * s,
			Call: cannotReach, Caller: finished, Callee: busy, AgentRings: true, Result: "Busy",
		},
		{
			Name: BusySticky, Digits: "02", Text: "engaged, and the caller's leg stays Success until the status goes",
			Answer: 2 * s, Ring: 3 * s, Talk: 3 * s,
			Call: cannotReach, Caller: success, Callee: busy, AgentRings: true, Result: "Busy",
		},
		{
			Name: NoAnswer, Digits: "03", Text: "the contact's phone rings until RingCentral gives up",
			Answer: 2 * s, Ring: 30 * s, Talk: 2 * s,
			Call: cannotReach, Caller: finished, Callee: noAnswer, AgentRings: true, ContactRings: true, Result: "No Answer",
		},
		{
			Name: Rejected, Digits: "04", Text: "the contact declines",
			Answer: 2 * s, Ring: 6 * s, Talk: 3 * s,
			Call: cannotReach, Caller: finished, Callee: rejected, AgentRings: true, ContactRings: true, Result: "Rejected",
		},
		{
			Name: Unreachable, Digits: "05", Text: "the contact's phone cannot be reached",
			Answer: 2 * s, Ring: 4 * s, Talk: 3 * s,
			Call: cannotReach, Caller: finished, Callee: genericError, AgentRings: true, Result: "Call Failed",
		},
		{
			Name: AgentNoAnswer, Digits: "06", Text: "the agent does not answer; the contact's phone never rings",
			Answer: 40 * s,
			Call:   cannotReach, Caller: noAnswer, Callee: inProgress, AgentRings: true, Result: "No Answer",
		},
		{
			Name: AgentBusy, Digits: "07", Text: "the agent's phone is engaged",
			Answer: 2 * s,
			Call:   cannotReach, Caller: busy, Callee: inProgress, Result: "Busy",
		},
		{
			Name: AgentRejected, Digits: "20", Text: "the agent declines",
			Answer: 3 * s,
			Call:   cannotReach, Caller: rejected, Callee: inProgress, AgentRings: true, Result: "Rejected",
		},
		{
			Name: AgentOffline, Digits: "08", Text: "the agent's phone is not connected; the callee's leg claims Success though nobody was called",
			Answer: 1 * s,
			Call:   cannotReach, Caller: genericError, Callee: success, Result: "IP Phone Offline",
		},
		{
			Name: AgentHangup, Digits: "09", Text: "the agent hangs up while the contact's phone rings",
			Answer: 2 * s, Ring: 4 * s,
			Call: cannotReach, Caller: finished, Callee: rejected, AgentRings: true, ContactRings: true, Result: "Hang Up",
		},
		{
			Name: Blocked, Digits: "10", Text: "RingCentral does not connect to the destination",
			Answer: 2 * s, Ring: 1 * s, Talk: 2 * s,
			Call: cannotReach, Caller: finished, Callee: destinationBlocked, AgentRings: true, Result: "Blocked",
		},
		{
			Name: BlockedRefused, Digits: "11", Text: "the same, told at once",
			Refused: 403, Code: "TEL-101",
		},
		{
			Name: InternationalDisabled, Digits: "12", Text: "the account may not call abroad",
			Answer: 2 * s, Ring: 1 * s, Talk: 2 * s,
			Call: cannotReach, Caller: finished, Callee: internationalDisabled, AgentRings: true, Result: "International Disabled",
		},
		{
			Name: NoFunds, Digits: "13", Text: "the account has no credit",
			Answer: 2 * s, Ring: 1 * s, Talk: 2 * s,
			Call: cannotReach, Caller: finished, Callee: notEnoughFunds, AgentRings: true, Result: "No Calling Credit",
		},
		{
			Name: NoSuchUser, Digits: "14", Text: "the number does not exist",
			Answer: 2 * s, Ring: 2 * s, Talk: 2 * s,
			Call: cannotReach, Caller: finished, Callee: noSuchUser, AgentRings: true, Result: "Wrong Number",
		},
		{
			Name: InvalidNumber, Digits: "15", Text: "RingCentral does not take the number",
			Refused: 400, Code: "TEL-109",
		},
		{
			Name: SessionLost, Digits: "16", Text: "the status goes while the contact's phone rings; the call itself is answered",
			Answer: 2 * s, Ring: 6 * s, Talk: 20 * s,
			Call: success, Caller: finished, Callee: finished, AgentRings: true, ContactRings: true, Result: "Call connected",
			lost: true,
		},
		{
			Name: MachineError, Digits: "18", Text: "RingCentral fails before the agent answers, with both legs left InProgress",
			Answer: 3 * s,
			Call:   noAnsweringMachine, Caller: inProgress, Callee: inProgress, AgentRings: true, Result: "Internal Error",
		},
	}
}

// ByNumber chooses an ending by the last two digits of the number: those of the table in [Endings]; 21 is busy and
// answered the next time, 22 no_answer, 23 agent_no_answer, 24 unreachable likewise; all others are answered.
func ByNumber(number string, attempt int) Ending {
	if len(number) < 2 {
		return Ending{Name: Answered}
	}
	last := number[len(number)-2:]
	if attempt == 1 {
		switch last {
		case "21":
			return Ending{Name: Busy}
		case "22":
			return Ending{Name: NoAnswer}
		case "23":
			return Ending{Name: AgentNoAnswer}
		case "24":
			return Ending{Name: Unreachable}
		}
	}
	for _, e := range Endings() {
		if e.Digits == last {
			return Ending{Name: e.Name}
		}
	}
	return Ending{Name: Answered}
}

// lookup finds an ending's description.
func lookup(name Name) (EndingInfo, bool) {
	for _, e := range Endings() {
		if e.Name == name {
			return e, true
		}
	}
	return EndingInfo{}, false
}

// checkEndings says what is wrong with scripted endings.
func checkEndings(endings map[string][]Ending) error {
	for number, script := range endings {
		if e164(number) != number {
			return fmt.Errorf("endings: %q is no E.164 number with its plus sign", number)
		}
		if len(script) == 0 {
			return fmt.Errorf("endings: %s has none", number)
		}
		for _, e := range script {
			if _, ok := lookup(e.Name); !ok {
				return fmt.Errorf("endings: %s: no ending is called %q", number, e.Name)
			}
			if e.Answer < 0 || e.Ring < 0 || e.Talk < 0 {
				return fmt.Errorf("endings: %s: a duration is negative", number)
			}
		}
	}
	return nil
}

// timed fills the durations that e leaves open.
func (e Ending) timed(info EndingInfo, number string) Ending {
	if e.Answer == 0 {
		e.Answer = info.Answer
	}
	if e.Ring == 0 {
		e.Ring = info.Ring
	}
	if e.Talk == 0 {
		e.Talk = info.Talk
		if info.Name == Answered && len(number) > 3 {
			e.Talk = 21*time.Second + 2*time.Second*time.Duration(number[len(number)-3]-'0')
		}
	}
	return e
}

// MarshalJSON writes durations as text, "1m30s".
func (e Ending) MarshalJSON() ([]byte, error) {
	type plain Ending
	return json.Marshal(struct {
		plain
		Answer duration `json:"answer,omitzero"`
		Ring   duration `json:"ring,omitzero"`
		Talk   duration `json:"talk,omitzero"`
	}{plain(e), duration(e.Answer), duration(e.Ring), duration(e.Talk)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Ending) UnmarshalJSON(src []byte) error {
	type plain Ending
	var wire struct {
		plain
		Answer, Ring, Talk duration
	}
	if err := strict(src, &wire); err != nil {
		return err
	}
	*e = Ending(wire.plain)
	e.Answer, e.Ring, e.Talk = time.Duration(wire.Answer), time.Duration(wire.Ring), time.Duration(wire.Talk)
	return nil
}

// MarshalJSON writes durations as text.
func (e EndingInfo) MarshalJSON() ([]byte, error) {
	type plain EndingInfo
	return json.Marshal(struct {
		plain
		Answer duration `json:"answer,omitzero"`
		Ring   duration `json:"ring,omitzero"`
		Talk   duration `json:"talk,omitzero"`
	}{plain(e), duration(e.Answer), duration(e.Ring), duration(e.Talk)})
}

// duration is a time.Duration that is text in JSON.
type duration time.Duration

// MarshalText writes "1m30s".
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "1m30s".
func (d *duration) UnmarshalText(src []byte) error {
	parsed, err := time.ParseDuration(string(src))
	if err != nil {
		return err
	}
	*d = duration(parsed)
	return nil
}
