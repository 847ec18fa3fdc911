package line

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// TestStep has a timeline per row: at each second, what was observed; and what is done next.
func TestStep(t *testing.T) {
	t.Parallel()
	const every = 3 * time.Second
	rings := campaign.Legs{Call: "InProgress", Caller: "InProgress", Callee: "InProgress"}
	declined := campaign.Legs{Call: "CannotReach", Caller: "Finished", Callee: "Rejected"}
	stopped := campaign.Legs{Call: "CannotReach", Caller: "NoAnswer", Callee: "InProgress"}
	says := func(l campaign.Legs) observation { return observation{observed: statuses, legs: l} }
	type moment struct {
		at   int // s after the call was placed
		o    observation
		want doing
	}
	tests := []struct {
		name     string
		moments  []moment
		after    time.Duration // of the last poll
		outcome  campaign.Outcome
		fault    bool
		overlong bool
		unclear  bool
	}{
		{name: "begins by polling", moments: []moment{{0, observation{}, poll}}, after: every},
		{name: "rings", moments: []moment{{3, says(rings), poll}}, after: every},
		{name: "talks: polled half as often", moments: []moment{{3, says(talking), poll}}, after: 2 * every},
		{name: "ends", moments: []moment{{3, says(talking), poll}, {60, says(hungUp), ended}}, outcome: campaign.Answered},
		{name: "no answer: polled more and more slowly", moments: []moment{
			{3, says(rings), poll}, {6, observation{observed: unanswered}, poll}, {12, observation{observed: unanswered}, poll},
		}, after: 4 * every},
		{name: "ring limit", moments: []moment{{59, says(rings), poll}, {60, says(rings), cancel}, {60, observation{}, poll}, {63, says(rings), poll}}, after: every},
		{name: "cancelled", moments: []moment{
			{60, says(rings), cancel}, {61, observation{observed: cancelled}, poll}, {63, says(stopped), ended},
		}, fault: true},
		{name: "cancelled and forgotten", moments: []moment{
			{60, says(rings), cancel}, {61, observation{observed: cancelled}, poll}, {63, observation{observed: forgotten}, ended},
		}, fault: true},
		{name: "forgotten before the DELETE is answered", moments: []moment{
			{60, says(rings), cancel},
			{63, observation{observed: forgotten}, poll},
			{64, observation{observed: cancelled}, poll},
			{67, observation{observed: forgotten}, ended},
		}, fault: true},
		{name: "forgotten while the DELETE waits, and it is not agreed to", moments: []moment{
			{60, says(rings), cancel},
			{63, observation{observed: forgotten}, poll},
			{64, observation{observed: notCancelled}, poll},
			{67, observation{observed: forgotten}, ended},
		}, outcome: campaign.Unconfirmed},
		{name: "not agreed to: asked again, later each time", moments: []moment{
			{60, says(rings), cancel},
			{61, observation{observed: notCancelled}, poll},
			{63, says(rings), poll},
			{64, says(rings), cancel},
			{65, observation{observed: notCancelled}, poll},
			{70, says(rings), poll},
			{71, says(rings), cancel},
		}},
		{name: "a conversation begins while the DELETE waits", moments: []moment{
			{60, says(rings), cancel}, {63, says(talking), poll}, {66, observation{observed: cancelled}, poll}, {90, says(hungUp), ended},
		}, outcome: campaign.Answered},
		{name: "never cancelled without a look", moments: []moment{{500, observation{}, poll}, {503, observation{observed: unanswered}, poll}}, after: 2 * every},
		{name: "never cancelled once the agent has answered", moments: []moment{{3, says(agentUp), poll}, {90, says(agentUp), poll}}, after: every},
		{name: "a campaign that was cancelled", moments: []moment{
			{3, observation{observed: statuses, legs: rings, unwanted: true}, cancel},
			{4, observation{observed: cancelled}, poll},
			{6, says(stopped), ended},
		}},
		{name: "longest call", moments: []moment{{3, says(talking), poll}, {4 * 3600, says(talking), ended}}, outcome: campaign.Answered, overlong: true},
		{name: "longest call, taken over late: looks first", moments: []moment{{5 * 3600, observation{}, poll}, {5*3600 + 1, observation{observed: unanswered}, poll}}, after: 2 * every},
		{name: "a status that stays: presence decides", moments: []moment{
			{3, says(busySticky), poll},
			{6, says(busySticky), poll},
			{9, says(busySticky), askPresence},
			{9, observation{observed: notSilent}, poll},
			{12, says(busySticky), askPresence},
			{12, observation{observed: silent}, ended},
		}, outcome: campaign.Busy},
		{name: "forgotten", moments: []moment{{3, says(agentUp), poll}, {6, observation{observed: forgotten}, ended}}, outcome: campaign.Unconfirmed},
		{name: "declined, nobody saw by whom: the records may know", moments: []moment{{3, says(agentUp), poll}, {6, says(declined), ended}}, outcome: campaign.Rejected, unclear: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules := campaign.Default("renewals")
			rules.RingLimit, rules.LongestCall = time.Minute, 4*time.Hour
			placed := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
			s := tracking{rules: rules, every: every, placed: placed, looked: placed}
			var act action
			for i, m := range tt.moments {
				if s, act = step(s, m.o, placed.Add(time.Duration(m.at)*time.Second)); act.doing != m.want {
					t.Fatalf("moment %d leads to %d, want %d", i, act.doing, m.want)
				}
			}
			v := act.verdict
			if v.Outcome != tt.outcome || v.LineFault != tt.fault || v.overlong != tt.overlong || v.unclear != tt.unclear {
				t.Errorf("verdict %+v", v)
			}
			if tt.after > 0 && act.after != tt.after {
				t.Errorf("polls after %s, want %s", act.after, tt.after)
			}
		})
	}
}
