package ledger

import (
	"errors"
	"testing"

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
