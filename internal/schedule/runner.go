package schedule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// Config is when a runner looks and how long it waits. Zero values get the defaults that are named.
type Config struct {
	Every    time.Duration // between two looks; 1 s
	Lease    time.Duration // of a run that a worker brings forward; 30 s
	Quiet    time.Duration // a list that changed less than this ago is still being written; 30 s
	Retry    time.Duration // until a list that cannot be used is read again; 30 s
	Patience time.Duration // after a run was fired, until a list that cannot be used is given up; 1 h

	Now func(context.Context) (time.Time, error) // by which instants come; Redis's time, since workers' clocks may differ
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Every, time.Second)
	set(&c.Lease, 30*time.Second)
	set(&c.Quiet, 30*time.Second)
	set(&c.Retry, 30*time.Second)
	set(&c.Patience, time.Hour)
	return c
}

const (
	// late is how late an instant may be and still count as on time: a worker was being restarted.
	late     = time.Minute
	maxBytes = 256 << 20 // of one file of a call list
	maxFetch = 2 * time.Minute
	atOnce   = 16 // runs that one worker brings forward together
)

// Runner fires schedules and brings their runs to their end. Any number of workers may run one.
type Runner struct {
	store    *Store
	rdb      redis.UniversalClient
	ledger   *ledger.Ledger
	producer *tasks.Producer
	source   source
	log      zerolog.Logger
	cfg      Config
	token    string

	slots chan struct{}
	busy  sync.Map // names of the runs that this worker brings forward now
	wg    sync.WaitGroup
}

// NewRunner returns a runner on a Redis client, which stays the caller's to close.
func NewRunner(rdb redis.UniversalClient, log zerolog.Logger, cfg Config) *Runner {
	cfg = cfg.withDefaults()
	store := NewStore(rdb)
	if cfg.Now == nil {
		cfg.Now = store.Now
	}
	return &Runner{
		store: store, rdb: rdb, ledger: ledger.New(rdb), producer: tasks.NewProducer(rdb), log: log, cfg: cfg,
		source: source{rdb: rdb, client: newClient(), quiet: cfg.Quiet, most: maxBytes, longest: maxFetch},
		token:  rand.Text(), slots: make(chan struct{}, atOnce),
	}
}

// Run works until ctx ends. What it was doing is gone on with by another worker, or by the next start.
func (r *Runner) Run(ctx context.Context) {
	defer r.wg.Wait()
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for {
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.log.Error().Err(err).Msg("schedules wait; trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look fires what is due and takes the runs that nobody brings forward.
func (r *Runner) look(ctx context.Context) error {
	now, err := r.cfg.Now(ctx)
	if err != nil {
		return err
	}
	all, err := r.store.All(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if !one.Paused && !one.Next.IsZero() && !one.Next.After(now) {
			if err := r.fire(ctx, one, now); err != nil {
				return err
			}
		}
	}
	names, err := r.rdb.SMembers(ctx, keyOpen).Result()
	if err != nil {
		return wrap("list open runs", err)
	}
	open, err := r.store.runs(ctx, names)
	if err != nil || len(open) == 0 {
		return err
	}
	leased, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	for _, run := range open {
		if run.lease.After(leased) || run.retry.After(leased) {
			continue
		}
		select {
		case r.slots <- struct{}{}:
		default:
			return nil
		}
		r.wg.Go(func() {
			defer func() { <-r.slots }()
			if err := r.bring(ctx, run); err != nil && ctx.Err() == nil {
				r.log.Error().Err(err).Str("run", run.Name).Msg("run put off; trying again")
			}
		})
	}
	return nil
}

// fire records the runs of the instants that have come: the newest one runs if it is not too late, the others were missed.
func (r *Runner) fire(ctx context.Context, one Schedule, now time.Time) error {
	instants, more := one.When.Between(one.Next, now, one.Keep)
	if len(instants) < one.Keep {
		instants = append([]time.Time{one.Next}, instants...)
	}
	total := 1 + more
	next, _ := one.When.Next(now)
	firings := make([]firing, 0, len(instants))
	for i, at := range instants {
		f := firing{run: RunName(one.Name, one.When, at), instant: at, state: Missed, detail: "no worker was up at its instant"}
		if lateBy := now.Sub(at); i == len(instants)-1 && lateBy <= max(one.CatchUp, late) {
			f.state, f.detail = Due, ""
			if lateBy > late {
				f.detail = "late by " + lateBy.Round(time.Second).String()
			}
		}
		firings = append(firings, f)
	}
	ours, err := r.store.record(ctx, one, next, firings, false)
	if err != nil || !ours {
		return err
	}
	crash.Point("fired")
	level := zerolog.InfoLevel
	if n := len(firings); n == 0 || firings[n-1].state == Missed || total > 1 {
		level = zerolog.WarnLevel
	}
	r.log.WithLevel(level).Str("schedule", one.Name).Int("instants", total).Time("next", next).Msg("schedule fired")
	return nil
}

// claim is a run that this worker brings forward.
type claim struct {
	Run
	token string
}

// errLost says that the run is another worker's by now.
var errLost = errors.New("the run is another worker's by now")

// bring takes a run as far as it goes now, under a lease that is renewed meanwhile.
func (r *Runner) bring(ctx context.Context, run Run) error {
	if _, busy := r.busy.LoadOrStore(run.Name, true); busy {
		return nil
	}
	defer r.busy.Delete(run.Name)
	c := claim{Run: run, token: r.token + "." + rand.Text()}
	if ours, err := r.lease(ctx, c); err != nil || !ours {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		tick := time.NewTicker(r.cfg.Lease / 3)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			switch ours, err := r.lease(ctx, c); {
			case err == nil && ours:
				last = time.Now()
			case err == nil || time.Since(last) > r.cfg.Lease:
				cancel()
				return
			}
		}
	}()
	// The run was read before its lease was taken.
	runs, err := r.store.runs(ctx, []string{run.Name})
	if err == nil && len(runs) == 1 {
		c.Run = runs[0]
		err = r.proceed(ctx, &c)
	}
	if err == nil && !c.Open() {
		err = r.trim(ctx, c.Schedule)
	}
	cancel()
	<-renewed
	switch {
	case errors.Is(err, errLost):
		return nil
	case err != nil:
		again, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer stop()
		return errors.Join(err, r.step(again, &c, c.State, 5*time.Second, "", nil))
	}
	return nil
}

func (r *Runner) lease(ctx context.Context, c claim) (bool, error) {
	n, err := r.store.take.Run(ctx, r.rdb, []string{keyRun(c.Name)}, c.token, r.cfg.Lease.Milliseconds()).Int()
	return n == 1, wrap("lease a run", err)
}

// step stores where the run stands. With retry the lease is given back and somebody looks again then; below zero it is kept.
func (r *Runner) step(ctx context.Context, c *claim, state State, retry time.Duration, list string, fields map[string]any) error {
	c.State = state
	wait := retry.Milliseconds()
	if retry < 0 {
		wait = -1
	}
	reading := list
	if reading == "" {
		reading = "ringqueue:{schedule}:reading:none"
	}
	args := []any{c.Name, c.token, string(state), flag(!c.Open()), wait, flag(list != "")}
	for field, value := range fields {
		args = append(args, field, value)
	}
	n, err := r.store.step.Run(ctx, r.rdb, []string{keyRun(c.Name), keyOpen, reading, keyList(c.Name)}, args...).Int()
	if err == nil && n == 0 {
		return errLost
	}
	return wrap("store a run", err)
}

// keep is a retry that keeps the lease.
const keep = -1 * time.Millisecond

func (r *Runner) end(ctx context.Context, c *claim, state State, detail string) error {
	level := zerolog.InfoLevel
	if state == Failed {
		level = zerolog.ErrorLevel
	}
	r.log.WithLevel(level).Str("schedule", c.Schedule).Str("run", c.Name).Str("state", string(state)).Str("detail", detail).Msg("run ended")
	return r.step(ctx, c, state, 0, "", map[string]any{"detail": detail})
}

func (r *Runner) proceed(ctx context.Context, c *claim) error {
	for {
		before := c.State
		var err error
		switch c.State {
		case Due:
			err = r.read(ctx, c)
		case Listed:
			err = r.begin(ctx, c)
		case Importing:
			err = r.fill(ctx, c)
		case Running:
			err = r.watch(ctx, c)
		default:
			return nil
		}
		if err != nil || c.State == before {
			return err
		}
	}
}

// read stores a snapshot of the run's list.
func (r *Runner) read(ctx context.Context, c *claim) error {
	if c.rule.Overlap == Skip {
		earlier, err := r.earlier(ctx, c)
		if err != nil {
			return err
		}
		if len(earlier) > 0 {
			return r.end(ctx, c, Skipped, "the run before, "+earlier[0].Name+", is not done")
		}
	}
	snap, err := r.source.snapshot(ctx, c.rule)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return r.unreadable(ctx, c, err)
	}
	crash.Point("list_read")
	return r.step(ctx, c, Listed, keep, snap.key, map[string]any{"detail": ""})
}

// unreadable puts a run off whose list cannot be used now, or gives it up.
func (r *Runner) unreadable(ctx context.Context, c *claim, cause error) error {
	now, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	one, err := r.store.Get(ctx, c.Schedule)
	newer := err == nil && one.Last != nil && one.Last.Instant.After(c.Instant)
	if newer || now.Sub(c.FiredAt) > r.cfg.Patience {
		return r.end(ctx, c, Failed, cause.Error())
	}
	wait := r.cfg.Retry
	if errors.Is(cause, errWriting) {
		wait = min(wait, max(r.cfg.Quiet/3, 10*time.Millisecond))
	} else {
		r.log.Warn().Err(cause).Str("schedule", c.Schedule).Str("run", c.Name).Msg("the list cannot be used; trying again")
	}
	return r.step(ctx, c, Due, wait, "", map[string]any{"detail": cause.Error()})
}

// earlier lists the open runs of the same schedule that were fired before, newest first.
func (r *Runner) earlier(ctx context.Context, c *claim) ([]Run, error) {
	runs, err := r.store.Runs(ctx, c.Schedule)
	if err != nil {
		return nil, err
	}
	var list []Run
	for _, run := range runs {
		if run.Name == c.Name || !run.Open() || run.Instant.After(c.Instant) {
			continue
		}
		if run.State == Running {
			over, err := r.over(ctx, run.Name)
			if err != nil {
				return nil, err
			}
			if over {
				continue
			}
		}
		list = append(list, run)
	}
	return list, nil
}

// over says whether nothing more will be dialled in a run's campaign.
func (r *Runner) over(ctx context.Context, name string) (bool, error) {
	camp, err := r.ledger.Campaign(ctx, name)
	if errors.Is(err, ledger.ErrNoCampaign) {
		return true, nil
	}
	return err == nil && (camp.Cancelled || !camp.Counts.Open()), err
}

// begin starts a run's campaign once its predecessors let it.
func (r *Runner) begin(ctx context.Context, c *claim) error {
	earlier, err := r.earlier(ctx, c)
	if err != nil {
		return err
	}
	for _, run := range earlier {
		switch {
		case c.rule.Overlap != Replace:
			return r.step(ctx, c, Listed, 2*r.cfg.Every, "", map[string]any{"detail": "waits for the run before, " + run.Name})
		case run.State == Running:
			if _, err := tasks.Cancel(ctx, r.rdb, run.Name); err != nil {
				return err //nolint:wrapcheck // it says what
			}
			r.log.Info().Str("schedule", c.Schedule).Str("run", run.Name).Str("by", c.Name).Msg("run replaced")
		default: // it has no campaign yet, or is filling it
			return r.step(ctx, c, Listed, 2*r.cfg.Every, "", map[string]any{"detail": "waits to replace the run before, " + run.Name})
		}
	}
	if err := r.leaveOut(ctx, c); err != nil {
		return err
	}
	return r.step(ctx, c, Importing, keep, "", map[string]any{"detail": ""})
}

// leaveOut notes the numbers that are still open in the schedule's kept runs: they are not called twice. It is decided
// once for the run, before its first contact is imported.
func (r *Runner) leaveOut(ctx context.Context, c *claim) error {
	runs, err := r.store.Runs(ctx, c.Schedule)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.Name == c.Name {
			continue
		}
		camp, err := r.ledger.Campaign(ctx, run.Name)
		if errors.Is(err, ledger.ErrNoCampaign) || err == nil && !camp.Counts.Open() && camp.Counts.Unconfirmed == 0 {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.noteOpen(ctx, run.Name, keyLeftOut(c.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) noteOpen(ctx context.Context, name, key string) error {
	const page = 500
	for from := 0; ; from += page {
		ids, err := r.ledger.Page(ctx, name, from, page)
		if err != nil || len(ids) == 0 {
			return err
		}
		stand, err := r.ledger.Stand(ctx, name, ids)
		if err != nil {
			return err
		}
		for _, s := range stand {
			if s.State == "" || s.State == campaign.Done {
				continue
			}
			rec, err := r.ledger.Contact(ctx, name, s.Contact)
			if err != nil {
				return err
			}
			if err := r.rdb.SAdd(ctx, key, rec.Contact.Number()).Err(); err != nil {
				return wrap("note open contacts", err)
			}
		}
	}
}

// fill imports the snapshot into the run's campaign. It may be repeated.
func (r *Runner) fill(ctx context.Context, c *claim) error {
	now, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	rules := c.rule.Rules
	rules.Name = c.Name
	if err := rules.CheckAt(now); err != nil {
		return r.end(ctx, c, Failed, err.Error())
	}
	if c.began {
		// What a person has deleted in the middle of its import is not to come back.
		if _, err := r.ledger.Campaign(ctx, c.Name); errors.Is(err, ledger.ErrNoCampaign) {
			return r.end(ctx, c, Done, "its campaign was deleted")
		}
	}
	switch err := r.ledger.Create(ctx, rules, true); {
	case errors.Is(err, ledger.ErrCancelled):
		return r.end(ctx, c, Done, "its campaign was cancelled")
	case errors.Is(err, ledger.ErrDeleting):
		return r.end(ctx, c, Done, "its campaign was deleted")
	case err != nil:
		return err
	}
	if !c.began {
		if err := r.step(ctx, c, Importing, keep, "", map[string]any{"began": "1"}); err != nil {
			return err
		}
		c.began = true
	}
	idKey, err := r.ledger.IDKey(ctx)
	if err != nil {
		return err
	}
	numbers, err := r.rdb.SMembers(ctx, keyLeftOut(c.Name)).Result()
	if err != nil {
		return wrap("read open contacts", err)
	}
	im := &imported{leftOut: map[string]bool{}}
	for _, n := range numbers {
		im.leftOut[n] = true
	}
	err = eachStored(ctx, r.rdb, keyList(c.Name), func(name string, src io.Reader) error {
		list, err := contactlist.Open(src, contactlist.Options{
			Region: rules.Region, Columns: c.rule.Columns, IDKey: idKey, Name: name,
		})
		if err != nil {
			return err //nolint:wrapcheck // it names the list
		}
		if im.header, err = r.ledger.AddHeader(ctx, rules.Name, list.Header()); err != nil {
			return err
		}
		im.list = list
		t, err := r.producer.Import(ctx, rules, im, func(tasks.Tally) { crash.Point("batch_imported") })
		// Known ones are from an import that was interrupted.
		im.contacts += t.Added + t.Known + t.Suppressed
		return err
	})
	if errors.Is(err, ledger.ErrCancelled) {
		return r.end(ctx, c, Done, "its campaign was cancelled")
	}
	if err != nil {
		return err
	}
	crash.Point("imported")
	r.log.Info().Str("schedule", c.Schedule).Str("run", c.Name).Int("contacts", im.contacts).Int("rejected", im.rejected).
		Int("left_out", im.left).Msg("run started")
	return r.step(ctx, c, Running, keep, "", map[string]any{
		"contacts": im.contacts, "rejected": im.rejected, "left_out": im.left, "detail": im.why,
	})
}

// imported is the stream of a list's contacts, without those that are still open elsewhere.
type imported struct {
	list                     *contactlist.Reader
	header                   int
	leftOut                  map[string]bool
	contacts, rejected, left int
	why                      string // of the first rejected row
}

func (im *imported) Next() (campaign.Contact, error) {
	for {
		c, err := im.list.Next()
		if row, ok := errors.AsType[*contactlist.RejectedRow](err); ok {
			if im.rejected++; im.why == "" {
				im.why = "rejected: " + row.Error()
			}
			continue
		}
		if err != nil {
			return c, err //nolint:wrapcheck // io.EOF is its end, others name the list
		}
		if im.leftOut[c.Number()] {
			im.left++
			continue
		}
		c.List = im.header
		return c, nil
	}
}

// watch ends a run whose campaign is over.
func (r *Runner) watch(ctx context.Context, c *claim) error {
	camp, err := r.ledger.Campaign(ctx, c.Name)
	switch {
	case errors.Is(err, ledger.ErrNoCampaign):
		return r.end(ctx, c, Done, "its campaign was deleted")
	case err != nil:
		return err
	case camp.Counts.Open():
		return r.step(ctx, c, Running, 2*r.cfg.Every, "", nil)
	}
	outcomes, err := json.Marshal(camp.Counts.Outcomes)
	if err != nil {
		return wrap("end a run", err)
	}
	r.log.Info().Str("schedule", c.Schedule).Str("run", c.Name).Msg("run done")
	if err := r.step(ctx, c, Done, 0, "", map[string]any{"outcomes": outcomes}); err != nil {
		return err
	}
	return r.rdb.Unlink(ctx, keyLeftOut(c.Name)).Err()
}

// Sentence says where the run stands, for people.
func (r Run) Sentence() string {
	text := string(r.State)
	if r.Contacts > 0 || r.State == Running || r.State == Done {
		text += ", " + strconv.Itoa(r.Contacts) + " contacts"
	}
	if r.Rejected > 0 {
		text += fmt.Sprintf(", %d rows rejected", r.Rejected)
	}
	if r.LeftOut > 0 {
		text += fmt.Sprintf(", %d left out: still open in an earlier run", r.LeftOut)
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return text
}
