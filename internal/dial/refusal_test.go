package dial

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

func refusedWith(parameter string, codes ...string) error {
	e := &ringout.Error{Op: "place call", Kind: ringout.Refused, Status: 400, Codes: codes}
	if parameter != "" {
		e.Parameters = []string{parameter}
	}
	return fmt.Errorf("place: %w", e)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	final := Refusal{Blame: BlameContact, Named: true, Final: true}
	contact := Refusal{Blame: BlameContact}
	named := Refusal{Blame: BlameContact, Named: true}
	line, callerID := Refusal{Blame: BlameLine}, Refusal{Blame: BlameCallerID}
	ext := Refusal{Blame: BlameExtension}
	as := func(r Refusal, o campaign.Outcome) Refusal { r.Outcome = o; return r }
	for _, c := range []struct {
		name  string
		err   error
		want  Refusal
		waits bool
	}{
		{"number invalid", refusedWith("", "TEL-109"), as(final, campaign.InvalidNumber), false},
		{"number invalid, named", refusedWith("to", "TEL-109"), as(final, campaign.InvalidNumber), false},
		{"number blocked", refusedWith("", "TEL-101"), as(final, campaign.Blocked), false},
		{"number blocked, named", refusedWith("to", "TEL-101"), as(final, campaign.Blocked), false},
		{"number invalid, but it is the line's", refusedWith("from", "TEL-109"), line, true},
		{"line's number", refusedWith("", "TEL-108"), line, true},
		{"line blocked", refusedWith("from", "TEL-102"), line, true},
		{"forwarding number", refusedWith("", "CMN-102"), line, true},
		{"caller id", refusedWith("", "TEL-107"), callerID, true},
		{"caller id no direct number", refusedWith("callerId", "RNG-102"), callerID, true},
		{"credit", refusedWith("", "BIL-103"), as(contact, campaign.Blocked), false},
		{"credit for this number", refusedWith("to", "BIL-103"), as(named, campaign.Blocked), false},
		{"extension type", refusedWith("", "CMN-112"), as(contact, campaign.Blocked), false},
		{"feature", refusedWith("", "CMN-113"), as(contact, campaign.Blocked), false},
		{"app permission", refusedWith("", "CMN-401"), as(contact, campaign.Blocked), false},
		{"user permission", refusedWith("", "CMN-408"), as(contact, campaign.Blocked), false},
		{"one of the numbers", refusedWith("", "CMN-101"), as(contact, campaign.InvalidNumber), false},
		{"the contact's number", refusedWith("to", "CMN-101"), as(named, campaign.InvalidNumber), false},
		{"the contact's number, inside", refusedWith("to.phoneNumber", "CMN-101"), as(named, campaign.InvalidNumber), false},
		{"the line's number", refusedWith("from", "CMN-101"), line, true},
		{"the caller ID", refusedWith("callerId", "CMN-101"), callerID, true},
		{"the caller ID, unheard of", refusedWith("callerId", "XYZ-999"), callerID, true},
		{"a field that is none of the numbers", refusedWith("playPrompt", "CMN-101"), as(contact, campaign.InvalidNumber), false},
		{"two codes", refusedWith("", "CMN-101", "TEL-108"), line, true},
		{"unheard of", refusedWith("", "XYZ-999"), as(contact, campaign.Blocked), false},
		{"unheard of, named", refusedWith("to", "XYZ-999"), as(named, campaign.InvalidNumber), false},
		{"no code", refusedWith(""), as(contact, campaign.Blocked), false},
		{"limited", &ringout.Error{Kind: ringout.Limited, Status: 429, RetryAfter: time.Minute}, Refusal{Blame: BlameLimit}, true},
		{"not sent", &ringout.Error{Kind: ringout.NotSent}, ext, true},
		{"timeout", &ringout.Error{Kind: ringout.Unknown}, Refusal{Blame: BlameUnknown}, false},
		{"server error", &ringout.Error{Kind: ringout.Unknown, Status: 502}, Refusal{Blame: BlameUnknown}, false},
		{"something else", errors.New("broken"), Refusal{}, false},
	} {
		got := Judge(c.err)
		if got.Blame != c.want.Blame || got.Outcome != c.want.Outcome || got.Named != c.want.Named || got.Final != c.want.Final {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if (got.Wait > 0) != c.waits || got.Wait > lineWait || got.Text == "" || strings.ContainsRune(got.Text, '\n') {
			t.Errorf("%s: waits %s: %q", c.name, got.Wait, got.Text)
		}
		var e *ringout.Error
		if errors.As(c.err, &e) && len(e.Codes) > 0 && !strings.Contains(got.Text, e.Codes[0]) {
			t.Errorf("%s: RingCentral's code is not in %q", c.name, got.Text)
		}
	}
}

// What the real client makes of the simulator's answers.
func TestJudgeOfAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault ringouttest.Fault
		blame Blame
		text  string
	}{
		{"words", ringouttest.Fault{Status: 403, Code: "BIL-103"}, BlameContact, "the account has no credit or lacks the feature (BIL-103): Forbidden"},
		{"caller ID", ringouttest.Fault{Status: 400, Parameter: "callerId"}, BlameCallerID, callerIDText + " (CMN-101): Bad Request"},
		{"web filter", ringouttest.Fault{Status: 403, HTML: true}, BlameExtension, "something on the way to RingCentral refuses the call, such as a web filter or a proxy (HTTP 403)"},
		{"token refused", ringouttest.Fault{Status: 401}, BlameExtension, "RingCentral no longer accepts the login, logging in anew (HTTP 401)"},
		{"limited", ringouttest.Fault{Status: 429}, BlameLimit, "RingCentral limits the rate"},
		{"server error", ringouttest.Fault{Status: 503}, BlameUnknown, "it is unknown whether the call was placed"},
	} {
		sim := ringouttest.New(ringouttest.Config{})
		client, err := ringout.New(ringout.Config{
			Server: "https://platform.ringcentral.com", ClientID: "id", ClientSecret: "secret", JWT: "jwt", Transport: sim.Transport(),
		})
		if err != nil {
			t.Fatal(err)
		}
		place := func() error {
			_, err := client.Place(t.Context(), ringout.Call{From: ringout.Endpoint{PhoneNumber: "+16505550001"}, To: "+14155550130"})
			return err
		}
		if got := Judge(place()); got.Blame != BlameNobody {
			t.Errorf("%s: without a login: %+v", c.name, got)
		}
		if err := client.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.fault.Operation, c.fault.Effect = ringouttest.OpPlace, ringouttest.AnswerStatus
		sim.Inject(c.fault)
		if got := Judge(place()); got.Blame != c.blame || got.Text != c.text {
			t.Errorf("%s: got %s %q, want %s %q", c.name, got.Blame, got.Text, c.blame, c.text)
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	r := Refusal{Blame: BlameContact, Outcome: campaign.Blocked, Text: "no (XYZ-999)"}
	rules := campaign.Default("x")
	if got := rules.Next(r.Verdict(), campaign.History{}, now); got.Final || !got.At.Equal(now.Add(time.Minute)) {
		t.Errorf("refused once: %+v", got)
	}
	if v := r.Verdict(); v.Charged || v.Rang || v.LineFault || v.Outcome != "" || v.Detail != r.Text {
		t.Errorf("verdict: %+v", v)
	}
	r.Final = true
	if got := rules.Next(r.Verdict(), campaign.History{}, now); !got.Final || got.Outcome != campaign.Blocked {
		t.Errorf("refused for good: %+v", got)
	}
}
