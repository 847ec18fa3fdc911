package reconcile

import (
	"slices"
	"strconv"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// taskRef names a task of Asynq.
type taskRef struct{ queue, id string }

// sideTasks is how many tasks a round may have beside its own.
const sideTasks = 3

// beside names the n-th task beside a round's own, from 0. Nothing reads a task's id; the payload is the same.
func (t taskRef) beside(n int) taskRef { return taskRef{t.queue, t.id + ":" + strconv.Itoa(n+2)} }

// taskSeen is a task as it was found.
type taskSeen struct {
	ref    taskRef
	state  string // "" if it is not there
	ending bool   // it is active, and will come to its end
	husk   bool   // only a part of its hash is there, which keeps it from being enqueued
}

// fine says whether the task will bring its round on.
func (t taskSeen) fine() bool {
	switch t.state {
	case asynqkeys.StatePending, asynqkeys.StateScheduled, asynqkeys.StateRetry:
		return true
	case asynqkeys.StateActive:
		return t.ending
	}
	return false
}

// fault is what is wrong with a contact.
type fault struct {
	kind  faultKind
	round int
	token string  // of the attempt, for untracked
	task  taskRef // what to run, delete or enqueue
	husk  bool    // what is left of the task goes first
}

type faultKind string

const (
	faultMissing   faultKind = "missing"
	faultArchived  faultKind = "archived"
	faultCompleted faultKind = "completed"
	faultOrphaned  faultKind = "orphaned"
	faultStuck     faultKind = "stuck" // orphaned, and so are all tasks beside it
	faultUntracked faultKind = "untracked"
)

// judgeTasks says what a waiting contact's round needs whose tasks, its own first and then those beside it, are like this.
func judgeTasks(tasks []taskSeen) fault {
	if slices.ContainsFunc(tasks, taskSeen.fine) {
		return fault{}
	}
	find := func(state string) int {
		return slices.IndexFunc(tasks, func(t taskSeen) bool { return t.state == state })
	}
	if i := find(asynqkeys.StateArchived); i >= 0 {
		return fault{kind: faultArchived, task: tasks[i].ref}
	}
	if i := find(asynqkeys.StateCompleted); i >= 0 {
		return fault{kind: faultCompleted, task: tasks[i].ref}
	}
	switch i := find(""); i {
	case 0:
		return fault{kind: faultMissing, task: tasks[0].ref, husk: tasks[0].husk}
	case -1:
		return fault{kind: faultStuck, task: tasks[0].ref}
	default:
		return fault{kind: faultOrphaned, task: tasks[i].ref, husk: tasks[i].husk}
	}
}

// judgeCall says what is wrong with a contact that is placing or live: no line has its attempt, by token, and it is long
// enough past its send-by that nobody is about to say more.
func judgeCall(x ledger.Standing, held map[string]campaign.Ref, now time.Time, t Timing) fault {
	a := x.Last
	if x.State != campaign.Placing && x.State != campaign.Live || a.Token == "" || !a.EndedAt.IsZero() ||
		now.Before(a.SendBy.Add(t.Untracked)) {
		return fault{}
	}
	if _, ok := held[a.Token]; ok {
		return fault{}
	}
	return fault{kind: faultUntracked, round: x.Round, token: a.Token}
}

// moved says whether a contact has moved on from where it stood.
func moved(before, now ledger.Standing) bool {
	return before.State != now.State || before.Round != now.Round || before.Last.Token != now.Last.Token || !now.Last.EndedAt.IsZero()
}

// suspected takes note of what is wrong with a contact; false if nothing is.
func (w *walk) suspected(id string, f fault, now time.Time) bool {
	if f.kind == "" {
		delete(w.suspects, id)
		return false
	}
	if old, ok := w.suspects[id]; !ok || old.fault != f {
		w.order++
		w.suspects[id] = suspect{fault: f, order: w.order, since: now}
	}
	return true
}

// due says whether a suspect has been seen so for long enough.
func (x suspect) due(now time.Time, t Timing) bool {
	seen := now.Sub(x.since)
	switch x.kind {
	case faultOrphaned:
		return true // its active task was waited for
	case faultStuck:
		return seen >= t.Orphaned // only to say so again now and then
	default:
		return seen > 0 && seen >= t.Confirm
	}
}
