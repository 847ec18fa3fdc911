package ledger

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

var lostAt = time.UnixMilli(1_700_000_000_000).UTC()

func adoption(id, session string) Adoption {
	return Adoption{
		Ref: campaign.Ref{Campaign: camp, Contact: id, Token: "adopted:" + session}, Number: "+14155550101",
		Line: "alice", LineNumber: "+16505550001", Extension: "ext1", StartedAt: lostAt, Detail: "lost",
	}
}

// adopt adopts twice, as two workers do, and wants the same state both times.
func (b *bench) adopt(a Adoption, want campaign.ContactState) {
	b.t.Helper()
	for range 2 {
		if got, err := b.Adopt(b.ctx(), a); err != nil || got != want {
			b.t.Fatalf("adopt: %q, %v, want %q", got, err, want)
		}
		b.check()
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.one()
	b.adopt(adoption("a", "s1"), campaign.UnconfirmedHeld)
	r := b.wantState("a", campaign.UnconfirmedHeld, campaign.Unconfirmed, 1)
	if len(r.Attempts) != 1 || r.Charged != 0 || r.Uncharged != 0 {
		t.Fatalf("got %+v, want one attempt that is not charged", r)
	}
	a := r.Attempts[0]
	if a.N != 1 || a.Round != 1 || a.Line != "alice" || a.LineNumber != "+16505550001" || a.Extension != "ext1" || a.Charged ||
		a.Number != "+14155550101" || !a.ClaimedAt.Equal(lostAt) || a.EndedAt.IsZero() || a.Outcome != campaign.Unconfirmed || a.Detail != "lost" {
		t.Errorf("attempt %+v", a)
	}
	b.wantRefused(claimOf(ref, 1), RefusedSettled)
	b.adopt(adoption("a", "s2"), campaign.UnconfirmedHeld) // another record of a contact that is held: nothing to add
	if got := b.contact("a"); len(got.Attempts) != 1 {
		t.Errorf("%d attempts, want 1", len(got.Attempts))
	}
	// A person decides; the record is not held against the contact again.
	if err := b.Resolve(b.ctx(), camp, "a", Resolution{Detail: "not called"}); err != nil {
		t.Fatal(err)
	}
	b.wantState("a", campaign.Waiting, "", 2)
	b.adopt(adoption("a", "s1"), campaign.UnconfirmedHeld)
	b.wantState("a", campaign.Waiting, "", 2)
	if got := b.claim(campaign.Ref{Campaign: camp, Contact: "a", Token: "t9"}, 2); got.N != 2 {
		t.Errorf("the next attempt has the number %d", got.N)
	}
}

func TestAdoptLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.adopt(adoption("nobody", "s1"), "")
	ref := b.one()
	b.claim(ref, 1)
	b.adopt(adoption("a", "s1"), campaign.Placing)
	b.place(ref, "id1")
	b.adopt(adoption("a", "s1"), campaign.Live)
	b.settle(ref, talked)
	b.adopt(adoption("a", "s1"), campaign.Done)
	if r := b.wantState("a", campaign.Done, campaign.Answered, 1); len(r.Attempts) != 1 {
		t.Errorf("%d attempts, want 1", len(r.Attempts))
	}
}
