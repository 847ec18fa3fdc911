package dial

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Dial is a call that was to be placed.
type Dial struct {
	Contact  string // of all campaigns, a name of its own
	Line     string
	CallerID string // "": the extension's own
}

const (
	// tellingContacts is how many different contacts must be refused alike, without a call in between, before the fault is not
	// taken for theirs any more.
	tellingContacts = 3
	// provenFor is how long a call that was placed proves that line and caller ID are good.
	provenFor = time.Hour

	longestWait = 30 * time.Minute

	mostRefused = 200  // refusals that are remembered
	mostPutOff  = 1000 // contacts whose puttings-off are counted
)

// How long a contact is put off of which nothing is counted, the first time, the second time, and from then on: what is said
// to be the line's fault could be the contact's all the same, and must not come first again and again.
var putOffs = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// Tracker tells from what an extension's calls have met lately what is at fault when one is refused. The zero value is ready
// to use. It is safe for concurrent use.
//
// A refusal is the contact's fault until as many as tellingContacts different contacts were refused alike, with no call
// placed in between: by the extension, with the same caller ID, or by the same line. A contact that was refused before, and
// after which others were called, tells nothing of them. What is to blame waits twice as long each time, until a call is
// placed.
type Tracker struct {
	// Scale is how many times faster than real time RingCentral runs, a simulator's. Waits are shorter by it; 0 is 1.
	Scale int

	mu      sync.Mutex
	n       int // counts what happens
	refused []refusedDial
	placed  map[target]placing
	blamed  map[target]blaming
	putOff  map[string]int // by contact
}

// target is what can be at fault besides the contact. The zero value is the extension.
type target struct{ line, callerID string }

func (d Dial) targets() [4]target {
	// No line and no caller ID have these names, so that the extension's own caller ID is not taken for the extension.
	const any, own = "*", "-"
	callerID := own
	if d.CallerID != "" {
		callerID = d.CallerID
	}
	return [4]target{extensionTarget: {any, any}, callerIDTarget: {any, callerID}, lineTarget: {d.Line, any}, pairTarget: {d.Line, callerID}}
}

const (
	extensionTarget = iota
	callerIDTarget
	lineTarget
	pairTarget
)

type refusedDial struct {
	Dial
	code string
	n    int
}

type placing struct {
	n  int
	at time.Time
}

type blaming struct {
	times int // in a row
	until time.Time
}

// Placed is told that a call was placed.
func (t *Tracker) Placed(d Dial, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.placed == nil {
		t.placed = make(map[target]placing)
	}
	t.n++
	for _, by := range d.targets() {
		t.placed[by] = placing{t.n, now}
		delete(t.blamed, by)
	}
	delete(t.putOff, d.Contact)
	t.refused = slices.DeleteFunc(t.refused, func(r refusedDial) bool { return r.Contact == d.Contact })
}

// Refused takes in what Judge made of an answer, and returns what it means in the light of the others.
func (t *Tracker) Refused(d Dial, r Refusal, now time.Time) Refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := d.targets()
	switch r.Blame {
	case BlameContact:
		if r.Final {
			return r
		}
		r = t.weigh(d, r, now)
	case BlameCallerID, BlameLine, BlameExtension:
	default:
		return t.scaled(r)
	}
	switch r.Blame {
	case BlameCallerID:
		r.Wait = t.longer(by[callerIDTarget], r, now)
	case BlameLine:
		r.Wait = t.longer(by[lineTarget], r, now)
	case BlameExtension:
		r.Wait = t.longer(by[extensionTarget], r, now)
		r.After = r.Wait
	}
	if r.Blame == BlameCallerID || r.Blame == BlameLine {
		r.After = t.putOffAgain(d.Contact)
	}
	return t.scaled(r)
}

// Shows says whether a call with a caller ID was placed on this extension lately, and none was refused for it since.
func (t *Tracker) Shows(callerID string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := Dial{CallerID: callerID}.targets()[callerIDTarget]
	at, placed := t.placed[by]
	_, blamed := t.blamed[by]
	return placed && !blamed && now.Sub(at.at) < provenFor/t.scale()
}

// weigh looks for what others that were refused have in common with d.
func (t *Tracker) weigh(d Dial, r Refusal, now time.Time) Refusal {
	by := d.targets()
	t.n++
	known := t.convicted(d.Contact)
	at, proven := t.placed[by[pairTarget]]
	proven = proven && now.Sub(at.at) < provenFor/t.scale()
	r.Final = r.Named && (known || proven)
	t.refused = append(t.refused, refusedDial{d, r.Code, t.n})
	if n := len(t.refused); n > mostRefused {
		t.refused = slices.Delete(t.refused, 0, n-mostRefused)
	}
	if known {
		return r
	}
	for _, c := range []struct {
		target int
		blame  Blame
		wait   time.Duration
	}{
		{extensionTarget, BlameExtension, extensionWait}, {callerIDTarget, BlameCallerID, callerIDWait}, {lineTarget, BlameLine, lineWait},
	} {
		if n := t.alike(c.target, by[c.target], r.Code); n >= tellingContacts {
			return Refusal{
				Blame: c.blame, Wait: c.wait, Code: r.Code,
				Text: fmt.Sprintf("%d contacts in a row were refused alike, the last one so: %s", n, r.Text),
			}
		}
	}
	return r
}

// convicted says whether the contact was refused before and another call was placed in the same way since.
func (t *Tracker) convicted(contact string) bool {
	return slices.ContainsFunc(t.refused, func(r refusedDial) bool {
		return r.Contact == contact && t.placed[r.targets()[pairTarget]].n > r.n
	})
}

// alike counts the contacts that were refused alike by the target since it placed a call, convicted ones aside.
func (t *Tracker) alike(which int, by target, code string) int {
	contacts := make(map[string]bool)
	for _, r := range t.refused {
		if r.code == code && r.n > t.placed[by].n && r.targets()[which] == by && !t.convicted(r.Contact) {
			contacts[r.Contact] = true
		}
	}
	return len(contacts)
}

// longer is how long the target has to wait now that it is blamed once more. Calls that were under way when it was told to
// wait do not make it longer.
func (t *Tracker) longer(by target, r Refusal, now time.Time) time.Duration {
	if t.blamed == nil {
		t.blamed = make(map[target]blaming)
	}
	b := t.blamed[by]
	if now.Before(b.until) {
		if until := now.Add(r.Wait / t.scale()); until.After(b.until) {
			b.until = until
			t.blamed[by] = b
		}
		return b.until.Sub(now) * t.scale()
	}
	wait := min(r.Wait<<min(b.times, 10), max(r.Wait, longestWait))
	t.blamed[by] = blaming{b.times + 1, now.Add(wait / t.scale())}
	return wait
}

func (t *Tracker) scale() time.Duration { return time.Duration(max(t.Scale, 1)) }

func (t *Tracker) putOffAgain(contact string) time.Duration {
	if t.putOff == nil || len(t.putOff) >= mostPutOff {
		t.putOff = make(map[string]int)
	}
	n := t.putOff[contact]
	t.putOff[contact] = n + 1
	return putOffs[min(n, len(putOffs)-1)]
}

// scaled shortens the waits. A rate limit's is RingCentral's own, and the simulator has shortened it.
func (t *Tracker) scaled(r Refusal) Refusal {
	if r.Blame != BlameLimit {
		r.Wait /= t.scale()
		r.After /= t.scale()
	}
	return r
}
