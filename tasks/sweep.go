package tasks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/asynqkeys"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// SweepTiming is when the sweeper looks and how long it waits before it repairs. Zero values get the defaults that are
// named.
type SweepTiming struct {
	Every     time.Duration // from one sweep to the next; 10 s
	Confirm   time.Duration // at least this long between two sights of what is to be repaired; half of Every
	Orphaned  time.Duration // how long a task must be without a worker; 3 min, longer than Asynq's own recovery takes
	Untracked time.Duration // how long after its send-by a call without a line is given up; 2 min
	Page      int           // contacts that are looked at together; 500
}

func (t SweepTiming) withDefaults() SweepTiming {
	if t.Every == 0 {
		t.Every = 10 * time.Second
	}
	if t.Confirm == 0 {
		t.Confirm = t.Every / 2
	}
	if t.Orphaned == 0 {
		t.Orphaned = 3 * time.Minute
	}
	if t.Untracked == 0 {
		t.Untracked = 2 * time.Minute
	}
	if t.Page == 0 {
		t.Page = 500
	}
	return t
}

const (
	sweepLease  = time.Minute // of the right to sweep; renewed at each page
	hurriedWalk = 20          // pages per sweep of a campaign whose counts disagree
	sweepPages  = 40          // pages per sweep over all campaigns
	maxSuspects = 10_000      // per campaign: what the sweeper keeps in mind at most
	maxErrors   = 10          // repairs that may fail before a sweep gives up
	firstPause  = time.Minute // between two hurried walks that did not make the counts agree
	lastPause   = time.Hour   // the same, after many of them
	sideTasks   = 3           // tasks that a round may have beside its own
	lostRecord  = "the line's record was lost"
	giveTimeout = 2 * time.Second // for giving the right to sweep back
)

// Repairs counts what one sweep did, by rule.
type Repairs struct {
	Missing   int // a waiting contact's round had no task: enqueued
	Archived  int // it was in Asynq's archive: run again
	Completed int // it had ended without the round: deleted and enqueued anew
	Orphaned  int // no worker had the active task, and Asynq did not recover it: another one enqueued beside it
	Untracked int // no line had the call: unconfirmed

	Surplus int // no repair: tasks beyond those of waiting and live contacts; the handler ends them
	Uneven  int // no repair: campaigns whose counts do not add up
}

// Total is how many repairs there were.
func (r Repairs) Total() int {
	return r.Missing + r.Archived + r.Completed + r.Orphaned + r.Untracked
}

// ErrSweptElsewhere is returned by Sweep while another process has the right to sweep.
var ErrSweptElsewhere = errors.New("another process sweeps")

// Sweeper compares the ledger with Asynq and the lines, and repairs by rule what a crash, a lost reply, a bug or a click
// has left apart: a contact that waits without a task would never be called, one that is live without a line would never
// end. It repairs nothing that it has not seen twice, and nothing that it does can dial twice, since only the ledger lets
// an attempt be claimed.
//
// One process sweeps at a time. A sweep compares counts, walks a page further through each open campaign, and looks again
// at what it suspects. Only where the counts disagree in two sweeps does it walk faster.
type Sweeper struct {
	rdb       redis.UniversalClient
	ledger    *ledger.Ledger
	producer  *Producer
	book      *dial.Book
	inspector *asynq.Inspector
	log       zerolog.Logger
	timing    SweepTiming
	token     string // of this process

	mu    sync.Mutex // one sweep at a time; guards what follows
	walks map[string]*walk
	idle  map[taskRef]time.Time // active tasks that no worker has, since when they were seen so in each sweep
	turn  int                   // which campaign comes first
}

// NewSweeper returns a sweeper on a Redis client, which stays the caller's to close.
func NewSweeper(rdb redis.UniversalClient, l *ledger.Ledger, p *Producer, log zerolog.Logger, t SweepTiming) *Sweeper {
	return &Sweeper{
		rdb: rdb, ledger: l, producer: p, book: dial.NewBook(l, p, p.now),
		inspector: asynq.NewInspectorFromRedisClient(rdb), log: log, timing: t.withDefaults(), token: rand.Text(),
		walks: map[string]*walk{}, idle: map[taskRef]time.Time{},
	}
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveTimeout)
		defer cancel()
		if err := s.ledger.GiveSweep(ctx, s.token); err != nil {
			s.log.Debug().Err(err).Msg("right to sweep not given back: it lapses by itself")
		}
	}()
	tick := time.NewTicker(s.timing.Every)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Send-by is an instant of Redis's clock.
		now, err := s.rdb.Time(ctx).Result()
		if err == nil {
			_, err = s.Sweep(ctx, now)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || errors.Is(err, ErrSweptElsewhere):
			failing = false
		case !failing:
			failing = true
			s.log.Error().Err(err).Msg("ledger and queues not compared to the end; trying on")
		}
	}
}

// taskRef names a task of Asynq.
type taskRef struct{ queue, id string }

// walk is what the sweeper remembers of a campaign.
type walk struct {
	next     int // position in the list of contacts at which the walk goes on
	suspects map[string]suspect
	order    int // of suspicion, so that what is enqueued keeps the list's order
	short    int // sweeps in a row in which the counts disagreed
	left     int // contacts that a hurried walk still has to look at
	pause    time.Duration
	rest     time.Time // no hurried walk before
}

// suspect is a contact that was seen in need of a repair.
type suspect struct {
	fault
	order int
	since time.Time
}

// fault is what is wrong with a contact.
type fault struct {
	kind  faultKind
	round int
	token string  // of the attempt, for untracked
	task  taskRef // what to run, delete or enqueue
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

// sweep is one sweep.
type sweep struct {
	now     time.Time
	repairs Repairs
	pages   int                 // that may still be walked
	served  map[string]bool     // those that an Asynq server listens to
	worked  map[taskRef]bool    // active tasks that a worker has
	left    map[taskRef]bool    // active tasks whose lease has lapsed, and that Asynq recovers as soon as a server listens
	idle    map[taskRef]bool    // active tasks that no worker has
	lines   map[string][]string // contacts that lines are occupied or blocked by, by campaign
	errs    []error             // of repairs
}

// Sweep compares and repairs once; now is an instant of Redis's clock. ErrSweptElsewhere: another process does. After any
// other error, what was repaired is repaired, and the next sweep goes on.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) (Repairs, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.lease(ctx); err != nil {
		return Repairs{}, err
	}
	campaigns, err := s.ledger.Campaigns(ctx)
	if err != nil {
		return Repairs{}, err
	}
	sw, err := s.survey(ctx, now, campaigns)
	if err != nil {
		return Repairs{}, err
	}
	open := campaigns[:0]
	for _, c := range campaigns {
		s.checkSum(sw, c)
		if c.Counts.Open() {
			open = append(open, c)
		}
	}
	s.forgetBut(open)
	s.turn++
	for i := range open {
		if err := s.campaign(ctx, sw, open[(s.turn+i)%len(open)]); err != nil {
			return sw.repairs, errors.Join(append(sw.errs, err)...)
		}
	}
	for task := range s.idle {
		if !sw.idle[task] {
			delete(s.idle, task)
		}
	}
	return sw.repairs, errors.Join(sw.errs...)
}

// lease takes or renews the right to sweep. What was seen before others had it is no evidence any more.
func (s *Sweeper) lease(ctx context.Context) error {
	lease, err := s.ledger.TakeSweep(ctx, s.token, sweepLease)
	if err != nil {
		return err
	}
	if lease != ledger.SweepKept {
		s.walks, s.idle = map[string]*walk{}, map[taskRef]time.Time{}
	}
	if lease == ledger.SweepOther {
		return ErrSweptElsewhere
	}
	return nil
}

// keep renews the right to sweep in the middle of a sweep.
func (s *Sweeper) keep(ctx context.Context) error {
	lease, err := s.ledger.TakeSweep(ctx, s.token, sweepLease)
	if err == nil && lease != ledger.SweepKept {
		s.walks, s.idle = map[string]*walk{}, map[taskRef]time.Time{}
		err = ErrSweptElsewhere
	}
	return err
}

// checkSum reports a campaign whose contacts are not each in one state.
func (s *Sweeper) checkSum(sw *sweep, c ledger.Campaign) {
	n := c.Counts
	if n.Waiting+n.Live+n.Done+n.Unconfirmed == n.Total {
		return
	}
	sw.repairs.Uneven++
	s.log.Error().Str("campaign", c.Rules.Name).Int("total", n.Total).Int("waiting", n.Waiting).Int("live", n.Live).
		Int("done", n.Done).Int("unconfirmed", n.Unconfirmed).Msg("the campaign's counts do not add up")
}

func (s *Sweeper) forgetBut(open []ledger.Campaign) {
	names := make(map[string]bool, len(open))
	for _, c := range open {
		names[c.Rules.Name] = true
	}
	for name := range s.walks {
		if !names[name] {
			delete(s.walks, name)
		}
	}
}

// survey reads what concerns all campaigns.
func (s *Sweeper) survey(ctx context.Context, now time.Time, campaigns []ledger.Campaign) (*sweep, error) {
	sw := &sweep{
		now: now, pages: sweepPages, served: map[string]bool{}, worked: map[taskRef]bool{},
		left: map[taskRef]bool{}, idle: map[taskRef]bool{}, lines: map[string][]string{},
	}
	if !slices.ContainsFunc(campaigns, func(c ledger.Campaign) bool { return c.Counts.Open() }) {
		return sw, nil
	}
	servers, err := s.inspector.Servers()
	if err != nil {
		return nil, fmt.Errorf("list servers: %w", err)
	}
	for _, srv := range servers {
		for q := range srv.Queues {
			sw.served[q] = true
		}
		for _, w := range srv.ActiveWorkers {
			sw.worked[taskRef{w.Queue, w.TaskID}] = true
		}
	}
	lines, err := line.List(ctx, s.rdb)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if l.State == line.Occupied || l.State == line.Blocked {
			sw.lines[l.Campaign] = append(sw.lines[l.Campaign], l.Contact)
		}
	}
	return sw, nil
}

// campaign sweeps one campaign.
func (s *Sweeper) campaign(ctx context.Context, sw *sweep, c ledger.Campaign) error {
	name := c.Rules.Name
	w := s.walks[name]
	if w == nil {
		w = &walk{suspects: map[string]suspect{}, pause: firstPause}
		s.walks[name] = w
	}
	alive, abandoned, err := s.tasks(ctx, sw, name)
	if err != nil {
		return err
	}
	tracked, err := s.tracked(ctx, sw, name)
	if err != nil {
		return err
	}
	wanted := c.Counts.Waiting + c.Counts.Live
	sw.repairs.Surplus += max(alive-wanted, 0)
	w.compare(alive < wanted && !c.Cancelled || tracked < c.Counts.Live, c.Counts.Total, sw.now)

	looked := map[string]bool{}
	if err := s.look(ctx, sw, c, w, unseen(looked, append(w.known(), abandoned...))); err != nil {
		return err
	}
	return s.walk(ctx, sw, c, w, looked)
}

// tasks counts a campaign's tasks that will come to a handler, and names the contacts of those that will not.
func (s *Sweeper) tasks(ctx context.Context, sw *sweep, name string) (alive int, abandoned []string, err error) {
	l, err := ReadLoad(ctx, s.rdb, name)
	if err != nil {
		return 0, nil, err
	}
	alive = l.Pending + l.Scheduled + l.Retry
	if l.Active == 0 {
		return alive, nil, nil
	}
	first, again := Queues(name)
	for _, queue := range []string{first, again} {
		ids, err := s.rdb.LRange(ctx, asynqkeys.Active(queue), 0, -1).Result()
		if err != nil {
			return 0, nil, fmt.Errorf("list active tasks of %s: %w", queue, err)
		}
		lapsed, err := s.rdb.ZRangeByScore(ctx, asynqkeys.Lease(queue), &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(sw.now.Unix(), 10)}).Result()
		if err != nil {
			return 0, nil, fmt.Errorf("list leases of %s: %w", queue, err)
		}
		for _, id := range ids {
			task := taskRef{queue, id}
			if !sw.served[queue] && slices.Contains(lapsed, id) {
				sw.left[task] = true
			}
			if s.working(sw, task) {
				alive++
			} else {
				abandoned = append(abandoned, contactsOf(name, id)...)
			}
		}
	}
	return alive, abandoned, nil
}

// contactsOf names the contacts that a task may be of, by its id: where a contact's id ends like a round, it may be of two.
func contactsOf(name, id string) []string {
	rest, ok := strings.CutPrefix(id, name+":")
	if !ok {
		return nil
	}
	var contacts []string
	for range 2 { // a round's own task, and one beside it
		i := strings.LastIndexByte(rest, ':')
		if i < 0 {
			break
		}
		rest = rest[:i]
		contacts = append(contacts, rest)
	}
	return contacts
}

// working says whether an active task will come to its end: a worker has it, or Asynq still has time to recover it. A
// task that has lost its lease is in no list of Asynq's: that no server counts it among its work is what gives it away.
func (s *Sweeper) working(sw *sweep, task taskRef) bool {
	if sw.worked[task] || sw.left[task] {
		delete(s.idle, task)
		return true
	}
	sw.idle[task] = true
	since, ok := s.idle[task]
	if !ok {
		since = sw.now
		s.idle[task] = since
	}
	return sw.now.Sub(since) < s.timing.Orphaned
}

// tracked counts a campaign's calls that have a line.
func (s *Sweeper) tracked(ctx context.Context, sw *sweep, name string) (int, error) {
	stand, err := s.ledger.Stand(ctx, name, sw.lines[name])
	n := 0
	for _, x := range stand {
		if x.State == campaign.Placing || x.State == campaign.Live {
			n++
		}
	}
	return n, err
}

// compare takes note of whether the counts disagree, and decides on a hurried walk.
func (w *walk) compare(short bool, total int, now time.Time) {
	if !short {
		w.short, w.pause, w.rest = 0, firstPause, time.Time{}
		return
	}
	w.short++
	if w.short >= 2 && w.left == 0 && !now.Before(w.rest) {
		w.left = total
		w.rest = now.Add(w.pause)
		w.pause = min(2*w.pause, lastPause)
	}
}

// known lists the suspects in the order in which they became so.
func (w *walk) known() []string {
	ids := make([]string, 0, len(w.suspects))
	for id := range w.suspects {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return w.suspects[a].order - w.suspects[b].order })
	return ids
}

// unseen keeps the ids that are not in seen, and adds them to it.
func unseen(seen map[string]bool, ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool {
		if seen[id] {
			return true
		}
		seen[id] = true
		return false
	})
}

// walk goes on through the campaign's contacts: a page, or more in a hurry, and never around more than once.
func (s *Sweeper) walk(ctx context.Context, sw *sweep, c ledger.Campaign, w *walk, looked map[string]bool) error {
	pages := 1
	if w.left > 0 {
		pages = hurriedWalk
	}
	walked := 0
	for range pages {
		if sw.pages == 0 || len(w.suspects) >= maxSuspects || walked >= c.Counts.Total {
			return nil
		}
		sw.pages--
		ids, err := s.ledger.Page(ctx, c.Rules.Name, w.next, s.timing.Page)
		if err != nil {
			return err
		}
		walked += len(ids)
		w.left = max(w.left-len(ids), 0)
		w.next += len(ids)
		if len(ids) < s.timing.Page {
			w.next = 0
		}
		if err := s.look(ctx, sw, c, w, unseen(looked, ids)); err != nil {
			return err
		}
	}
	return nil
}

// look judges contacts, a page at a time, and repairs those that were seen in need of it before.
func (s *Sweeper) look(ctx context.Context, sw *sweep, c ledger.Campaign, w *walk, ids []string) error {
	for page := range slices.Chunk(ids, s.timing.Page) {
		if err := s.keep(ctx); err != nil {
			return err
		}
		faults, err := s.judge(ctx, sw, c, page)
		if err != nil {
			return err
		}
		for i, id := range page {
			if !w.suspected(id, faults[i], sw.now) || !s.due(sw, w.suspects[id]) {
				continue
			}
			if err := s.repair(ctx, sw, c.Rules.Name, id, faults[i]); err != nil {
				if ctx.Err() != nil {
					return err
				}
				if sw.errs = append(sw.errs, err); len(sw.errs) >= maxErrors {
					return errors.New("too many repairs did not succeed")
				}
				continue
			}
			delete(w.suspects, id)
		}
	}
	return nil
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
func (s *Sweeper) due(sw *sweep, x suspect) bool {
	seen := sw.now.Sub(x.since)
	switch x.kind {
	case faultOrphaned:
		return true // working has waited
	case faultStuck:
		return seen >= s.timing.Orphaned // only to say so again now and then
	default:
		return seen > 0 && seen >= s.timing.Confirm
	}
}

// judge says what is wrong with contacts, if anything. The reply has one fault per id, in order.
func (s *Sweeper) judge(ctx context.Context, sw *sweep, c ledger.Campaign, ids []string) ([]fault, error) {
	name := c.Rules.Name
	stand, err := s.ledger.Stand(ctx, name, ids)
	if err != nil {
		return nil, err
	}
	faults := make([]fault, len(ids))
	var waiting, live []int
	for i, x := range stand {
		switch x.State {
		case campaign.Waiting:
			if !c.Cancelled { // otherwise the server ends it
				waiting = append(waiting, i)
			}
		case campaign.Placing, campaign.Live:
			live = append(live, i)
		}
	}
	if err := s.judgeWaiting(ctx, sw, name, stand, waiting, faults); err != nil {
		return nil, err
	}
	if err := s.judgeLive(ctx, sw, stand, live, faults); err != nil {
		return nil, err
	}
	return faults, s.acquit(ctx, name, ids, stand, faults)
}

// acquit drops the faults of contacts that moved on while they were judged.
func (s *Sweeper) acquit(ctx context.Context, name string, ids []string, before []ledger.Standing, faults []fault) error {
	var at []int
	var again []string
	for i, f := range faults {
		if f.kind != "" {
			at, again = append(at, i), append(again, ids[i])
		}
	}
	now, err := s.ledger.Stand(ctx, name, again)
	if err != nil {
		return err
	}
	for j, i := range at {
		x, y := before[i], now[j]
		if x.State != y.State || x.Round != y.Round || x.Last.Token != y.Last.Token || !y.Last.EndedAt.IsZero() {
			faults[i] = fault{}
		}
	}
	return nil
}

// judgeWaiting looks for the tasks of waiting contacts' rounds.
func (s *Sweeper) judgeWaiting(ctx context.Context, sw *sweep, name string, stand []ledger.Standing, at []int, faults []fault) error {
	own := make([]taskRef, len(at))
	for j, i := range at {
		task, err := roundTask(name, stand[i].Contact, stand[i].Round)
		if err != nil {
			return err
		}
		own[j] = task
	}
	states, err := s.states(ctx, own)
	if err != nil {
		return err
	}
	var doubtful []int
	var beside []taskRef
	for j := range at {
		if s.fine(sw, own[j], states[j]) {
			continue
		}
		doubtful = append(doubtful, j)
		for n := range sideTasks {
			beside = append(beside, sideTask(own[j], n))
		}
	}
	others, err := s.states(ctx, beside)
	if err != nil {
		return err
	}
	for d, j := range doubtful {
		from := d * sideTasks
		tasks := append([]taskRef{own[j]}, beside[from:from+sideTasks]...)
		f := s.verdict(sw, tasks, append([]asynq.TaskState{states[j]}, others[from:from+sideTasks]...))
		f.round = stand[at[j]].Round
		faults[at[j]] = f
	}
	return nil
}

// noTask is the state of a task that is not there; Asynq's own states start from 1.
const noTask asynq.TaskState = 0

// fine says whether a task in this state will bring its round on.
func (s *Sweeper) fine(sw *sweep, task taskRef, state asynq.TaskState) bool {
	switch state {
	case noTask, asynq.TaskStateArchived, asynq.TaskStateCompleted:
		return false
	case asynq.TaskStateActive:
		return s.working(sw, task)
	default:
		return true
	}
}

// verdict says what a round needs whose tasks, its own and those beside it, are in these states.
func (s *Sweeper) verdict(sw *sweep, tasks []taskRef, states []asynq.TaskState) fault {
	for i, task := range tasks {
		if s.fine(sw, task, states[i]) {
			return fault{}
		}
	}
	if i := slices.Index(states, asynq.TaskStateArchived); i >= 0 {
		return fault{kind: faultArchived, task: tasks[i]}
	}
	if i := slices.Index(states, asynq.TaskStateCompleted); i >= 0 {
		return fault{kind: faultCompleted, task: tasks[i]}
	}
	switch i := slices.Index(states, noTask); i {
	case 0:
		return fault{kind: faultMissing, task: tasks[0]}
	case -1:
		return fault{kind: faultStuck, task: tasks[0]}
	default:
		return fault{kind: faultOrphaned, task: tasks[i]}
	}
}

// roundTask names a round's task.
func roundTask(name, contact string, round int) (taskRef, error) {
	_, opts, err := NewCallTask(name, contact, round, time.Time{})
	if err != nil {
		return taskRef{}, err
	}
	var t taskRef
	for _, o := range opts {
		switch value, _ := o.Value().(string); o.Type() {
		case asynq.TaskIDOpt:
			t.id = value
		case asynq.QueueOpt:
			t.queue = value
		}
	}
	return t, nil
}

// sideTask names the n-th task beside a round's own, from 0. Nothing reads a task's id; the payload is the same.
func sideTask(own taskRef, n int) taskRef {
	return taskRef{own.queue, own.id + ":" + strconv.Itoa(n+2)}
}

// inquiry is the client of an Inspector whose one script goes with those of a batch. The Inspector takes no context.
type inquiry struct {
	pipelined
	ctx context.Context //nolint:containedctx // has the place in the batch
}

func (q *inquiry) EvalSha(_ context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return q.pipelined.EvalSha(q.ctx, sha, keys, args...)
}

func (q *inquiry) Eval(_ context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return q.pipelined.Eval(q.ctx, script, keys, args...)
}

// SIsMember spares the Inspector a round trip per task: it asks whether the queue is on Asynq's list. A queue that was
// deleted in the monitor is not, although it works again with the next task.
func (q *inquiry) SIsMember(context.Context, string, any) *redis.BoolCmd {
	return redis.NewBoolResult(true, nil)
}

// states reads the states of tasks in one round trip, in order.
func (s *Sweeper) states(ctx context.Context, tasks []taskRef) ([]asynq.TaskState, error) {
	states := make([]asynq.TaskState, len(tasks))
	errs := make([]error, len(tasks))
	together := newBatch(len(tasks))
	var wg sync.WaitGroup
	for i, task := range tasks {
		wg.Go(func() {
			defer together.leave(ctx, s.rdb, i)
			client := &inquiry{pipelined{s.rdb}, together.at(ctx, i)}
			info, err := asynq.NewInspectorFromRedisClient(client).GetTaskInfo(task.queue, task.id)
			switch {
			case err == nil:
				states[i] = info.State
			case !errors.Is(err, asynq.ErrTaskNotFound):
				errs[i] = fmt.Errorf("read task: %w", err)
			}
		})
	}
	wg.Wait()
	return states, errors.Join(errs...)
}

// keyLine is a line's record; package line writes it.
func keyLine(number string) string { return "ringqueue:{ledger}:line:" + number }

// judgeLive looks for the lines of contacts that are placing or live.
func (s *Sweeper) judgeLive(ctx context.Context, sw *sweep, stand []ledger.Standing, at []int, faults []fault) error {
	at = slices.DeleteFunc(at, func(i int) bool {
		a := stand[i].Last
		return a.Token == "" || !a.EndedAt.IsZero() || sw.now.Before(a.SendBy.Add(s.timing.Untracked))
	})
	if len(at) == 0 {
		return nil
	}
	cmds := make([]*redis.SliceCmd, len(at))
	if _, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for j, i := range at {
			cmds[j] = p.HMGet(ctx, keyLine(stand[i].Last.LineNumber), "token", "state")
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read lines: %w", err)
	}
	for j, i := range at {
		var token, state string
		if err := cmds[j].Err(); err != nil {
			return fmt.Errorf("read lines: %w", err)
		}
		if v := cmds[j].Val(); len(v) == 2 {
			token, _ = v[0].(string)
			state, _ = v[1].(string)
		}
		if a := stand[i].Last; token != a.Token || state != string(line.Occupied) && state != string(line.Blocked) {
			faults[i] = fault{kind: faultUntracked, round: stand[i].Round, token: a.Token}
		}
	}
	return nil
}

// repair carries out a rule.
func (s *Sweeper) repair(ctx context.Context, sw *sweep, name, contact string, f fault) error {
	log := func(what string) {
		s.log.Warn().Str("campaign", name).Str("contact", contact).Int("round", f.round).Str("rule", string(f.kind)).Msg(what)
	}
	var err error
	switch r := &sw.repairs; f.kind {
	case faultMissing:
		if err = s.producer.Follow(ctx, name, contact); err == nil {
			r.Missing++
			log("repaired: a waiting contact had no task; enqueued")
		}
	case faultArchived:
		if err = s.inspector.RunTask(f.task.queue, f.task.id); err == nil {
			r.Archived++
			log("repaired: a waiting contact's task was archived; run again")
		}
	case faultCompleted:
		if err = s.inspector.DeleteTask(f.task.queue, f.task.id); err == nil || errors.Is(err, asynq.ErrTaskNotFound) {
			err = s.enqueue(ctx, name, contact, f)
		}
		if err == nil {
			r.Completed++
			log("repaired: a waiting contact's task had ended; enqueued anew")
		}
	case faultOrphaned:
		if err = s.enqueue(ctx, name, contact, f); err == nil {
			r.Orphaned++
			log("repaired: no worker had a waiting contact's task; another one enqueued")
		}
	case faultStuck:
		log("no worker has any of a waiting contact's tasks; not enqueued again")
	case faultUntracked:
		return s.giveUp(ctx, sw, name, contact, f, log)
	}
	if err != nil {
		return fmt.Errorf("repair %s task of %s in %s: %w", f.kind, contact, name, err)
	}
	return nil
}

// enqueue enqueues a task for a contact's round under a given id, due at once: the gate sends it away if it comes too
// early. A conflict means that it is there.
func (s *Sweeper) enqueue(ctx context.Context, name, contact string, f fault) error {
	task, opts, err := NewCallTask(name, contact, f.round, time.Time{})
	if err != nil {
		return err
	}
	_, err = s.producer.client.EnqueueContext(ctx, task, append(opts, asynq.TaskID(f.task.id))...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// giveUp leaves an attempt that nobody tracks to a person. Whatever it comes to, it is not dialled again.
func (s *Sweeper) giveUp(ctx context.Context, sw *sweep, name, contact string, f fault, log func(string)) error {
	rec, err := s.ledger.Contact(ctx, name, contact)
	if err != nil {
		return err
	}
	a, ok := rec.Attempt(f.token)
	if !ok || !a.EndedAt.IsZero() {
		return nil
	}
	v := campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: lostRecord}
	a, err = s.book.Settle(ctx, campaign.Ref{Campaign: name, Contact: contact, Token: f.token}, v, a.Seen)
	if err != nil {
		return err
	}
	if a.Detail == lostRecord { // otherwise somebody settled it first, and that stands
		sw.repairs.Untracked++
		log("unconfirmed: no line had the call, so nobody tracked it; decide with campaign unconfirmed")
	}
	return nil
}
