package dial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// stage is everything around a dialer: a contact, a line, RingCentral. What happens is written down in order.
type stage struct {
	now  time.Time
	done []string

	rec        ledger.Record
	campaign   ledger.Campaign
	lookErr    error
	suppressed bool
	paused     []bool // one answer after the other; the last one stays
	held       bool

	claimErr   error
	claimTakes time.Duration
	acquireErr error
	readyErr   error
	slotFor    time.Duration // for which the slot is good when it comes
	slotWait   time.Duration
	placeErr   []error // one answer after the other; nil: placed
	settleErr  error
	placeHook  func(ringout.Call)
}

func (s *stage) note(format string, args ...any) {
	s.done = append(s.done, fmt.Sprintf(format, args...))
}

func (s *stage) Look(context.Context, string, string) (ledger.Record, ledger.Campaign, error) {
	return s.rec, s.campaign, s.lookErr
}
func (s *stage) DNCHas(context.Context, string) (bool, error) { return s.suppressed, nil }
func (s *stage) Held(string, time.Time) (time.Time, bool)     { return time.Time{}, s.held }
func (s *stage) Hold(_ context.Context, _, _ string, r campaign.Reason) error {
	s.note("hold %s", r)
	return nil
}

func (s *stage) End(_ context.Context, _, _ string, _ int, o campaign.Outcome) (bool, error) {
	s.note("end %s", o)
	s.rec.State, s.rec.Outcome = campaign.Done, o
	return true, nil
}

func (s *stage) Claim(_ context.Context, c ledger.Claim) (campaign.Attempt, error) {
	time.Sleep(s.claimTakes)
	if s.claimErr != nil {
		err := s.claimErr
		if errors.As(err, new(*ledger.RefusedError)) {
			s.rec.State = campaign.Done // what refused it is seen at the next look
		}
		s.note("claim refused")
		return campaign.Attempt{}, err
	}
	s.note("claim")
	a := campaign.Attempt{N: len(s.rec.Attempts) + 1, Token: c.Ref.Token, Number: c.Number, Line: c.Line}
	s.rec.State, s.rec.Attempts = campaign.Placing, append(s.rec.Attempts, a)
	return a, nil
}

func (s *stage) Release(context.Context, campaign.Ref, string) (ledger.Claimed, error) {
	s.note("release")
	if s.rec.State == campaign.Placing {
		s.rec.State, s.rec.Attempts = campaign.Waiting, s.rec.Attempts[:len(s.rec.Attempts)-1]
	}
	return ledger.NotClaimed, nil
}

func (s *stage) Placed(_ context.Context, _ campaign.Ref, id string) (campaign.Attempt, error) {
	s.note("placed %s", id)
	s.rec.State = campaign.Live
	return campaign.Attempt{N: 1, RingOutID: id}, nil
}

func (s *stage) Follow(context.Context, string, string) error { s.note("follow"); return nil }

func (s *stage) Settle(_ context.Context, _ campaign.Ref, v campaign.Verdict, _ campaign.Seen) (campaign.Attempt, error) {
	if s.settleErr != nil {
		return campaign.Attempt{}, s.settleErr
	}
	s.note("settle %s%s", v.Outcome, map[bool]string{true: " refused"}[v.Refused != ""])
	s.rec.State, s.rec.Round = campaign.Waiting, s.rec.Round+1
	if v.Outcome != "" {
		s.rec.State, s.rec.Outcome = campaign.Done, v.Outcome
	}
	return campaign.Attempt{Outcome: v.Outcome, Detail: v.Detail}, nil
}

func (s *stage) Paused(context.Context, string) (bool, error) {
	p := s.paused[0]
	if len(s.paused) > 1 {
		s.paused = s.paused[1:]
	}
	return p, nil
}

func (s *stage) Acquire(context.Context, line.Request) (Seat, error) {
	if s.acquireErr != nil {
		return nil, s.acquireErr
	}
	s.note("occupy")
	return &chair{s}, nil
}

// chair is a line that is occupied.
type chair struct{ *stage }

func (c *chair) Ref() campaign.Ref { return campaign.Ref{Campaign: "c", Contact: "a", Token: "t"} }
func (c *chair) Line() line.Line {
	return line.Line{Name: "alice", Number: "+16505550001", Team: "sales", Extension: &line.Extension{Key: "x"}}
}

func (c *chair) Ready(context.Context) error {
	err := c.readyErr
	c.readyErr = nil
	if err != nil {
		c.note("not ready")
	}
	return err
}

func (c *chair) Reserve(context.Context) (ratelimit.Slot, error) {
	time.Sleep(c.slotWait)
	c.note("slot")
	now := time.Now()
	slot := ratelimit.Slot{At: now, Until: now.Add(c.slotFor)}
	c.slotFor = time.Second // the next one is good
	return slot, nil
}

func (c *chair) GiveBack(context.Context, ratelimit.Slot) error { c.note("give back"); return nil }

func (c *chair) Place(_ context.Context, call ringout.Call) (ringout.RingOut, error) {
	if c.placeHook != nil {
		c.placeHook(call)
	}
	var err error
	if len(c.placeErr) > 0 {
		err, c.placeErr = c.placeErr[0], c.placeErr[1:]
	}
	if err != nil {
		c.note("POST fails")
		return ringout.RingOut{}, err
	}
	c.note("POST")
	return ringout.RingOut{ID: "s-1"}, nil
}

func (c *chair) Suspend(time.Duration, string) { c.note("suspend") }
func (c *chair) Failed(string)                 { c.note("failed") }
func (c *chair) Worked()                       {}
func (c *chair) Vacate()                       { c.note("vacate") }
func (c *chair) Rest(time.Duration)            { c.note("rest") }
func (c *chair) Settled(campaign.Attempt)      {}

func (c *chair) Track(campaign.Rules, campaign.Attempt) <-chan struct{} {
	c.note("track")
	c.rec.State, c.rec.Outcome = campaign.Done, campaign.Answered
	return closed()
}

func (c *chair) Confirm(campaign.Attempt, string) <-chan struct{} {
	c.note("confirm")
	c.rec.State, c.rec.Outcome = campaign.Done, campaign.Unconfirmed
	return closed()
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func newStage() *stage {
	rules := campaign.Default("c")
	rules.CallingHours = campaign.Hours{Always: true}
	return &stage{
		now: time.Date(2026, 11, 25, 15, 0, 0, 0, time.UTC), paused: []bool{false}, slotFor: time.Second,
		campaign: ledger.Campaign{Rules: rules},
		rec: ledger.Record{
			Contact: campaign.Contact{ID: "a", Numbers: []string{"+14155550101"}}, State: campaign.Waiting, Round: 1,
		},
	}
}

func (s *stage) dialer() *Dialer {
	began := time.Now()
	return New(Config{
		Ledger: s, Follower: s, Settler: s, Pauses: s, Lines: s, Now: func() time.Time { return s.now.Add(time.Since(began)) },
	})
}

// TestRound has a row for each line of the tables of docs/never-twice.md.
func TestRound(t *testing.T) {
	t.Parallel()
	unknown := &ringout.Error{Kind: ringout.Unknown}
	for _, test := range []struct {
		name string
		with func(*stage)
		want string // what happens, in order
		end  Result
	}{
		{"a call", func(*stage) {}, "occupy, slot, claim, POST, placed s-1, track", Over{Text: "answered", Attempt: 1, Line: "alice"}},

		// The gate.
		{"done before", func(s *stage) { s.rec.State, s.rec.Outcome = campaign.Done, campaign.Busy }, "", Over{Text: "busy"}},
		{"deleted", func(s *stage) { s.lookErr = ledger.ErrNoCampaign }, "", Over{Text: "the campaign was deleted"}},
		{"unconfirmed", func(s *stage) { s.rec.State = campaign.UnconfirmedHeld }, "", NeedsPerson{Reason: "unconfirmed: a phone may have rung; decide with `campaign unconfirmed`"}},
		{"another attempt is placing", func(s *stage) { s.rec.State = campaign.Placing }, "", PutOff{After: 30 * time.Second, Reason: "the call is under way on line "}},
		{"another attempt is live", func(s *stage) { s.rec.State = campaign.Live }, "", PutOff{After: 30 * time.Second, Reason: "the call is under way on line "}},
		{"another round", func(s *stage) { s.rec.Round = 2 }, "follow", Over{Text: ", again 0001-01-01 00:00 UTC"}},
		{"paused", func(s *stage) { s.paused = []bool{true} }, "hold paused", PutOff{After: 10 * time.Second, Reason: "campaign paused"}},
		{"suppressed", func(s *stage) { s.suppressed = true }, "end suppressed", Over{Text: "suppressed"}},
		{"cancelled", func(s *stage) { s.campaign.Cancelled = true }, "end cancelled", Over{Text: "cancelled"}},
		{"not due", func(s *stage) { s.rec.Due = s.now.Add(time.Hour) }, "hold not_due", PutOff{After: time.Hour, Reason: "not due until Wed 25 Nov 08:00 PST"}},
		{"held by a changed Redis", func(s *stage) { s.held = true }, "", PutOff{After: 5 * time.Second, Reason: ledger.RedisHolds, Campaign: 2 * time.Second}},
		{"no line", func(s *stage) { s.acquireErr = line.ErrNoLine }, "", PutOff{After: time.Second, Reason: "no line is free"}},
		{"Redis away", func(s *stage) { s.lookErr = errors.New("away") }, "", PutOff{After: 5 * time.Second, Reason: "put off: away"}},

		// Before the claim.
		{"the slot passes", func(s *stage) { s.slotFor = 0 }, "occupy, slot, vacate, give back, occupy, slot, claim, POST, placed s-1, track", Over{Text: "answered", Attempt: 1, Line: "alice"}},
		{"the hours close while the slot is awaited", func(s *stage) {
			s.slotWait = time.Minute
			s.campaign.Rules.Ends = s.now.Add(30 * time.Second)
		}, "occupy, slot, vacate, give back, end expired", Over{Text: "expired"}},

		// The claim.
		{"claim refused", func(s *stage) { s.claimErr = &ledger.RefusedError{Refusal: ledger.RefusedSuppressed} }, "occupy, slot, claim refused, release, vacate, give back", Over{}},
		{"claim refused for Redis", func(s *stage) { s.claimErr = &ledger.RefusedError{Refusal: ledger.RefusedRedis} }, "occupy, slot, claim refused, release, vacate, give back", PutOff{After: 5 * time.Second, Reason: ledger.RedisChanged}},
		{"claim not due", func(s *stage) { s.claimErr = &ledger.RefusedError{Refusal: ledger.RefusedNotDue} }, "occupy, slot, claim refused, release, vacate, give back", PutOff{After: time.Second, Reason: "not due yet"}},
		{"claim's answer lost", func(s *stage) { s.claimErr = errors.New("lost") }, "occupy, slot, claim refused, release, vacate, give back", PutOff{After: 5 * time.Second, Reason: "put off: lost"}},
		{"paused meanwhile", func(s *stage) { s.paused = []bool{false, true} }, "occupy, slot, claim, release, vacate, give back, hold paused", PutOff{After: 10 * time.Second, Reason: "campaign paused"}},
		{"the claim takes longer than the slot is good", func(s *stage) {
			s.claimTakes = 900 * time.Millisecond
			s.slotFor = 800 * time.Millisecond
		}, "occupy, slot, claim, release, vacate, give back, occupy, slot, claim, POST, placed s-1, track", Over{Text: "answered", Attempt: 1, Line: "alice"}},

		// The answer to the POST.
		{"unknown", func(s *stage) { s.placeErr = []error{unknown} }, "occupy, slot, claim, POST fails, failed, confirm", Over{Text: "unconfirmed", Attempt: 1, Line: "alice"}},
		{"limited", func(s *stage) { s.placeErr = []error{&ringout.Error{Kind: ringout.Limited, Status: 429}} }, "occupy, slot, claim, POST fails, release, vacate, occupy, slot, claim, POST, placed s-1, track", Over{Text: "answered", Attempt: 1, Line: "alice"}},
		{"not sent", func(s *stage) { s.placeErr = []error{&ringout.Error{Kind: ringout.NotSent}} }, "occupy, slot, claim, POST fails, give back, suspend, release, vacate, occupy, slot, claim, POST, placed s-1, track", Over{Text: "answered", Attempt: 1, Line: "alice"}},
		{"refused: the contact's number", func(s *stage) { s.placeErr = []error{refusedWith("", "TEL-109")} }, "occupy, slot, claim, POST fails, settle invalid_number refused, vacate", Over{Text: "invalid_number", Attempt: 1, Line: "alice"}},
		{"refused: anything", func(s *stage) { s.placeErr = []error{refusedWith("", "BIL-103")} }, "occupy, slot, claim, POST fails, settle  refused, vacate, follow", Over{}},
		{"refused: the line's number", func(s *stage) { s.placeErr = []error{refusedWith("from", "CMN-101")} }, "occupy, slot, claim, POST fails, release, rest", PutOff{After: time.Minute}},
		{"refused: the caller ID", func(s *stage) { s.placeErr = []error{refusedWith("callerId", "CMN-101")} }, "occupy, slot, claim, POST fails, release, vacate", PutOff{After: time.Minute, Campaign: time.Minute}},
		{"refused, and Redis is away", func(s *stage) {
			s.placeErr, s.settleErr = []error{refusedWith("", "TEL-109")}, errors.New("away")
		}, "occupy, slot, claim, POST fails, confirm", PutOff{After: 5 * time.Second, Reason: "put off: away"}},
		{"the login fails", func(s *stage) { s.readyErr = &ringout.Error{Kind: ringout.NotSent} }, "occupy, not ready, suspend, vacate, occupy, slot, claim, POST, placed s-1, track", Over{Text: "answered", Attempt: 1, Line: "alice"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				test.with(s)
				end := s.dialer().Round(t.Context(), Round{Campaign: "c", Contact: "a", N: 1})
				if got := strings.Join(s.done, ", "); got != test.want {
					t.Errorf("what happened is\n%s, want\n%s", got, test.want)
				}
				switch want := test.end.(type) {
				case PutOff:
					got, ok := end.(PutOff)
					if want.Reason == "" { // RingCentral's words, which the refusals' test looks at
						got.Reason = ""
					}
					if !ok || got != want {
						t.Errorf("it ended with %+v, want %+v", end, want)
					}
				case Over:
					if got, ok := end.(Over); !ok || want != (Over{}) && got != want {
						t.Errorf("it ended with %+v, want %+v", end, want)
					}
				default:
					if end != test.end {
						t.Errorf("it ended with %+v, want %+v", end, test.end)
					}
				}
			})
		})
	}
}

// TestSendByEndsWithTheSlot: a request that the slot does not cover any more must not be sent, however young the claim is.
func TestSendByEndsWithTheSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.slotFor = 400 * time.Millisecond
		var left time.Duration
		s.placeHook = func(c ringout.Call) { left = time.Until(c.SendBy) }
		s.dialer().Round(t.Context(), Round{Campaign: "c", Contact: "a", N: 1})
		if left <= 0 || left > 400*time.Millisecond {
			t.Errorf("the POST may be sent for %s, want no longer than the slot", left)
		}
	})
}

// TestSlotsThatPassSlowDown: where no slot can be used in time, the line is asked for less and less often, and it is said.
func TestSlotsThatPassSlowDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		d := s.dialer()
		for range 6 {
			s.slotFor = 0
			seat, _ := s.Acquire(t.Context(), line.Request{})
			tr := &try{Dialer: d, round: Round{Campaign: "c", Contact: "a", N: 1}, rec: s.rec, campaign: s.campaign, seat: seat}
			if settled, putOff, err := tr.run(t.Context()); settled != nil || putOff != nil || err != nil {
				t.Fatalf("got %v, %v, %v", settled, putOff, err)
			}
		}
		n := 0
		for _, what := range s.done {
			if what == "suspend" {
				n++
			}
		}
		if n != 4 { // from the third on
			t.Errorf("the extension was suspended %d times: %s", n, strings.Join(s.done, ", "))
		}
	})
}

// TestStopsBetween: a worker that stops hands over at once, and sends nothing any more.
func TestStopsBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.claimTakes = 100 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		end := s.dialer().Round(ctx, Round{Campaign: "c", Contact: "a", N: 1})
		if p, ok := end.(PutOff); !ok || p.Reason != stopping {
			t.Errorf("it ended with %+v", end)
		}
		if slices.Contains(s.done, "POST") || !slices.Contains(s.done, "release") {
			t.Errorf("what happened is %s", strings.Join(s.done, ", "))
		}
	})
}
