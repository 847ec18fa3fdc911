package line

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// records is a RingCentral that has records only.
type records struct {
	fakeCalls
	live   ringout.Presence
	active []ringout.Record
	log    []ringout.Record // newest first
	page   int
	asked  int
	err    map[string]error
}

func (c *records) Presence(context.Context) (ringout.Presence, error) {
	return c.live, c.err["presence"]
}

func (c *records) ActiveCalls(context.Context) (ringout.Records, error) {
	return ringout.Records{Calls: c.active, Complete: true}, c.err["active"]
}

func (c *records) CallLog(_ context.Context, q ringout.LogQuery) (ringout.Records, error) {
	c.asked++
	var found []ringout.Record
	for _, r := range c.log {
		if !r.StartedAt.Before(q.From) && (q.To.IsZero() || !r.StartedAt.After(q.To)) {
			found = append(found, r)
		}
	}
	n := min(len(found), c.page)
	return ringout.Records{Calls: found[:n], Complete: n == len(found)}, c.err["log"]
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func ringOutAt(i int) ringout.Record {
	return ringout.Record{
		ID: fmt.Sprint(i), SessionID: fmt.Sprint("s", i), StartedAt: noon.Add(time.Duration(i) * time.Minute), Action: "RingOut Web",
		From: alice.Number, To: fmt.Sprintf("+1415555%04d", i),
	}
}

// survey asks for everything since noon.
func survey(r *room, c *records) (Survey, error) {
	e := NewExtension("ext1", c, r.quota, ratelimit.Limit{N: 1000, Window: time.Minute})
	return e.Survey(r.t.Context(), func(time.Time) time.Time { return noon })
}

func TestSurveyReadsAllPages(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		c := &records{page: 10}
		for i := 34; i >= -5; i-- { // the last five are from before
			c.log = append(c.log, ringOutAt(i))
		}
		c.active = c.log[:2]
		s, err := survey(r, c)
		if err != nil || len(s.Gaps) > 0 {
			r.t.Fatalf("survey: %v, gaps %v", err, s.Gaps)
		}
		if len(s.Calls) != 35 || c.asked != 4 {
			r.t.Errorf("%d calls by %d requests, want 35 by 4", len(s.Calls), c.asked)
		}
		seen := map[string]bool{}
		for _, f := range s.Calls {
			if seen[f.Session] {
				r.t.Errorf("call %s is there twice", f.Session)
			}
			seen[f.Session] = true
		}
	})
}

func TestSurveyOfALogThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		c := &records{page: 2}
		for range 5 { // all at one instant: paging by time cannot get past them
			c.log = append(c.log, ringOutAt(1))
		}
		s, err := survey(r, c)
		if err != nil || len(s.Gaps) != 1 {
			r.t.Errorf("got %v, gaps %v, want one gap", err, s.Gaps)
		}
	})
}

func TestSurveyOfLiveCalls(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *room) {
		live := func(id, from, to string, at time.Time) ringout.ActiveCall {
			return ringout.ActiveCall{SessionID: id, From: from, To: to, TelephonyStatus: "CallConnected", StartedAt: at}
		}
		byHand := ringOutAt(3)
		byHand.Action = "Phone Call"
		c := &records{page: 10, active: []ringout.Record{ringOutAt(1), byHand}}
		c.live = ringout.Presence{Telephony: "CallConnected", Calls: []ringout.ActiveCall{
			live("s1", alice.Number, "+14155550001", noon),                 // in the records too
			live("s2", alice.Number, "+14155550002", noon),                 // not yet
			live("s3", alice.Number, "+14155550003", noon),                 // the records know that it is no RingOut
			live("s4", alice.Number, "+14155550004", noon.Add(-time.Hour)), // from before
		}}
		s, err := survey(r, c)
		if err != nil {
			r.t.Fatal(err)
		}
		var got []string
		for _, f := range s.Calls {
			got = append(got, f.Session)
		}
		if want := []string{"s1", "s2"}; !slices.Equal(got, want) {
			r.t.Errorf("calls %v, want %v", got, want)
		}
	})
}

func TestSurveyWithoutPermission(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  map[string]error
		gaps int
		fail bool
	}{
		{map[string]error{"presence": ringout.ErrForbidden}, 1, false},
		{map[string]error{"active": ringout.ErrForbidden, "log": ringout.ErrForbidden}, 2, false},
		{map[string]error{"active": ringout.ErrForbidden}, 1, false},
		{map[string]error{"presence": ringout.ErrCredentials}, 0, true}, // other credentials may come
		{map[string]error{"presence": errors.New("503")}, 0, true},
		{map[string]error{"active": errors.New("503")}, 0, true},
		{map[string]error{"log": errors.New("503")}, 0, true},
	} {
		inBubble(t, func(r *room) {
			s, err := survey(r, &records{page: 10, live: ringout.Presence{Telephony: "NoCall"}, err: tt.err})
			if (err != nil) != tt.fail || (!tt.fail && len(s.Gaps) != tt.gaps) {
				r.t.Errorf("%v: got %v, gaps %v, want %d", tt.err, err, s.Gaps, tt.gaps)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	t.Parallel()
	call := func(from, to string) []ringout.ActiveCall {
		return []ringout.ActiveCall{{From: from, To: to, TelephonyStatus: "Ringing"}}
	}
	for _, tt := range []struct {
		name string
		p    ringout.Presence
		want bool
	}{
		{"nothing is known", ringout.Presence{}, false},
		{"no call", ringout.Presence{Telephony: "NoCall"}, false},
		{"its call", ringout.Presence{Telephony: "Ringing", Calls: call(alice.Number, toA)}, true},
		{"another phone's call", ringout.Presence{Telephony: "Ringing", Calls: call("+16505550009", toA)}, false},
		{"a call without numbers", ringout.Presence{Telephony: "Ringing", Calls: call("", "")}, true},
		{"a call without details", ringout.Presence{Telephony: "OnHold"}, true},
	} {
		if got := (Survey{presence: tt.p}).Busy(alice); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
