package ringouttest

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestEndingsUnfold(t *testing.T) {
	t.Parallel()
	const start, joined = "InProgress/InProgress/InProgress", "InProgress/Success/InProgress"
	type seen struct {
		at   time.Duration // after the POST
		legs string
	}
	const s = time.Second
	tests := []struct {
		name                  Name
		digits                string
		seen                  []seen
		callerRang, calleeRan bool
		answered              bool
	}{
		{Answered, "30", []seen{
			{0, start},
			{2*s - 1, start},
			{2 * s, joined},
			{7*s - 1, joined},
			{7 * s, "Success/Success/Success"},
			{7*s + 23*s - 1, "Success/Success/Success"}, // third last digit 1
			{7*s + 23*s, "Success/Finished/Finished"},
			{7*s + 23*s + 30*s - 1, "Success/Finished/Finished"},
			{7*s + 23*s + 30*s, "404 CMN-102"},
		}, true, true, true},
		{Short, "19", []seen{{7 * s, "Success/Success/Success"}, {11 * s, "Success/Finished/Finished"}}, true, true, true},
		{Voicemail, "17", []seen{{21 * s, joined}, {22 * s, "Success/Success/Success"}, {34 * s, "Success/Finished/Finished"}}, true, true, true},
		{Busy, "01", []seen{{2 * s, joined}, {5 * s, "CannotReach/Success/Busy"}, {8 * s, "CannotReach/Finished/Busy"}, {38 * s, "404 CMN-102"}}, true, false, false},
		{BusySticky, "02", []seen{{5 * s, "CannotReach/Success/Busy"}, {38*s - 1, "CannotReach/Success/Busy"}, {38 * s, "404 CMN-102"}}, true, false, false},
		{NoAnswer, "03", []seen{{31 * s, joined}, {32 * s, "CannotReach/Success/NoAnswer"}, {34 * s, "CannotReach/Finished/NoAnswer"}}, true, true, false},
		{Rejected, "04", []seen{{8 * s, "CannotReach/Success/Rejected"}, {11 * s, "CannotReach/Finished/Rejected"}}, true, true, false},
		{Unreachable, "05", []seen{{6 * s, "CannotReach/Success/GenericError"}, {9 * s, "CannotReach/Finished/GenericError"}}, true, false, false},
		{AgentNoAnswer, "06", []seen{{39 * s, start}, {40 * s, "CannotReach/NoAnswer/InProgress"}, {70 * s, "404 CMN-102"}}, true, false, false},
		{AgentBusy, "07", []seen{{2 * s, "CannotReach/Busy/InProgress"}}, false, false, false},
		{AgentOffline, "08", []seen{{0, start}, {1 * s, "CannotReach/GenericError/Success"}}, false, false, false},
		{AgentHangup, "09", []seen{{5 * s, joined}, {6 * s, "CannotReach/Finished/Rejected"}}, true, true, false},
		{Blocked, "10", []seen{{3 * s, "CannotReach/Success/DestinationBlocked"}, {5 * s, "CannotReach/Finished/DestinationBlocked"}}, true, false, false},
		{InternationalDisabled, "12", []seen{{5 * s, "CannotReach/Finished/InternationalDisabled"}}, true, false, false},
		{NoFunds, "13", []seen{{5 * s, "CannotReach/Finished/NotEnoughFunds"}}, true, false, false},
		{NoSuchUser, "14", []seen{{6 * s, "CannotReach/Finished/NoSuchUser"}}, true, false, false},
		{SessionLost, "16", []seen{{5*s - 1, joined}, {5 * s, "404 CMN-102"}, {28 * s, "404 CMN-102"}}, true, true, true},
		{MachineError, "18", []seen{{3 * s, "NoAnsweringMachine/InProgress/InProgress"}, {33 * s, "404 CMN-102"}}, true, false, false},
		{AgentRejected, "20", []seen{{3 * s, "CannotReach/Rejected/InProgress"}}, true, false, false},
	}
	covered := map[Name]bool{BlockedRefused: true, InvalidNumber: true} // TestRefusedEndings
	for _, tt := range tests {
		covered[tt.name] = true
		t.Run(string(tt.name), func(t *testing.T) {
			t.Parallel()
			for _, scale := range []float64{1, 60} {
				clock := newStepped()
				sim := New(Config{Now: clock.Now, Scale: scale, Limits: unlimited()})
				c := login(t, sim, "jwt")
				id := c.place("+141555501" + tt.digits)
				var passed time.Duration
				for _, s := range tt.seen {
					at := time.Duration(float64(s.at) / scale)
					if scale != 1 && s.at%time.Second != 0 {
						at = time.Duration(float64(s.at+1)/scale) - 1 // still just before the change
					}
					clock.step(at - passed)
					passed = at
					want(t, "at "+s.at.String(), c.status(id).legs(t), s.legs)
				}
				clock.step(time.Hour)
				d := sim.Truth().Dials[0]
				want(t, "ending", d.Ending, tt.name)
				want(t, "agent's phone rang", !d.CallerRangAt.IsZero(), tt.callerRang)
				want(t, "contact's phone rang", !d.CalleeRangAt.IsZero(), tt.calleeRan)
				want(t, "answered", !d.AnsweredAt.IsZero(), tt.answered)
				want(t, "ended", d.EndedAt.IsZero(), false)
			}
		})
	}
	for _, e := range Endings() {
		if !covered[e.Name] {
			t.Errorf("ending %s has no test", e.Name)
		}
	}
}

func TestRefusedEndings(t *testing.T) {
	t.Parallel()
	sim := New(Config{Endings: map[string][]Ending{
		"+14155550199": {{Name: InvalidNumber, Code: "TEL-108"}},
	}})
	c := login(t, sim, "jwt")
	for to, expected := range map[string]string{
		"+14155550111": "403 TEL-101",
		"+14155550115": "400 TEL-109",
		"+14155550199": "400 TEL-108",
	} {
		want(t, to, c.post(to).legs(t), expected)
	}
	truth := sim.Truth()
	want(t, "dials", len(truth.Dials), 0)
	want(t, "refusals", len(truth.Refusals), 3)
}

func TestScriptedEndingsFollowEachOther(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{
		Now: clock.Now, Limits: unlimited(),
		Endings: map[string][]Ending{people: {{Name: Busy}, {Name: Answered, Answer: time.Second, Ring: time.Second, Talk: 3 * time.Second}}},
		Ending:  func(string, int) Ending { return Ending{Name: Rejected} },
	})
	c := login(t, sim, "jwt")
	for _, expected := range []string{"CannotReach/Finished/Busy", "Success/Finished/Finished", "Success/Finished/Finished"} {
		id := c.place(people)
		clock.step(20 * time.Second)
		want(t, "attempt", c.status(id).legs(t), expected)
	}
	other := c.place("+14155550131")
	clock.step(20 * time.Second)
	want(t, "another number", c.status(other).legs(t), "CannotReach/Finished/Rejected")
	want(t, "talk", sim.Truth().Dials[1].EndedAt.Sub(sim.Truth().Dials[1].AnsweredAt), 3*time.Second)
	want(t, "attempts", len(sim.Truth().DialsTo(people)), 3)
	want(t, "attempt's number", sim.Truth().DialsTo(people)[2].Attempt, 3)
}

func TestByNumberIsAnsweredTheSecondTime(t *testing.T) {
	t.Parallel()
	for digits, first := range map[string]Name{"21": Busy, "22": NoAnswer, "23": AgentNoAnswer, "24": Unreachable} {
		want(t, digits, ByNumber("+14155550"+digits, 1).Name, first)
		want(t, digits+" again", ByNumber("+14155550"+digits, 2).Name, Answered)
	}
	taken := map[string]Name{}
	for _, e := range Endings() {
		if other, ok := taken[e.Digits]; ok && e.Digits != "" {
			t.Errorf("%s and %s share digits %s", e.Name, other, e.Digits)
		}
		taken[e.Digits] = e.Name
	}
}

func TestEndingJSON(t *testing.T) {
	t.Parallel()
	e := Ending{Name: Answered, Talk: 90 * time.Second}
	src, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "JSON", string(src), `{"name":"answered","talk":"1m30s"}`)
	var back Ending
	if err := json.Unmarshal(src, &back); err != nil {
		t.Fatal(err)
	}
	want(t, "read again", back, e)
	if err := json.Unmarshal([]byte(`{"name":"busy","tlak":"3s"}`), &back); err == nil {
		t.Error("a misspelt field is taken")
	}
}

func TestBadConfigPanics(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"ending":    {Endings: map[string][]Ending{people: {{Name: "engaged"}}}},
		"no ending": {Endings: map[string][]Ending{people: {}}},
		"number":    {Endings: map[string][]Ending{"4155550130": {{Name: Busy}}}},
		"group":     {Limits: map[string]Limit{"huge": {N: 1}}},
		"scale":     {Scale: -1},
		"jwt":       {Extensions: []Extension{{ID: "1"}}},
		"twins":     {Extensions: []Extension{{ID: "1", JWT: "a"}, {ID: "2", JWT: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("taken without a word")
				}
			}()
			New(c)
		})
	}
}

func TestNoSessionFoundComesAs200(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, NoSessionFound200: true})
	c := login(t, sim, "jwt")
	id := c.place(people)
	clock.step(2 * time.Minute)
	a := c.status(id)
	want(t, "legs", a.legs(t), "NoSessionFound/NoSessionFound/NoSessionFound")
	want(t, "id", a.get(t, "id"), id)
	want(t, "status", a.status, http.StatusOK)
}
