package ledger

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

func TestAnAttemptFromClaimToOutcome(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	a := b.claim(ref, 1)
	want := campaign.Attempt{
		N: 1, Round: 1, Token: "t1", Line: "alice", LineNumber: "+16505550001", Extension: "ext1", Number: "+14155550101",
		ClaimedAt: a.ClaimedAt, SendBy: a.ClaimedAt.Add(5 * time.Second),
	}
	if !reflect.DeepEqual(a, want) || a.ClaimedAt.IsZero() {
		t.Fatalf("claimed %+v, want %+v", a, want)
	}
	b.wantState("a", campaign.Placing, "", 1)

	a = b.place(ref, "s-1")
	if a.RingOutID != "s-1" || a.PlacedAt.Before(a.ClaimedAt) {
		t.Fatalf("placed %+v, want id s-1 and a time", a)
	}
	b.wantState("a", campaign.Live, "", 1)

	for _, seen := range []campaign.Seen{{CallerAnswered: true, Caller: "Success"}, {CallerAnswered: true, CalleeAnswered: true}} {
		for range 2 {
			if err := b.Seen(b.ctx(), ref, seen); err != nil {
				t.Fatal(err)
			}
			a, _ = b.contact("a").Attempt("t1")
			if a.Seen != seen || a.AnsweredAt.IsZero() == seen.CalleeAnswered {
				t.Fatalf("seen %+v: got %+v", seen, a)
			}
		}
		b.check()
	}
	answered := a.AnsweredAt

	s := b.settle(ref, talked)
	if s.State != campaign.Done || s.Outcome != campaign.Answered || s.Round != 1 {
		t.Fatalf("settled %+v, want done, answered", s)
	}
	if a = s.Attempt; a.Outcome != campaign.Answered || !a.Charged || a.LineFault || a.Detail != "talked" ||
		a.EndedAt.IsZero() || a.Seen != talked.Seen || !a.AnsweredAt.Equal(answered) {
		t.Fatalf("settled attempt %+v", a)
	}
	r := b.wantState("a", campaign.Done, campaign.Answered, 1)
	if r.Charged != 1 || r.Uncharged != 0 || len(r.Attempts) != 1 || !reflect.DeepEqual(r.Attempts[0], a) {
		t.Fatalf("record %+v", r)
	}
	// What comes late changes nothing.
	if err := b.Seen(b.ctx(), ref, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Release(b.ctx(), ref, "late"); got != IsPlaced || err != nil {
		t.Fatalf("release after the end: %q, %v; want placed", got, err)
	}
	if got, err := b.Settle(b.ctx(), ref, unknown); err != nil || !reflect.DeepEqual(got, s) {
		t.Fatalf("another settlement: got %+v, %v; want the first one %+v", got, err, s)
	}
	if got := b.contact("a"); !reflect.DeepEqual(got, r) {
		t.Fatalf("the record changed from %+v to %+v", r, got)
	}
	b.check()
}

func TestAnAnswerThatOnlyTheSettlementSawHasATime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.claim(ref, 1)
	b.place(ref, "s-1")
	if a := b.settle(ref, talked).Attempt; a.AnsweredAt.IsZero() || a.Duration() != 0 {
		t.Fatalf("answered %v for %s, want the instant of the settlement", a.AnsweredAt, a.Duration())
	}
}

func TestRoundsFollowOneAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.one()
	b.claim(first, 1)
	b.place(first, "s-1")
	s := b.settle(first, busyAgain)
	if s.State != campaign.Waiting || s.Round != 2 || s.Outcome != "" || s.Due.Before(s.Attempt.EndedAt) {
		t.Fatalf("settled %+v, want waiting in round 2", s)
	}
	if r := b.contact("a"); r.Charged != 1 || r.Reason != campaign.NotDue {
		t.Fatalf("record %+v, want one charged attempt and the reason not_due", r)
	}

	second := campaign.Ref{Campaign: camp, Contact: "a", Token: "t2"}
	b.wantRefused(claimOf(second, 1), RefusedRound)
	b.wantRefused(claimOf(second, 3), RefusedRound)
	if a := b.claim(second, 2); a.N != 2 || a.Round != 2 {
		t.Fatalf("claimed %+v, want attempt 2 of round 2", a)
	}
	if r := b.contact("a"); r.Reason != "" {
		t.Fatalf("a contact that is being called is held because of %s", r.Reason)
	}
	// The old attempt's token gets the old attempt and claims nothing.
	if a, err := b.Claim(b.ctx(), claimOf(first, 2)); err != nil || a.N != 1 || a.EndedAt.IsZero() {
		t.Fatalf("claim with a settled token: %+v, %v; want the settled attempt", a, err)
	}
	s = b.settle(second, lineFailed)
	if s.State != campaign.Waiting || s.Round != 3 || s.Attempt.Charged || !s.Attempt.LineFault || s.Attempt.Outcome != "" {
		t.Fatalf("settled %+v, want uncharged with the line's fault", s)
	}
	if r := b.contact("a"); r.Charged != 1 || r.Uncharged != 1 || r.Reason != "" {
		t.Fatalf("record %+v, want one charged, one uncharged", r)
	}
	// A late settlement of the first attempt says where the contact stands and changes nothing.
	if s, err := b.Settle(b.ctx(), first, talked); err != nil || s.Round != 3 || s.Attempt.Outcome != campaign.Busy {
		t.Fatalf("late settlement: %+v, %v", s, err)
	}
	b.check()
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	hour := time.Now().Add(time.Hour)
	tests := []struct {
		name string
		do   func(b *bench, ref campaign.Ref)
		want Refusal
	}{
		{"void", func(b *bench, ref campaign.Ref) {
			for range 2 {
				if got, err := b.Void(b.ctx(), ref); got != NotClaimed || err != nil {
					b.t.Fatalf("void: %q, %v", got, err)
				}
			}
		}, RefusedVoid},
		{"settled", func(b *bench, ref campaign.Ref) {
			ref.Token = "other"
			b.claim(ref, 1)
			b.settle(ref, talked)
		}, RefusedSettled},
		{"unconfirmed", func(b *bench, ref campaign.Ref) {
			ref.Token = "other"
			b.claim(ref, 1)
			b.settle(ref, unknown)
		}, RefusedSettled},
		{"placing", func(b *bench, ref campaign.Ref) {
			ref.Token = "other"
			b.claim(ref, 1)
		}, RefusedLive},
		{"live", func(b *bench, ref campaign.Ref) {
			ref.Token = "other"
			b.claim(ref, 1)
			b.place(ref, "s-1")
		}, RefusedLive},
		{"not due", func(b *bench, ref campaign.Ref) {
			ref.Token = "other"
			b.claim(ref, 1)
			later := lineFailed
			later.After = time.Hour
			s := b.settle(ref, later)
			if d := s.Due.Sub(s.Attempt.EndedAt); d != time.Hour {
				b.t.Fatalf("due after %s, want 1h", d)
			}
		}, RefusedNotDue},
		{"cancelled", func(b *bench, _ campaign.Ref) {
			for range 2 {
				if err := b.Cancel(b.ctx(), camp); err != nil {
					b.t.Fatal(err)
				}
			}
		}, RefusedCancelled},
		{"ended", func(b *bench, _ campaign.Ref) {
			r := campaign.Default(camp)
			r.Ends = time.Now().Add(-time.Second)
			b.create(r, true)
		}, RefusedEnded},
		{"suppressed", func(b *bench, _ campaign.Ref) {
			if n, err := b.DNCAdd(b.ctx(), "+14155550101"); n != 1 || err != nil {
				b.t.Fatalf("dnc: %d, %v", n, err)
			}
		}, RefusedSuppressed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ref := b.one()
			tt.do(b, ref)
			round := 1
			if tt.want == RefusedNotDue {
				round = 2
			}
			b.wantRefused(claimOf(ref, round), tt.want)
		})
	}
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.wantRefused(claimOf(campaign.Ref{Campaign: camp, Contact: "nobody", Token: "t1"}, 1), RefusedGone)
		if n := b.rdb.Exists(b.ctx(), keyContact(camp, "nobody")).Val(); n != 0 {
			t.Fatal("a claim made a contact")
		}
	})
	t.Run("not refused before the end", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		ref := b.one()
		r := campaign.Default(camp)
		r.Ends = hour
		b.create(r, true)
		b.claim(ref, 1)
	})
}

func TestReleaseUndoesAClaim(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.claim(ref, 1)
	if got, err := b.Void(b.ctx(), ref); got != StillClaimed || err != nil {
		t.Fatalf("void of a claimed token: %q, %v; want claimed", got, err)
	}
	b.wantState("a", campaign.Placing, "", 1)
	for range 2 {
		if got, err := b.Release(b.ctx(), ref, "limited"); got != NotClaimed || err != nil {
			t.Fatalf("release: %q, %v; want void", got, err)
		}
		b.check()
	}
	if r := b.wantState("a", campaign.Waiting, "", 1); len(r.Attempts) != 0 || r.Charged+r.Uncharged != 0 {
		t.Fatalf("record %+v, want no attempt", r)
	}
	b.wantRefused(claimOf(ref, 1), RefusedVoid)
	if _, err := b.Placed(b.ctx(), ref, "s-1"); err == nil {
		t.Fatal("an id was stored for a released claim")
	}
	if _, err := b.Settle(b.ctx(), ref, talked); err == nil {
		t.Fatal("a released claim was settled")
	}
	ref.Token = "t2"
	if a := b.claim(ref, 1); a.N != 1 {
		t.Fatalf("attempt %d after a release, want 1", a.N)
	}
	b.place(ref, "s-2")
	for _, f := range []func() (Claimed, error){
		func() (Claimed, error) { return b.Void(b.ctx(), ref) },
		func() (Claimed, error) { return b.Release(b.ctx(), ref, "late") },
	} {
		if got, err := f(); got != IsPlaced || err != nil {
			t.Fatalf("void or release of a placed call: %q, %v; want placed", got, err)
		}
	}
	b.wantState("a", campaign.Live, "", 1)
	b.check()
}

func TestReleaseBeforeTheClaimKeepsItFromComing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	if got, err := b.Release(b.ctx(), ref, "never sent"); got != NotClaimed || err != nil {
		t.Fatalf("release: %q, %v; want void", got, err)
	}
	b.wantRefused(claimOf(ref, 1), RefusedVoid)
	nobody := campaign.Ref{Campaign: camp, Contact: "nobody", Token: "t1"}
	if got, err := b.Release(b.ctx(), nobody, ""); got != NotClaimed || err != nil {
		t.Fatalf("release for nobody: %q, %v", got, err)
	}
	if n := b.rdb.Exists(b.ctx(), keyContact(camp, "nobody")).Val(); n != 0 {
		t.Fatal("a release made a contact")
	}
}

func TestReleaseOfASettlementWithoutAnID(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.claim(ref, 1)
	refusedNumber := Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.InvalidNumber, Detail: "no such number"},
		Next:    campaign.Next{Final: true, Outcome: campaign.InvalidNumber},
	}
	b.settle(ref, refusedNumber)
	if got, err := b.Release(b.ctx(), ref, "late"); got != IsPlaced || err != nil {
		t.Fatalf("release: %q, %v; want placed: it has ended", got, err)
	}
	if r := b.wantState("a", campaign.Done, campaign.InvalidNumber, 1); r.Charged != 0 || r.Uncharged != 1 {
		t.Fatalf("record %+v, want one uncharged", r)
	}
}

func TestUnconfirmedThenPlacedIsLive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.claim(ref, 1)
	s := b.settle(ref, unknown)
	if s.State != campaign.UnconfirmedHeld || s.Outcome != campaign.Unconfirmed || s.Attempt.Charged {
		t.Fatalf("settled %+v, want unconfirmed", s)
	}
	if r := b.contact("a"); r.Charged+r.Uncharged != 0 {
		t.Fatalf("record %+v: nothing is charged before it is decided", r)
	}
	a := b.place(ref, "s-1")
	if !a.EndedAt.IsZero() || a.Outcome != "" || a.RingOutID != "s-1" {
		t.Fatalf("placed %+v, want a live attempt", a)
	}
	b.wantState("a", campaign.Live, "", 1)
	s = b.settle(ref, busyAgain)
	if s.State != campaign.Waiting || s.Outcome != "" || s.Attempt.Outcome != campaign.Busy {
		t.Fatalf("settled %+v, want busy and waiting", s)
	}
	if r := b.contact("a"); r.Charged != 1 || r.Uncharged != 0 {
		t.Fatalf("record %+v, want one charged", r)
	}
}

func TestUnconfirmedThenReleasedWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.claim(ref, 1)
	b.settle(ref, unknown)
	if got, err := b.Void(b.ctx(), ref); got != StillClaimed || err != nil {
		t.Fatalf("void: %q, %v; want claimed", got, err)
	}
	// RingCentral's refusal came after the attempt was given up.
	for range 2 {
		if got, err := b.Release(b.ctx(), ref, "refused"); got != NotClaimed || err != nil {
			t.Fatalf("release: %q, %v; want void", got, err)
		}
		b.check()
	}
	if r := b.wantState("a", campaign.Waiting, "", 1); len(r.Attempts) != 0 {
		t.Fatalf("record %+v, want no attempt", r)
	}
}

func TestALatePlacedOfAnOlderAttemptTouchesNoOther(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"placing", "unconfirmed"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			first := b.one()
			b.claim(first, 1)
			b.settle(first, lineFailed)
			second := first
			second.Token = "t2"
			b.claim(second, 2)
			state, outcome := campaign.Placing, campaign.Outcome("")
			if after == "unconfirmed" {
				b.settle(second, unknown)
				state, outcome = campaign.UnconfirmedHeld, campaign.Unconfirmed
			}
			if a := b.place(first, "s-1"); a.EndedAt.IsZero() || a.Detail != lineFailed.Verdict.Detail {
				t.Fatalf("the settled attempt became %+v", a)
			}
			b.wantState("a", state, outcome, 2)
		})
	}
}

func TestUnknownTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	if _, err := b.Placed(b.ctx(), ref, "s-1"); err == nil {
		t.Error("placed without a claim: no error")
	}
	if _, err := b.Settle(b.ctx(), ref, talked); err == nil {
		t.Error("settled without a claim: no error")
	}
	if err := b.Seen(b.ctx(), ref, talked.Seen); err != nil {
		t.Errorf("seen without a claim: %v, want nil", err)
	}
	b.wantState("a", campaign.Waiting, "", 1)
	b.check()
}

func TestResolve(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name              string
		r                 Resolution
		state             campaign.ContactState
		outcome           campaign.Outcome
		attempt           campaign.Outcome
		round, charged    int
		cancelled, andIDs bool
	}{
		{
			name:  "answered",
			r:     Resolution{Outcome: campaign.Answered, Charged: true, Next: campaign.Next{Final: true, Outcome: campaign.Answered}, Detail: "log"},
			state: campaign.Done, outcome: campaign.Answered, attempt: campaign.Answered, round: 1, charged: 1,
		},
		{
			name:  "busy, and called again",
			r:     Resolution{Outcome: campaign.Busy, Charged: true, After: time.Hour, Detail: "log"},
			state: campaign.Waiting, attempt: campaign.Busy, round: 2, charged: 1,
		},
		{
			name:  "busy, and the campaign ends before the next round",
			r:     Resolution{Outcome: campaign.Busy, Charged: true, Next: campaign.Next{Final: true, Outcome: campaign.Expired}, Detail: "log"},
			state: campaign.Done, outcome: campaign.Expired, attempt: campaign.Busy, round: 1, charged: 1,
		},
		{
			name: "not called", r: Resolution{Detail: "a person"},
			state: campaign.Waiting, round: 2,
		},
		{
			name: "not called in a cancelled campaign", r: Resolution{Detail: "a person"}, cancelled: true,
			state: campaign.Done, outcome: campaign.Cancelled, round: 1,
		},
		{
			name: "busy in a cancelled campaign", r: Resolution{Outcome: campaign.Busy, Charged: true, Detail: "log"}, cancelled: true,
			state: campaign.Done, outcome: campaign.Cancelled, attempt: campaign.Busy, round: 1, charged: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ref := b.one()
			if err := b.Resolve(b.ctx(), camp, "a", tt.r); !errors.Is(err, ErrNotUnconfirmed) {
				t.Fatalf("resolve of a waiting contact: %v, want ErrNotUnconfirmed", err)
			}
			b.claim(ref, 1)
			b.settle(ref, unknown)
			if tt.cancelled {
				if err := b.Cancel(b.ctx(), camp); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := b.Resolve(b.ctx(), camp, "a", tt.r); err != nil {
					t.Fatal(err)
				}
				r := b.wantState("a", tt.state, tt.outcome, tt.round)
				if a := r.Attempts[0]; r.Charged != tt.charged || r.Uncharged != 0 || a.Outcome != tt.attempt ||
					a.Detail != tt.r.Detail || a.Charged != (tt.charged == 1) || a.EndedAt.IsZero() {
					t.Fatalf("record %+v", r)
				}
				b.check()
			}
			if err := b.Resolve(b.ctx(), camp, "a", Resolution{Outcome: campaign.NoAnswer, Detail: "otherwise"}); !errors.Is(err, ErrNotUnconfirmed) {
				t.Fatalf("another decision: %v, want ErrNotUnconfirmed", err)
			}
			// The attempt is closed: nothing that comes late opens it again.
			if got, err := b.Release(b.ctx(), ref, "late"); got != IsPlaced || err != nil {
				t.Fatalf("release: %q, %v; want placed", got, err)
			}
			before := b.contact("a")
			b.place(ref, "s-1")
			if s, err := b.Settle(b.ctx(), ref, talked); err != nil || s.State != tt.state || s.Attempt.Outcome != tt.attempt {
				t.Fatalf("late settlement: %+v, %v", s, err)
			}
			after := b.contact("a")
			after.Attempts[0].RingOutID, after.Attempts[0].PlacedAt = "", time.Time{}
			if !reflect.DeepEqual(after, before) {
				t.Fatalf("late news changed %+v to %+v", before, after)
			}
			b.check()
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		if err := b.Resolve(b.ctx(), camp, "nobody", Resolution{}); !errors.Is(err, ErrNoContact) {
			t.Fatalf("resolve: %v, want ErrNoContact", err)
		}
	})
}

func TestHoldAndEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	hold := func(reason campaign.Reason) {
		t.Helper()
		for range 2 {
			if err := b.Hold(b.ctx(), camp, "a", reason); err != nil {
				t.Fatal(err)
			}
			b.check()
		}
	}
	for _, reason := range []campaign.Reason{campaign.OutsideHours, campaign.Paused, "", campaign.ZoneUnknown} {
		hold(reason)
		if r := b.contact("a"); r.Reason != reason {
			t.Fatalf("held because of %q, want %q", r.Reason, reason)
		}
	}
	if ended, err := b.End(b.ctx(), camp, "a", 2, campaign.Expired); ended || err != nil {
		t.Fatalf("end of another round: %v, %v; want false", ended, err)
	}
	b.claim(ref, 1)
	hold(campaign.Paused)
	if ended, err := b.End(b.ctx(), camp, "a", 1, campaign.Expired); ended || err != nil {
		t.Fatalf("end of a contact being called: %v, %v; want false", ended, err)
	}
	b.settle(ref, lineFailed)
	hold(campaign.Paused)
	for range 2 {
		if ended, err := b.End(b.ctx(), camp, "a", 2, campaign.Expired); !ended || err != nil {
			t.Fatalf("end: %v, %v; want true", ended, err)
		}
		b.check()
	}
	b.wantState("a", campaign.Done, campaign.Expired, 2)
	if ended, err := b.End(b.ctx(), camp, "a", 2, campaign.Suppressed); ended || err != nil {
		t.Fatalf("end with another outcome: %v, %v; want false", ended, err)
	}
	hold(campaign.Paused)
	if ended, err := b.End(b.ctx(), camp, "nobody", 1, campaign.Expired); ended || err != nil {
		t.Fatalf("end of nobody: %v, %v; want false", ended, err)
	}
	if err := b.Hold(b.ctx(), camp, "nobody", campaign.Paused); err != nil {
		t.Fatal(err)
	}
	b.check()
}

func TestASettlementInACancelledCampaignEndsTheContact(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.claim(ref, 1)
	b.place(ref, "s-1")
	if err := b.Cancel(b.ctx(), camp); err != nil {
		t.Fatal(err)
	}
	if s := b.settle(ref, busyAgain); s.State != campaign.Done || s.Outcome != campaign.Cancelled || s.Attempt.Outcome != campaign.Busy {
		t.Fatalf("settled %+v, want the attempt busy and the contact cancelled", s)
	}
}

// TestALineHasOneCall: a claim takes its line, and is refused on one that something else has, or that rests.
func TestALineHasOneCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		line []any
		want Refusal // "" for claimed
	}{
		{"never seen", nil, ""},
		{"free", []any{"state", ""}, ""},
		{"rest over", []any{"state", "wrap_up", "until", "1000"}, ""},
		{"occupied for it", []any{"state", "occupied", "token", "t1"}, ""},
		{"occupied", []any{"state", "occupied", "token", "other"}, RefusedLine},
		{"blocked", []any{"state", "blocked", "token", "t1"}, RefusedLine},
		{"wrap-up", []any{"state", "wrap_up", "until", "99999999999999"}, RefusedLine},
		{"cooling", []any{"state", "cooling", "until", "99999999999999"}, RefusedLine},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ref := b.one()
			key := LineKey("+16505550001")
			if test.line != nil {
				if err := b.rdb.HSet(b.ctx(), key, test.line...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			_, err := b.Claim(b.ctx(), claimOf(ref, 1))
			var refused *RefusedError
			if errors.As(err, &refused) != (test.want != "") || refused != nil && refused.Refusal != test.want {
				t.Fatalf("claim: %v, want %q", err, test.want)
			}
			if test.want != "" {
				b.wantState("a", campaign.Waiting, "", 1)
				return
			}
			h, err := b.rdb.HGetAll(b.ctx(), key).Result()
			if err != nil || h["state"] != "occupied" || h["token"] != "t1" {
				t.Errorf("line is %v, %v; want it occupied by t1", h, err)
			}
		})
	}
}

// TestClaimGoesByTheRulesThatTheGateSaw: rules that changed in between are looked at again.
func TestClaimGoesByTheRulesThatTheGateSaw(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	_, c, err := b.Look(b.ctx(), camp, "a")
	if err != nil {
		t.Fatal(err)
	}
	changed := campaign.Default(camp)
	changed.CallerID = "+16505550199"
	b.create(changed, true)
	claim := claimOf(ref, 1)
	claim.Rules = c.Revision
	var refused *RefusedError
	if _, err := b.Claim(b.ctx(), claim); !errors.As(err, &refused) || refused.Refusal != RefusedRules {
		t.Fatalf("claim by old rules: %v, want it refused", err)
	}
	if _, c, err = b.Look(b.ctx(), camp, "a"); err != nil {
		t.Fatal(err)
	}
	claim.Rules = c.Revision
	if _, err := b.Claim(b.ctx(), claim); err != nil {
		t.Fatalf("claim by new rules: %v", err)
	}
}
