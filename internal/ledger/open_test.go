package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

func (b *bench) open() []string {
	b.t.Helper()
	list, err := b.OpenCampaigns(b.ctx())
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Rules.Name)
	}
	slices.Sort(names)
	return names
}

func (b *bench) close(name string, want bool) {
	b.t.Helper()
	if got, err := b.Close(b.ctx(), name); err != nil || got != want {
		b.t.Fatalf("close %s: %v, %v; want %v", name, got, err, want)
	}
}

func (b *bench) wantOpen(when string, want ...string) {
	b.t.Helper()
	slices.Sort(want)
	if got := b.open(); !slices.Equal(got, want) {
		b.t.Errorf("%s: open are %v, want %v", when, got, want)
	}
}

func TestOpenCampaigns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.wantOpen("without a contact")
	ref := b.one()
	b.wantOpen("with a contact that waits", camp)
	b.close(camp, false)
	b.claim(ref, 1)
	b.wantOpen("with one that is live", camp)
	b.close(camp, false)
	b.settle(ref, unknown)
	b.close(camp, true)
	b.wantOpen("once it is over")
	if ended, err := b.Ended(b.ctx(), time.Now(), 10); err != nil || !slices.Equal(ended, []string{camp}) {
		t.Errorf("ended are %v, %v", ended, err)
	}
	if err := b.Resolve(b.ctx(), camp, ref.Contact, Resolution{Detail: "not called"}); err != nil {
		t.Fatal(err)
	}
	b.wantOpen("after somebody decided that the contact is called", camp)
	b.close(camp, false)
	if err := b.Cancel(b.ctx(), camp); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CancelWaiting(b.ctx(), camp); err != nil {
		t.Fatal(err)
	}
	b.close(camp, true)
	which, err := b.BeginDelete(b.ctx(), camp)
	if err != nil {
		t.Fatal(err)
	}
	b.wantOpen("while it is being deleted", camp)
	b.close(camp, false)
	if err := b.Erase(b.ctx(), camp, which, func([]Standing) error { return nil }); err != nil {
		t.Fatal(err)
	}
	b.wantOpen("after its deletion")
	if n := b.rdb.Exists(b.ctx(), keyOpen, keyEnded).Val(); n != 0 {
		t.Errorf("%d of the lists have something left", n)
	}
	if err := b.LookAgain(b.ctx(), camp, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.close(camp, true)
	if n := b.rdb.Exists(b.ctx(), keyOpen, keyEnded, keyCampaign(camp)).Val(); n != 0 {
		t.Errorf("what looked at it late has left %d keys", n)
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.close(camp, true)
	now := time.Now().Truncate(time.Second)
	for _, c := range []struct {
		name   string
		again  time.Time
		ask    time.Time
		wanted int
	}{
		{"later", now.Add(time.Hour), now.Add(time.Minute), 0},
		{"by then", now.Add(time.Hour), now.Add(time.Hour), 1},
		{"never", time.Time{}, now.Add(1000 * time.Hour), 0},
		{"not put back by a look", now, now.Add(time.Hour), 0},
	} {
		if err := b.LookAgain(b.ctx(), camp, c.again); err != nil {
			t.Fatal(err)
		}
		if ended, err := b.Ended(b.ctx(), c.ask, 10); err != nil || len(ended) != c.wanted {
			t.Errorf("%s: ended are %v, %v", c.name, ended, err)
		}
	}
}

// TestReopen starts on a ledger that an older release wrote, which has no list of open campaigns.
func TestReopen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.one()
	for _, name := range []string{"over", "cancelled"} {
		b.create(campaign.Default(name), false)
	}
	if err := b.Cancel(b.ctx(), "cancelled"); err != nil {
		t.Fatal(err)
	}
	b.rdb.Del(b.ctx(), keyOpen)
	for range 2 {
		if err := b.ReopenAll(b.ctx()); err != nil {
			t.Fatal(err)
		}
		b.wantOpen("after the start", "cancelled", "over", camp) // those that are over are to be tidied up once
	}
	b.close("over", true)
	b.close("cancelled", true)
	if err := b.ReopenAll(b.ctx()); err != nil {
		t.Fatal(err)
	}
	b.wantOpen("after the next start", camp)
	// An older release adds to one, and does not know the list.
	b.rdb.HIncrBy(b.ctx(), keyCampaign("over"), "waiting", 1)
	for from, steps := 0, 0; ; steps++ {
		next, err := b.Reopen(b.ctx(), from, 1)
		if err != nil || steps > 3 {
			t.Fatalf("step %d: %v", steps, err)
		}
		if from = next; next == 0 {
			break
		}
	}
	b.wantOpen("after all pages", camp, "over")
}
