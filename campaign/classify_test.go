package campaign

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// see adds looks at a call, each as "call/caller/callee".
func see(looks ...string) Seen {
	var s Seen
	for _, look := range looks {
		part := strings.Split(look, "/")
		s = s.With(Legs{Call: part[0], Caller: part[1], Callee: part[2]})
	}
	return s
}

const (
	started   = "InProgress/InProgress/InProgress"
	agentUp   = "InProgress/Success/InProgress"
	connected = "Success/Success/Success"
	hungUpAll = "Success/Finished/Finished"
)

func TestClassifyTimelines(t *testing.T) {
	t.Parallel()
	agentFailed := Verdict{Ended: true, LineFault: true}
	accountFailed := Verdict{Ended: true, LineFault: true, AccountFault: true}
	agentLeft := Verdict{Ended: true, Rang: true}
	running := Verdict{}
	charged := func(o Outcome) Verdict { return Verdict{Ended: true, Outcome: o, Charged: true, Rang: true} }
	refused := func(o Outcome) Verdict { return Verdict{Ended: true, Outcome: o, Charged: true} }

	tests := []struct {
		name  string
		looks []string
		want  Verdict
	}{
		{"nothing seen", nil, running},
		{"started", []string{started}, running},
		{"agent answered", []string{started, agentUp}, running},
		{"connected", []string{started, agentUp, connected}, running},
		{"hang-up", []string{started, agentUp, connected, hungUpAll}, charged(Answered)},
		{"hang-up, only the end seen", []string{hungUpAll}, charged(Answered)},
		{"contact hung up first", []string{connected, "Success/Success/Finished"}, running},
		{"contact hung up first, then the agent", []string{connected, "Success/Success/Finished", hungUpAll}, charged(Answered)},
		{"agent hung up first", []string{connected, "Success/Finished/Success"}, running},
		{"agent's leg broke off in the talk", []string{connected, "Success/GenericError/Finished"}, charged(Answered)},
		{"contact's leg broke off in the talk", []string{connected, "Success/Finished/GenericError"}, charged(Answered)},
		{"finished as a whole too", []string{connected, "Finished/Finished/Finished"}, charged(Answered)},

		{"busy, agent still there", []string{agentUp, "CannotReach/Success/Busy"}, running},
		{"busy, agent gone", []string{agentUp, "CannotReach/Success/Busy", "CannotReach/Finished/Busy"}, charged(Busy)},
		{"busy, both at once", []string{agentUp, "CannotReach/Finished/Busy"}, charged(Busy)},
		{"busy stays busy", []string{"CannotReach/Success/Busy", "CannotReach/Finished/Finished"}, charged(Busy)},
		{"no answer", []string{agentUp, "CannotReach/Finished/NoAnswer"}, charged(NoAnswer)},
		{"rejected by the contact", []string{agentUp, "CannotReach/Success/Rejected", "CannotReach/Finished/Rejected"}, charged(Rejected)},
		{"rejected, nobody saw by whom", []string{agentUp, "CannotReach/Finished/Rejected"}, charged(Rejected)},
		{"rejected, only the end seen", []string{"CannotReach/Finished/Rejected"}, charged(Rejected)},
		{"rejected, the agent's leg broke off", []string{agentUp, "CannotReach/GenericError/Rejected"}, charged(Rejected)},
		{"the agent hung up, then rejected", []string{agentUp, "InProgress/Finished/InProgress", "CannotReach/Finished/Rejected"}, agentLeft},
		{"the agent's leg broke off, then rejected", []string{agentUp, "InProgress/GenericError/InProgress", "CannotReach/GenericError/Rejected"}, agentLeft},
		{"agent hung up, contact's leg not told", []string{agentUp, "InProgress/Finished/InProgress"}, agentLeft},
		{"agent's leg broke off while it rang", []string{agentUp, "InProgress/GenericError/InProgress"}, agentLeft},
		{"blocked", []string{agentUp, "CannotReach/Finished/DestinationBlocked"}, refused(Blocked)},
		{"international", []string{agentUp, "CannotReach/Finished/InternationalDisabled"}, refused(Blocked)},
		{"no such user", []string{agentUp, "CannotReach/Finished/NoSuchUser"}, refused(InvalidNumber)},
		{"no funds for the contact's leg", []string{agentUp, "CannotReach/Finished/NotEnoughFunds"}, Verdict{Ended: true, AccountFault: true, Refused: Blocked}},
		{"generic error", []string{agentUp, "CannotReach/Finished/GenericError"}, charged(Unreachable)},
		{"cannot reach", []string{agentUp, "CannotReach/Finished/CannotReach"}, charged(Unreachable)},
		{"error", []string{agentUp, "CannotReach/Finished/Error"}, charged(Unreachable)},
		{"invalid", []string{agentUp, "CannotReach/Finished/Invalid"}, charged(Unreachable)},

		{"agent busy", []string{started, "CannotReach/Busy/InProgress"}, agentFailed},
		{"agent does not answer", []string{started, "CannotReach/NoAnswer/InProgress"}, agentFailed},
		{"agent declines", []string{started, "CannotReach/Rejected/InProgress"}, agentFailed},
		{"agent's phone offline, as observed", []string{started, "CannotReach/GenericError/Success"}, agentFailed},
		{"agent's phone offline after a strange look", []string{"InProgress/InProgress/Success", "CannotReach/GenericError/Success"}, agentFailed},
		{"agent's number does not exist", []string{"CannotReach/NoSuchUser/InProgress"}, agentFailed},
		{"agent's leg without funds", []string{"CannotReach/NotEnoughFunds/InProgress"}, accountFailed},
		{"agent's leg abroad", []string{"CannotReach/InternationalDisabled/InProgress"}, accountFailed},
		{"agent's number not supported", []string{"CannotReach/RingOutFromThisNumberIsNotSupported/InProgress"}, accountFailed},

		{"internal failure at the start", []string{"NoAnsweringMachine/InProgress/InProgress"}, Verdict{Ended: true}},
		{"cannot reach at the start", []string{"CannotReach/InProgress/InProgress"}, Verdict{Ended: true}},
		{"error at the start", []string{"Error/InProgress/InProgress"}, Verdict{Ended: true}},
		{"internal failure after the agent answered", []string{agentUp, "NoAnsweringMachine/InProgress/InProgress"}, charged(Unreachable)},
		{"internal failure, agent still there", []string{agentUp, "NoAnsweringMachine/Success/InProgress"}, running},

		{"unknown values go on", []string{"Sleeping/Dreaming/Snoring"}, running},
		{"unknown contact's leg goes on", []string{agentUp, "InProgress/Success/Voicemail"}, running},
		{"unknown contact's leg, agent gone", []string{agentUp, "InProgress/Finished/Voicemail"}, charged(Unreachable)},
		{"contact's leg never told, agent gone", []string{"InProgress/Success/", "InProgress/Finished/"}, charged(Unreachable)},
		{"unknown contact's leg, call failed", []string{agentUp, "CannotReach/Finished/Voicemail"}, charged(Unreachable)},
		{"unknown agent's leg, call failed", []string{"CannotReach/Asleep/InProgress"}, agentFailed},
		{"unknown agent's leg, contact busy", []string{"CannotReach/Asleep/Busy"}, charged(Busy)},
		{"the value Unknown goes on", []string{agentUp, "Unknown/Unknown/Unknown"}, running},
		{"empty look keeps what was seen", []string{agentUp, "//"}, running},

		{"forgotten after the talk began", []string{connected, "NoSessionFound/NoSessionFound/NoSessionFound"}, charged(Answered)},
		{"forgotten while it rang", []string{agentUp, "NoSessionFound//"}, charged(Unconfirmed)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Classify(see(tt.looks...))
			if got.Ended && got.Detail == "" {
				t.Error("no detail")
			}
			got.Detail = ""
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestMissed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		looks   []string
		outcome Outcome
		charged bool
	}{
		{"nothing seen", nil, Unconfirmed, true},
		{"started", []string{started}, Unconfirmed, true},
		{"agent answered", []string{agentUp}, Unconfirmed, true},
		{"connected", []string{agentUp, connected}, Answered, true},
		{"contact busy, agent was still there", []string{"CannotReach/Success/Busy"}, Busy, true},
		{"contact declined, agent was still there", []string{"CannotReach/Success/Rejected"}, Rejected, true},
		{"contact busy before the agent's answer was seen", []string{"InProgress/InProgress/Busy"}, Busy, true},
		{"agent failed", []string{"CannotReach/NoAnswer/InProgress"}, "", false},
		{"rejected, nobody saw by whom", []string{agentUp, "CannotReach/Finished/Rejected"}, Rejected, true},
		{"agent hung up", []string{agentUp, "InProgress/Finished/InProgress"}, "", false},
		{"agent hung up, then forgotten", []string{agentUp, "InProgress/Finished/InProgress", "//NoSessionFound"}, "", false},
		{"agent gone, contact's leg forgotten", []string{agentUp, "/Finished/NoSessionFound"}, Unconfirmed, true},
		{"contact's Success without the agent", []string{"InProgress/InProgress/Success"}, Unconfirmed, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Missed(see(tt.looks...))
			if !got.Ended || got.Outcome != tt.outcome || got.Charged != tt.charged || got.Detail == "" {
				t.Errorf("got %+v, want outcome %q, charged %t", got, tt.outcome, tt.charged)
			}
		})
	}
}

func statuses() []string {
	return []string{
		"", inProgress, success, busy, noAnswer, rejected, genericError, finished, internationalDisabled,
		destinationBlocked, notEnoughFunds, noSuchUser, invalid, cannotReach, noAnsweringMachine, noSessionFound,
		statusError, fromNotSupported, "Unknown", "SomethingNew",
	}
}

// TestClassifyEveryCombination goes through all statuses of all three fields, before and after the agent
// has answered, and checks what must hold for each.
func TestClassifyEveryCombination(t *testing.T) {
	t.Parallel()
	outcomes := make(map[Outcome]bool, len(Outcomes()))
	for _, o := range Outcomes() {
		outcomes[o] = true
	}
	for _, before := range []string{"", started, agentUp, connected} {
		for _, call := range statuses() {
			for _, caller := range statuses() {
				for _, callee := range statuses() {
					looks := []string{call + "/" + caller + "/" + callee}
					if before != "" {
						looks = append([]string{before}, looks...)
					}
					s := see(looks...)
					checkVerdict(t, looks, s, Classify(s), outcomes)
					missed := Missed(s)
					if !missed.Ended {
						t.Errorf("%v: missed has not ended", looks)
					}
					checkVerdict(t, looks, s, missed, outcomes)
				}
			}
		}
	}
}

func checkVerdict(t *testing.T, looks []string, s Seen, v Verdict, outcomes map[Outcome]bool) {
	t.Helper()
	switch {
	case !v.Ended && v != Verdict{}:
		t.Errorf("%v: not ended, but %+v", looks, v)
	case !v.Ended && s.Caller != success && legOf(s.Caller) == legFailed && !s.CallerAnswered:
		t.Errorf("%v: goes on although the agent's leg failed", looks)
	case v.Charged != (v.Outcome != ""):
		t.Errorf("%v: charged %t with outcome %q", looks, v.Charged, v.Outcome)
	case v.Outcome != "" && !outcomes[v.Outcome]:
		t.Errorf("%v: outcome %q", looks, v.Outcome)
	case v.LineFault && (v.Charged || v.Rang):
		t.Errorf("%v: the agent's failure is the contact's: %+v", looks, v)
	case v.LineFault && s.CallerAnswered:
		t.Errorf("%v: line fault although the agent answered", looks)
	case v.Outcome == Answered && !s.CalleeAnswered:
		t.Errorf("%v: answered, never seen", looks)
	case v.Ended && s.CalleeAnswered && v.Outcome != Answered:
		t.Errorf("%v: a conversation was seen, but %+v", looks, v)
	case v.Ended && v.Detail == "":
		t.Errorf("%v: no detail", looks)
	}
}

// However the looks at a call come, what was seen survives storage, and a look that says nothing new
// changes nothing.
func TestSeenProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom(statuses())
		var s Seen
		for range rapid.IntRange(1, 8).Draw(t, "looks") {
			l := Legs{status.Draw(t, "call"), status.Draw(t, "caller"), status.Draw(t, "callee")}
			next := s.With(l)
			if s.CalleeAnswered && !next.CalleeAnswered || s.CallerAnswered && !next.CallerAnswered {
				t.Fatalf("forgot an answer: %+v, then %+v: %+v", s, l, next)
			}
			if again := next.With(l); again != next {
				t.Fatalf("the same look twice: %+v, then %+v", next, again)
			}
			if quiet := next.With(Legs{}); quiet != next {
				t.Fatalf("an empty look: %+v, then %+v", next, quiet)
			}
			s = next
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var back Seen
			if err := json.Unmarshal(b, &back); err != nil || back != s {
				t.Fatalf("%s: %+v, %v", b, back, err)
			}
		}
	})
}

func TestUnclear(t *testing.T) {
	t.Parallel()
	ringing := Legs{Call: inProgress, Caller: success, Callee: inProgress}
	declined := Legs{Call: cannotReach, Caller: success, Callee: rejected}
	over := Legs{Call: cannotReach, Caller: finished, Callee: rejected}
	tests := []struct {
		name  string
		looks []Legs
		want  bool
	}{
		{"only the end was seen", []Legs{over}, true},
		{"it rang, then it was over", []Legs{ringing, over}, true},
		{"it was seen that the contact declined", []Legs{ringing, declined, over}, false},
		{"it was seen that the agent hung up", []Legs{ringing, {Call: inProgress, Caller: finished, Callee: inProgress}, over}, false},
		{"the agent's leg broke off", []Legs{ringing, {Call: cannotReach, Caller: genericError, Callee: rejected}}, true},
		{"the call goes on", []Legs{ringing}, false},
		{"busy", []Legs{{Call: cannotReach, Caller: finished, Callee: busy}}, false},
		{"the agent's phone failed", []Legs{{Call: cannotReach, Caller: noAnswer, Callee: rejected}}, false},
	}
	for _, test := range tests {
		var s Seen
		for _, l := range test.looks {
			s = s.With(l)
		}
		if got := Unclear(s); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}
