package dial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringqueue/ringqueue/campaign"
)

// bench is one extension's tracker with a clock.
type bench struct {
	*testing.T
	tracker Tracker
	now     time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	return &bench{T: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// held is for how long a caller ID is still blamed; 0 if it is not.
func (t *Tracker) held(callerID string, now time.Time) time.Duration {
	return max(0, t.blamed[Dial{CallerID: callerID}.targets()[callerIDTarget]].until.Sub(now))
}

func (b *bench) placed(contact, line, callerID string) {
	b.now = b.now.Add(time.Second)
	b.tracker.Placed(Dial{contact, line, callerID}, b.now)
}

func (b *bench) refused(contact, line, callerID string, err error) Refusal {
	b.now = b.now.Add(time.Second)
	return b.tracker.Refused(Dial{contact, line, callerID}, Judge(err), b.now)
}

func (b *bench) want(what string, got Refusal, blame Blame) {
	b.Helper()
	if got.Blame != blame {
		b.Errorf("%s: blamed %s (%s), want %s", what, got.Blame, got.Text, blame)
	}
}

var (
	noCredit = refusedWith("", "BIL-103")
	oneOf    = refusedWith("", "CMN-101")
)

func TestARefusedContactIsItsOwnFault(t *testing.T) {
	b := newBench(t)
	b.placed("good", "alice", "")
	for range 20 {
		b.want("alone", b.refused("bad", "alice", "", noCredit), BlameContact)
	}
	b.placed("another", "alice", "")
	for i := range 10 {
		b.want("among others", b.refused(fmt.Sprint("bad", i), "alice", "", noCredit), BlameContact)
		b.placed(fmt.Sprint("good", i), "alice", "")
	}
}

func TestAnExtensionThatRefusesEverybody(t *testing.T) {
	b := newBench(t)
	b.placed("good", "alice", "")
	b.want("first", b.refused("a", "alice", "", noCredit), BlameContact)
	b.want("the same again", b.refused("a", "bob", "", noCredit), BlameContact)
	b.want("second", b.refused("b", "bob", "", noCredit), BlameContact)
	b.want("for another reason", b.refused("x", "bob", "", oneOf), BlameContact)
	third := b.refused("c", "alice", "", noCredit)
	b.want("third", third, BlameExtension)
	if third.Wait != extensionWait || third.After != third.Wait || !strings.Contains(third.Text, "3 contacts in a row") ||
		!strings.Contains(third.Text, "BIL-103") {
		t.Errorf("third: %+v", third)
	}
	inFlight := b.refused("d", "bob", "", noCredit)
	b.want("under way", inFlight, BlameExtension)
	if inFlight.Wait > extensionWait {
		t.Errorf("a call that was under way makes the wait longer: %s", inFlight.Wait)
	}
	for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, longestWait, longestWait} {
		b.now = b.now.Add(longestWait)
		again := b.refused("a", "alice", "", noCredit)
		b.want("after the wait", again, BlameExtension)
		if again.Wait != wait {
			t.Errorf("waits %s, want %s", again.Wait, wait)
		}
	}
	b.placed("a", "alice", "")
	b.want("after a success", b.refused("b", "alice", "", noCredit), BlameContact)
}

func TestALineAmongGoodOnes(t *testing.T) {
	b := newBench(t)
	for i, want := range []Blame{BlameContact, BlameContact, BlameLine, BlameLine} {
		b.placed(fmt.Sprint("good", i), "alice", "")
		b.want("bob", b.refused(fmt.Sprint("c", i), "bob", "", oneOf), want)
	}
	b.placed("d", "bob", "")
	b.want("bob works again", b.refused("e", "bob", "", oneOf), BlameContact)
}

func TestACallerIDAmongGoodOnes(t *testing.T) {
	b := newBench(t)
	const gone, good = "+16505550100", "+16505550101"
	for i, want := range []Blame{BlameContact, BlameContact, BlameCallerID} {
		b.placed(fmt.Sprint("good", i), "alice", good)
		b.placed(fmt.Sprint("own", i), "alice", "")
		r := b.refused(fmt.Sprint("c", i), "alice", gone, oneOf)
		b.want("given up", r, want)
		if want == BlameCallerID && (r.Wait != callerIDWait || r.Text == "") {
			t.Errorf("waits %s: %q", r.Wait, r.Text)
		}
	}
	if wait := b.tracker.held(gone, b.now); wait != callerIDWait {
		t.Errorf("held for %s", wait)
	}
	for _, callerID := range []string{good, ""} {
		if wait := b.tracker.held(callerID, b.now); wait != 0 {
			t.Errorf("%q waits too, %s", callerID, wait)
		}
	}
	b.placed("c1", "alice", gone)
	if wait := b.tracker.held(gone, b.now); wait != 0 {
		t.Errorf("held for %s though it works", wait)
	}
}

// A number is given up at noon, and RingCentral says so: the contacts are none the worse for it.
func TestACallerIDThatRingCentralNames(t *testing.T) {
	b := newBench(t)
	const gone = "+16505550100"
	b.placed("good", "alice", gone)
	for i := range 50 {
		r := b.refused(fmt.Sprint("c", i), "alice", gone, refusedWith("callerId", "CMN-101"))
		b.want("noon", r, BlameCallerID)
		if r.Wait <= 0 || r.After <= 0 || !strings.Contains(r.Text, "caller ID") || !strings.Contains(r.Text, "caller_id") {
			t.Errorf("caller ID: %+v", r)
		}
	}
	if wait := b.tracker.held(gone, b.now); wait <= 0 {
		t.Errorf("held for %s", wait)
	}
}

func TestALineThatRingCentralNames(t *testing.T) {
	b := newBench(t)
	from := refusedWith("from", "CMN-101")
	first := b.refused("a", "alice", "", from)
	b.want("first", first, BlameLine)
	b.now = b.now.Add(time.Hour)
	second := b.refused("a", "alice", "", from)
	b.want("second", second, BlameLine)
	if first.Wait != lineWait || second.Wait != 2*lineWait {
		t.Errorf("rests for %s, then %s", first.Wait, second.Wait)
	}
	// It may be the contact's fault after all, so that others come first.
	if first.After != time.Minute || second.After != 10*time.Minute {
		t.Errorf("the contact is put off for %s, then %s", first.After, second.After)
	}
}

func TestANumberThatRingCentralNames(t *testing.T) {
	b := newBench(t)
	to := refusedWith("to", "CMN-101")
	if r := b.refused("a", "alice", "", to); r.Blame != BlameContact || r.Final || !r.Named || r.Outcome != campaign.InvalidNumber {
		t.Errorf("before anything was proven: %+v", r)
	}
	b.placed("good", "alice", "+16505550100")
	if r := b.refused("b", "alice", "", to); r.Final {
		t.Errorf("proven with another caller ID: %+v", r)
	}
	b.placed("good", "alice", "")
	if r := b.refused("c", "alice", "", to); !r.Final || r.Outcome != campaign.InvalidNumber {
		t.Errorf("proven: %+v", r)
	}
	b.now = b.now.Add(provenFor)
	if r := b.refused("d", "alice", "", to); r.Blame != BlameContact || r.Final {
		t.Errorf("proven long ago: %+v", r)
	}
	b.want("everybody's number is wrong", b.refused("e", "alice", "", to), BlameExtension)
}

func TestNothingIsBlamedOnWhatWasNotSent(t *testing.T) {
	b := newBench(t)
	for range 10 {
		b.want("too late", b.refused("a", "alice", "", nil), BlameNobody)
	}
	if wait := b.tracker.held("", b.now); wait != 0 {
		t.Errorf("held for %s", wait)
	}
}

func TestWaitsOfASimulator(t *testing.T) {
	b := newBench(t)
	b.tracker.Scale = 60
	r := b.refused("a", "alice", "", refusedWith("from", "CMN-101"))
	if r.Wait != lineWait/60 || r.After != time.Second {
		t.Errorf("waits: %s, %s", r.Wait, r.After)
	}
	b.refused("a", "alice", "x", refusedWith("callerId", "CMN-101"))
	if wait := b.tracker.held("x", b.now); wait != callerIDWait/60 {
		t.Errorf("held for %s", wait)
	}
}

// An extension of several lines calls contacts of which some are refused by themselves, while now and then extension, lines
// and caller IDs refuse everybody. By the retry rules, with what the tracker says, only contacts end that are refused by
// themselves.
func TestOnlyBadContactsEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type contact struct {
			id       string
			bad      bool
			attempts []campaign.Attempt
			due      time.Time
			outcome  campaign.Outcome
		}
		var (
			tracker   Tracker
			rules     = campaign.Default("x")
			now       = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
			lines     = []string{"alice", "bob", "eve"}[:rapid.IntRange(1, 3).Draw(t, "lines")]
			lastCall  = make(map[string]time.Time) // by line
			held      = make(map[string]time.Time) // by line; "" the extension
			contacts  []*contact
			faultOf   = rapid.SampledFrom([]string{"", "", "", "extension", "alice", "callerID"})
			fault     string
			faultEnds time.Time
		)
		for i := range rapid.IntRange(1, 40).Draw(t, "contacts") {
			contacts = append(contacts, &contact{id: fmt.Sprint(i), bad: rapid.IntRange(0, 9).Draw(t, "bad") == 0})
		}
		code := rapid.SampledFrom([]error{noCredit, oneOf, refusedWith("", "XYZ-999")}).Draw(t, "answer")
		for range 400 {
			now = now.Add(20 * time.Second)
			if !now.Before(faultEnds) {
				minutes := rapid.IntRange(1, 180)
				if fault == "" {
					fault = faultOf.Draw(t, "fault")
				} else {
					// A contact that is refused in three faults within minutes of each other cannot be told from a bad one.
					fault, minutes = "", rapid.IntRange(30, 180)
				}
				faultEnds = now.Add(time.Duration(minutes.Draw(t, "minutes")) * time.Minute)
			}
			for _, line := range lines {
				if now.Before(held[line]) || now.Before(held[""]) {
					continue
				}
				var next *contact
				for _, c := range contacts {
					if c.outcome == "" && !now.Before(c.due) && (next == nil || c.due.Before(next.due)) {
						next = c
					}
				}
				if next == nil {
					continue
				}
				const shown = "+16505550100"
				if wait := tracker.held(shown, now); wait > 0 {
					next.due = now.Add(wait)
					continue
				}
				d := Dial{next.id, line, shown}
				if !next.bad && fault != "extension" && fault != line && fault != "callerID" {
					tracker.Placed(d, now)
					lastCall[line] = now
					next.outcome = campaign.Answered
					continue
				}
				switch r := tracker.Refused(d, Judge(code), now); r.Blame {
				case BlameContact:
					h := campaign.HistoryOf(next.attempts, func(a campaign.Attempt) bool { return lastCall[a.LineNumber].After(a.EndedAt) })
					n := rules.Next(r.Verdict(), h, now)
					next.attempts = append(next.attempts, campaign.Attempt{LineNumber: line, EndedAt: now, Refused: true})
					next.due, next.outcome = n.At, n.Outcome
				case BlameLine:
					held[line], next.due = now.Add(r.Wait), now.Add(r.After)
				case BlameExtension:
					held[""], next.due = now.Add(r.Wait), now.Add(r.After)
				case BlameCallerID:
					next.due = now.Add(r.After)
				default:
					t.Fatalf("blamed %s", r.Blame)
				}
				if next.outcome != "" && !next.bad {
					t.Fatalf("a good contact ended as %s after %d refusals", next.outcome, len(next.attempts))
				}
			}
		}
	})
}
