package campaign

import "testing"

func TestRecorded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, agent, contact string
		want                 Outcome
		charged, lineFault   bool
	}{
		{"talked", "Call connected", "Call connected", Answered, true, false},
		{"other spelling", "call connected", "ACCEPTED", Answered, true, false},
		{"busy", "Call connected", "Busy", Busy, true, false},
		{"no answer", "Call connected", "No Answer", NoAnswer, true, false},
		{"declined", "Call connected", "Rejected", Rejected, true, false},
		{"failed", "Call connected", "Call Failed", Unreachable, true, false},
		{"blocked", "Call connected", "International Disabled", Blocked, true, false},
		{"no such number", "Call connected", "Wrong Number", InvalidNumber, true, false},
		{"the agent gave up", "Call connected", "Hang Up", "", false, false},
		{"a word nobody knows", "Call connected", "Quux", Unconfirmed, false, false},
		{"the agent's phone was off", "IP Phone Offline", "", "", false, true},
		{"the agent did not answer", "No Answer", "", "", false, true},
		{"only the agent's leg, connected", "Call connected", "", Unconfirmed, false, false},
		{"nothing", "", "", Unconfirmed, false, false},
		{"an agent's leg that nobody knows", "Quux", "", Unconfirmed, false, false},
		{"no agent's leg", "", "Busy", Busy, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Recorded(tt.agent, tt.contact)
			if !got.Ended || got.Outcome != tt.want || got.Charged != tt.charged || got.LineFault != tt.lineFault || got.Detail == "" {
				t.Errorf("Recorded(%q, %q) = %+v, want %q, charged %t, line fault %t", tt.agent, tt.contact, got, tt.want, tt.charged, tt.lineFault)
			}
		})
	}
}
