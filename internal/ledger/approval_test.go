package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// newDurable is a bench whose Redis keeps everything when it is killed.
func newDurable(t *testing.T) (*bench, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	rdb := server.Client(t)
	b := &bench{Ledger: New(rdb), t: t, rdb: rdb}
	key, err := b.IDKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.idKey = key
	b.create(campaign.Default(camp), false)
	return b, server
}

func (b *bench) beatNow() Approval {
	b.t.Helper()
	a, err := b.Beat(b.ctx())
	if err != nil {
		b.t.Fatalf("beat: %v", err)
	}
	return a
}

func (b *bench) approve(runID string, want bool) {
	b.t.Helper()
	got, err := b.Approve(b.ctx(), runID)
	if err != nil || got != want {
		b.t.Fatalf("approve %q: %v, %v, want %v", runID, got, err, want)
	}
}

func TestNoClaimBetweenRestartAndApproval(t *testing.T) {
	t.Parallel()
	b, server := newDurable(t)
	ref := b.one()
	first := b.beatNow()
	if first.RunID == "" || first.Changed() || first.Approved != first.RunID || first.Seen.IsZero() {
		t.Fatalf("the first Redis: %+v, want it approved", first)
	}
	server.Kill()
	server.Restart()
	// At once, and by a process that has never beaten.
	fresh := &bench{Ledger: New(b.rdb), t: t, rdb: b.rdb, idKey: b.idKey}
	fresh.wantRefused(claimOf(ref, 1), RefusedRedis)
	b.wantRefused(claimOf(ref, 1), RefusedRedis)
	for range 2 {
		a := fresh.beatNow()
		if !a.Changed() || a.Approved != first.RunID || !a.Seen.Equal(first.Seen) {
			t.Fatalf("after the restart: %+v, want changed, last seen at %v", a, first.Seen)
		}
	}
	b.wantRefused(claimOf(ref, 1), RefusedRedis)
	b.approve(first.RunID, false)
	b.wantRefused(claimOf(ref, 1), RefusedRedis)
	b.approve(b.beatNow().RunID, true)
	b.claim(ref, 1)
	if a := b.beatNow(); a.Changed() || a.Seen.Before(first.Seen) {
		t.Errorf("after the approval: %+v", a)
	}
}

// TestClaimIsNotRepeatedOnAnotherRedis: a claim whose answer was lost with its Redis must not lead to a call, even if it
// was kept.
func TestClaimIsNotRepeatedOnAnotherRedis(t *testing.T) {
	t.Parallel()
	b, server := newDurable(t)
	ref := b.one()
	b.beatNow()
	b.claim(ref, 1)
	server.Kill()
	server.Restart()
	b.wantRefused(claimOf(ref, 1), RefusedRedis)
	if got, err := b.Release(b.ctx(), ref, "refused"); err != nil || got != NotClaimed {
		t.Fatalf("release: %v, %v", got, err)
	}
	b.wantState("a", campaign.Waiting, "", 1)
	b.check()
}

// TestDataOlderThanTheApproval: what a worker remembers stands in for an approval that Redis has lost.
func TestDataOlderThanTheApproval(t *testing.T) {
	t.Parallel()
	b, server := newDurable(t)
	ref := b.one()
	first := b.beatNow()
	server.Kill()
	server.Restart()
	if err := b.rdb.Del(t.Context(), keyRedis).Err(); err != nil {
		t.Fatal(err)
	}
	b.wantRefused(claimOf(ref, 1), RefusedRedis)
	if a := b.beatNow(); !a.Changed() || a.Approved != first.RunID || a.Seen.Before(first.Seen) {
		t.Fatalf("got %+v, want the approval of %+v", a, first)
	}
	fresh := &bench{Ledger: New(b.rdb), t: t, rdb: b.rdb, idKey: b.idKey}
	fresh.wantRefused(claimOf(ref, 1), RefusedRedis)
}

func TestRedisWithoutRunID(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	b := &bench{Ledger: New(rdb), t: t, rdb: rdb}
	b.create(campaign.Default(camp), false)
	ref := b.one()
	if a := b.beatNow(); a.RunID != "" || a.Changed() {
		t.Errorf("got %+v", a)
	}
	b.claim(ref, 1)
	if n, err := rdb.Exists(t.Context(), keyRedis).Result(); err != nil || n != 0 {
		t.Errorf("something was stored: %d, %v", n, err)
	}
}

// TestInfoForbidden: a user who may not read INFO can claim; the worker has said that it is unguarded.
func TestInfoForbidden(t *testing.T) {
	t.Parallel()
	b, server := newDurable(t)
	ref := b.one()
	if err := b.rdb.Do(t.Context(), "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "app", Password: "secret"})
	t.Cleanup(func() { _ = rdb.Close() })
	app := &bench{Ledger: New(rdb), t: t, rdb: rdb}
	b.beatNow() // by another, who may
	if a := app.beatNow(); a.RunID != "" || a.Changed() {
		t.Errorf("got %+v", a)
	}
	app.claim(ref, 1)
	var refused *RefusedError
	if _, err := app.Claim(t.Context(), claimOf(campaign.Ref{Campaign: camp, Contact: "a", Token: "t2"}, 1)); !errors.As(err, &refused) || refused.Refusal != RefusedLive {
		t.Errorf("second claim: %v, want refused: live", err)
	}
}

// restarted is a Redis that was killed during a campaign with one contact, and a worker that has noticed it.
func restarted(t *testing.T, slack, atMost time.Duration) (*bench, campaign.Ref, Approval) {
	t.Helper()
	b, server := newDurable(t)
	ref := b.one()
	b.beatNow()
	server.Kill()
	server.Restart()
	a := b.beatNow()
	if !a.Noticed.IsZero() || a.LineAgreed(claimOf(ref, 1).LineNumber) || a.TeamAgreed("") {
		t.Fatalf("before it was noticed: %+v", a)
	}
	for range 2 { // the second worker's does not count
		if err := b.Notice(b.ctx(), a.RunID, slack, atMost); err != nil {
			t.Fatal(err)
		}
		atMost += time.Hour
	}
	return b, ref, b.beatNow()
}

func TestLineByLine(t *testing.T) {
	t.Parallel()
	b, ref, a := restarted(t, time.Minute, 10*time.Minute)
	if a.Before.Sub(a.Noticed) != time.Minute || a.Until.Sub(a.Noticed) != 10*time.Minute {
		t.Fatalf("noticed: %+v", a)
	}
	c := claimOf(ref, 1)
	c.Team = "sales"
	b.wantRefused(c, RefusedRedis)
	if err := b.AgreeLines(b.ctx(), a.RunID, c.LineNumber, "+16505550009"); err != nil {
		t.Fatal(err)
	}
	// The line dials, but another one of the team may have called this contact.
	b.wantRefused(c, RefusedHeld)
	due := b.contact("a").Due
	a = b.beatNow()
	if until, held := b.Held("sales", due); !held || !until.Equal(a.Until) || !a.LineAgreed(c.LineNumber) || a.TeamAgreed("sales") {
		t.Errorf("held: %v until %v; %+v", held, until, a)
	}
	if _, held := b.Held("sales", a.Before.Add(time.Millisecond)); held {
		t.Error("a contact that was due later is held")
	}
	for _, first := range []bool{true, false} {
		if fresh, err := b.AgreeTeam(b.ctx(), a.RunID, "sales"); err != nil || fresh != first {
			t.Errorf("agree: %v, %v, want %v", fresh, err, first)
		}
	}
	b.beatNow()
	if _, held := b.Held("sales", due); held {
		t.Error("the contact is held although its team is agreed")
	}
	other := c
	other.LineNumber = "+16505550002"
	b.wantRefused(other, RefusedRedis)
	if _, err := b.Claim(b.ctx(), c); err != nil {
		t.Fatal(err)
	}
}

// TestDueLater: a contact that was not due when Redis changed cannot have been called without its knowing.
func TestDueLater(t *testing.T) {
	t.Parallel()
	const year = 366 * 24 * time.Hour
	b, ref, a := restarted(t, -100*year, 10*time.Minute)
	c := claimOf(ref, 1)
	c.Team = "sales"
	if err := b.AgreeLines(b.ctx(), a.RunID, c.LineNumber); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Claim(b.ctx(), c); err != nil {
		t.Fatal(err)
	}
}

// TestAgreementIsForOneProcess: what was agreed for one Redis is nothing for the next.
func TestAgreementIsForOneProcess(t *testing.T) {
	t.Parallel()
	b, server := newDurable(t)
	ref := b.one()
	b.beatNow()
	var stale string
	for i := range 2 {
		server.Kill()
		server.Restart()
		a := b.beatNow()
		if i == 1 && (a.LineAgreed(claimOf(ref, 1).LineNumber) || !a.Noticed.IsZero()) {
			t.Errorf("after the second restart: %+v", a)
		}
		b.wantRefused(claimOf(ref, 1), RefusedRedis)
		if err := b.Notice(b.ctx(), a.RunID, time.Minute, time.Minute); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := b.AgreeLines(b.ctx(), stale, claimOf(ref, 1).LineNumber); !errors.Is(err, ErrOtherRedis) {
				t.Errorf("agree for the Redis before: %v", err)
			}
			b.wantRefused(claimOf(ref, 1), RefusedRedis)
			break
		}
		if err := b.AgreeLines(b.ctx(), a.RunID, claimOf(ref, 1).LineNumber); err != nil {
			t.Fatal(err)
		}
		b.wantRefused(claimOf(ref, 1), RefusedHeld)
		stale = a.RunID
	}
	a := b.beatNow()
	b.approve(a.RunID, true)
	b.claim(ref, 1)
	if a := b.beatNow(); a.Changed() || !a.LineAgreed("any") || !a.TeamAgreed("any") {
		t.Errorf("after the approval: %+v", a)
	}
}
