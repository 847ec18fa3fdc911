package line

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

const (
	agentsNumber   = "+16505550101"
	contactsNumber = "+12125550123"
)

func anAttempt() campaign.Attempt {
	return campaign.Attempt{Number: contactsNumber, LineNumber: agentsNumber}
}

func TestOtherNumber(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, recorded string
		other          bool
	}{
		{"the same", "+12125550123", false},
		{"without plus", "12125550123", false},
		{"national", "(212) 555-0123", false},
		{"another", "+12125550124", true},
		{"another, national", "212 555 0199", true},
		{"masked, the same beginning", "+1212555XXXX", false},
		{"masked, another beginning", "+1312555XXXX", true},
		{"masked without plus", "212555XXXX", false},
		{"only masks", "XXXXXXXX", false},
		{"an extension", "101", false},
		{"a word", "anonymous", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := otherNumber(tt.recorded, contactsNumber); got != tt.other {
				t.Errorf("otherNumber(%q) = %t, want %t", tt.recorded, got, tt.other)
			}
		})
	}
}

// TestMaybe: a record that could be the attempt's call must never be overlooked, since overlooking it rings a phone twice.
func TestMaybe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		r              ringout.Record
		maybe, certain bool
	}{
		{"the call", ringout.Record{Action: "RingOut Web", From: agentsNumber, To: contactsNumber}, true, true},
		{"sides swapped", ringout.Record{Action: "RingOut Web", From: contactsNumber, To: agentsNumber}, true, true},
		{"masked", ringout.Record{Action: "RingOut Web", From: "+1650555XXXX", To: "+1212555XXXX"}, true, true},
		{"caller id instead of the line", ringout.Record{Action: "RingOut Web", From: "+16505550100", To: contactsNumber}, true, false},
		{"the line in a leg", ringout.Record{
			Action: "RingOut Web", From: "+16505550100", To: contactsNumber,
			Legs: []ringout.Leg{{Type: "RingOutWebToCaller", To: agentsNumber}},
		}, true, true},
		{"no RingOut, but the number", ringout.Record{Action: "Phone Call", From: agentsNumber, To: contactsNumber}, true, false},
		{"a RingOut to nobody knows whom", ringout.Record{Action: "RingOut Web", From: agentsNumber, To: "anonymous"}, true, false},
		{"a RingOut to another", ringout.Record{Action: "RingOut Web", From: agentsNumber, To: "+13125550199"}, false, false},
		{"another call", ringout.Record{Action: "Phone Call", From: "+13125550199", To: agentsNumber}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := maybe(tt.r, anAttempt()); got != tt.maybe {
				t.Errorf("maybe = %t, want %t", got, tt.maybe)
			}
			if got := certain(tt.r, anAttempt()); got != tt.certain {
				t.Errorf("certain = %t, want %t", got, tt.certain)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	call := ringout.Record{SessionID: "1", TelephonySessionID: "s-1", From: agentsNumber, To: contactsNumber, StartedAt: at, Result: "In Progress"}
	logged := call
	logged.Result = "Busy"
	double := call
	double.SessionID, double.TelephonySessionID, double.StartedAt = "2501", "s-2501", at.Add(time.Second)
	later := call
	later.SessionID, later.TelephonySessionID, later.StartedAt = "2", "s-2", at.Add(20*time.Second)
	if got := sessions([]ringout.Record{call, logged}); len(got) != 1 || got[0].Result != "Busy" {
		t.Errorf("active call and its log entry: %+v, want the log entry", got)
	}
	if got := sessions([]ringout.Record{call, double}); len(got) != 1 {
		t.Errorf("a call to an own extension: %d calls, want 1", len(got))
	}
	if got := sessions([]ringout.Record{call, later}); len(got) != 2 {
		t.Errorf("two calls: %d, want 2", len(got))
	}
}

func TestResultsOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		r              ringout.Record
		agent, contact string
	}{
		{"both legs", ringout.Record{Result: "Busy", Legs: []ringout.Leg{
			{Type: "RingOutWebToCaller", Result: "Call connected"}, {Type: "RingOutWebToSubscriber", Result: "Busy"},
		}}, "Call connected", "Busy"},
		{"agent's leg only", ringout.Record{Result: "No Answer", Legs: []ringout.Leg{{Type: "RingOutWebToCaller", Result: "No Answer"}}}, "No Answer", ""},
		{"contact's leg by its number", ringout.Record{Legs: []ringout.Leg{{Type: "SomethingNew", To: contactsNumber, Result: "Busy"}}}, "", "Busy"},
		{"no legs, connected", ringout.Record{Result: "Call connected"}, "", "Call connected"},
		{"no legs, whose no answer?", ringout.Record{Result: "No Answer"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if agent, contact := resultsOf(tt.r, anAttempt()); agent != tt.agent || contact != tt.contact {
				t.Errorf("resultsOf = %q, %q; want %q, %q", agent, contact, tt.agent, tt.contact)
			}
		})
	}
}

func TestCallOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		c    ringout.ActiveCall
		want bool
	}{
		{"the call", ringout.ActiveCall{From: agentsNumber, To: contactsNumber, TelephonyStatus: "CallConnected"}, true},
		{"it is over", ringout.ActiveCall{From: agentsNumber, To: contactsNumber, TelephonyStatus: "NoCall"}, false},
		{"hidden numbers", ringout.ActiveCall{From: "anonymous", To: "", TelephonyStatus: "Ringing"}, true},
		{"another line's call", ringout.ActiveCall{From: "+16505550102", To: "+13125550199", TelephonyStatus: "Ringing"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := ringout.Presence{Calls: []ringout.ActiveCall{tt.c}}
			if _, got := callOf(p, anAttempt()); got != tt.want {
				t.Errorf("callOf = %t, want %t", got, tt.want)
			}
		})
	}
}

// TestTwoSessionsOfOneCall: RingCentral may record a RingOut as one session to the agent and one to the contact.
func TestTwoSessionsOfOneCall(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	half := ringout.Record{
		SessionID: "1", Action: "RingOut Web", Direction: "Inbound", From: "+16505550100", StartedAt: at, Result: "Call connected",
		Legs: []ringout.Leg{{Type: "RingOutWebToCaller", From: "+16505550100", Result: "Call connected"}},
	}
	named := ringout.Record{
		SessionID: "2", Action: "RingOut Web", Direction: "Outbound", From: agentsNumber, To: contactsNumber, StartedAt: at.Add(8 * time.Second), Result: "Busy",
	}
	change := func(r ringout.Record, f func(*ringout.Record)) ringout.Record {
		f(&r)
		return r
	}
	other := change(half, func(r *ringout.Record) { r.SessionID, r.StartedAt = "3", at.Add(20*time.Second) })
	tests := []struct {
		name    string
		records []ringout.Record
		calls   int
		contact string // the result, of one call
	}{
		{"both halves", []ringout.Record{half, named}, 1, "Busy"},
		{"newest first", []ringout.Record{named, half}, 1, "Busy"},
		{"another line's half beside them", []ringout.Record{other, named, half}, 1, "Busy"},
		{"by the caller ID", []ringout.Record{half, change(named, func(r *ringout.Record) { r.From = half.From })}, 1, "Busy"},
		{"the agent's half by its number", []ringout.Record{change(half, func(r *ringout.Record) { r.To = agentsNumber }), named}, 1, "Busy"},
		{"two calls to the contact", []ringout.Record{named, change(named, func(r *ringout.Record) { r.SessionID, r.StartedAt = "4", at.Add(40*time.Second) })}, 2, ""},
		{"a second call, and a half", []ringout.Record{half, named, change(named, func(r *ringout.Record) { r.SessionID, r.StartedAt = "4", at.Add(40*time.Second) })}, 3, ""},
		{"a call to nobody knows whom", []ringout.Record{named, change(half, func(r *ringout.Record) { r.Direction = "Outbound" })}, 2, ""},
		{"the agent's half alone", []ringout.Record{half}, 1, ""},
		{"the contact's half alone: whose result is it?", []ringout.Record{named}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := oneOfTwo(sessions(tt.records), anAttempt())
			if len(got) != tt.calls {
				t.Fatalf("%d calls, want %d: %+v", len(got), tt.calls, got)
			}
			if _, contact := got[0].results(anAttempt()); tt.calls == 1 && contact != tt.contact {
				t.Errorf("the contact's result is %q, want %q", contact, tt.contact)
			}
		})
	}
}
