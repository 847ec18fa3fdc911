package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

func TestJudgeTasks(t *testing.T) {
	t.Parallel()
	own := taskRef{"spring", "spring:c1:1"}
	husk := taskSeen{husk: true}
	orphan := taskSeen{state: asynqkeys.StateActive}
	working := taskSeen{state: asynqkeys.StateActive, ending: true}
	is := func(state string) taskSeen { return taskSeen{state: state} }
	none := is("")
	for _, c := range []struct {
		name  string
		tasks []taskSeen // the round's own, then those beside it
		want  faultKind
		at    int // which task is to be repaired
		husk  bool
	}{
		{"pending", []taskSeen{is("pending")}, "", 0, false},
		{"scheduled", []taskSeen{is("scheduled")}, "", 0, false},
		{"put off", []taskSeen{is("retry")}, "", 0, false},
		{"a worker has it", []taskSeen{working}, "", 0, false},
		{"orphaned, and one beside it is all right", []taskSeen{orphan, is("pending"), none, none}, "", 0, false},
		{"not there", []taskSeen{none, none, none, none}, faultMissing, 0, false},
		{"only its husk", []taskSeen{husk, none, none, none}, faultMissing, 0, true},
		{"archived", []taskSeen{is("archived"), none, none, none}, faultArchived, 0, false},
		{"ended", []taskSeen{is("completed"), none, none, none}, faultCompleted, 0, false},
		{"archived beside one that ended", []taskSeen{is("completed"), is("archived"), none, none}, faultArchived, 1, false},
		{"orphaned", []taskSeen{orphan, none, none, none}, faultOrphaned, 1, false},
		{"orphaned twice", []taskSeen{orphan, orphan, none, none}, faultOrphaned, 2, false},
		{"orphaned, a husk beside it", []taskSeen{orphan, husk, none, none}, faultOrphaned, 1, true},
		{"orphaned, and so are all beside it", []taskSeen{orphan, orphan, orphan, orphan}, faultStuck, 0, false},
	} {
		tasks := slices.Clone(c.tasks)
		for i := range tasks {
			if tasks[i].ref = own; i > 0 {
				tasks[i].ref = own.beside(i - 1)
			}
		}
		got, want := judgeTasks(tasks), fault{kind: c.want, husk: c.husk}
		if c.want != "" {
			want.task = tasks[c.at].ref
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestJudgeCall(t *testing.T) {
	t.Parallel()
	timing := Timing{}.withDefaults()
	sendBy := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	late := sendBy.Add(timing.Untracked)
	a := campaign.Attempt{Token: "t1", SendBy: sendBy}
	ended := a
	ended.EndedAt = late
	for _, c := range []struct {
		name    string
		state   campaign.ContactState
		attempt campaign.Attempt
		held    string
		now     time.Time
		want    bool
	}{
		{"placing without a line", campaign.Placing, a, "", late, true},
		{"live without a line", campaign.Live, a, "", late, true},
		{"another attempt has the line", campaign.Live, a, "t2", late, true},
		{"its line has it", campaign.Live, a, "t1", late, false},
		{"somebody may be about to say more", campaign.Placing, a, "", late.Add(-time.Millisecond), false},
		{"it has ended", campaign.Live, ended, "", late, false},
		{"it was released meanwhile", campaign.Placing, campaign.Attempt{}, "", late, false},
		{"waiting", campaign.Waiting, a, "", late, false},
		{"done", campaign.Done, a, "", late, false},
		{"unconfirmed", campaign.UnconfirmedHeld, a, "", late, false},
		{"no such contact", "", campaign.Attempt{}, "", late, false},
	} {
		x := ledger.Standing{Contact: "c1", State: c.state, Round: 2, Last: c.attempt}
		got := judgeCall(x, map[string]campaign.Ref{c.held: {Token: c.held}}, c.now, timing)
		want := fault{}
		if c.want {
			want = fault{kind: faultUntracked, round: 2, token: "t1"}
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestSuspectDue(t *testing.T) {
	t.Parallel()
	timing := Timing{}.withDefaults()
	first := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		kind faultKind
		seen time.Duration
		want bool
	}{
		{faultMissing, 0, false},
		{faultMissing, timing.Confirm - 1, false},
		{faultMissing, timing.Confirm, true},
		{faultUntracked, timing.Confirm, true},
		{faultOrphaned, 0, true},
		{faultStuck, timing.Confirm, false},
		{faultStuck, timing.Orphaned, true},
	} {
		w := newWalk()
		if !w.suspected("c1", fault{kind: c.kind}, first) || !w.suspected("c1", fault{kind: c.kind}, first.Add(c.seen)) {
			t.Fatalf("%s is no suspect", c.kind)
		}
		if got := w.suspects["c1"].due(first.Add(c.seen), timing); got != c.want {
			t.Errorf("%s after %s: due %v, want %v", c.kind, c.seen, got, c.want)
		}
		// Another fault begins anew, and none ends it.
		if w.suspected("c1", fault{kind: c.kind, round: 7}, first.Add(time.Hour)); !w.suspects["c1"].since.Equal(first.Add(time.Hour)) {
			t.Errorf("another fault counts from %s", w.suspects["c1"].since)
		}
		if w.suspected("c1", fault{}, first) || len(w.suspects) > 0 {
			t.Error("a suspect that is all right stays one")
		}
	}
}

func TestContactsOf(t *testing.T) {
	t.Parallel()
	for id, want := range map[string][]string{
		"spring:c1:1": {"c1"}, "spring:c1:2:3": {"c1:2", "c1"}, "spring:a:b:1": {"a:b", "a"}, "autumn:c1:1": nil, "spring:": nil, "": nil,
	} {
		if got := contactsOf("spring", id); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
}

func TestDeletionsTryAgain(t *testing.T) {
	t.Parallel()
	d := deletions{tries: map[string]try{}}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	wait := firstTryAgain
	for i := range 10 {
		if !d.begin("spring:1", now) {
			t.Fatalf("try %d is not begun", i)
		}
		if d.begin("spring:1", now) {
			t.Fatal("a deletion is tried twice at once")
		}
		d.end("spring:1", now, errKilled)
		if d.begin("spring:1", now.Add(wait-1)) {
			t.Fatalf("try %d comes before %s", i+1, wait)
		}
		now = now.Add(wait)
		wait = min(2*wait, lastTryAgain)
	}
	if !d.begin("a:1", now) || !d.begin("b:1", now) || d.begin("c:1", now) {
		t.Error("not two at once")
	}
	d.end("a:1", now, nil)
	if !d.begin("c:1", now) || len(d.tries) != 3 {
		t.Errorf("tries %+v", d.tries)
	}
}
