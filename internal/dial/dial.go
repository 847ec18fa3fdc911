// Package dial brings one round of one contact to its end: gate, line, slot, claim, POST; then the line's owner tracks and
// settles. docs/never-twice.md has the protocol, and a test here for each line of its tables.
package dial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// Ledger is what dialling needs of the record; *ledger.Ledger is one.
type Ledger interface {
	Look(ctx context.Context, campaign, contact string) (ledger.Record, ledger.Campaign, error)
	DNCHas(ctx context.Context, number string) (bool, error)
	Hold(ctx context.Context, campaign, contact string, reason campaign.Reason) error
	End(ctx context.Context, campaign, contact string, round int, outcome campaign.Outcome) (bool, error)
	Claim(ctx context.Context, c ledger.Claim) (campaign.Attempt, error)
	Release(ctx context.Context, ref campaign.Ref, reason string) (ledger.Claimed, error)
	Placed(ctx context.Context, ref campaign.Ref, ringOutID string) (campaign.Attempt, error)
	// Held says whether a Claim of a team's contact would be refused since another line may have called it, and until when.
	Held(team string, due time.Time) (until time.Time, held bool)
}

// Pauses says whether a campaign is paused; *tasks.Pauses is one.
type Pauses interface {
	Paused(ctx context.Context, campaign string) (bool, error)
}

// Settler ends an attempt that the line's owner does not track; *Book is one.
type Settler interface {
	Settle(ctx context.Context, ref campaign.Ref, v campaign.Verdict, seen campaign.Seen) (campaign.Attempt, error)
}

// Timing is what dialling waits and how long. Zero values get the defaults that are named.
type Timing struct {
	SendWithin time.Duration // from the claim to the POST at the latest; 5 s
	Place      time.Duration // for RingCentral's answer to the POST; 8 s
	Recheck    time.Duration // between two looks at a call that another worker tracks; 30 s
	LineRest   time.Duration // for a line whose number RingCentral does not accept; 5 min
	Patience   time.Duration // for a line to come free; 5 s
	Scale      int           // how many times faster than real time RingCentral runs, a simulator's; 1
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&t.SendWithin, 5*time.Second)
	set(&t.Place, 8*time.Second)
	set(&t.Recheck, 30*time.Second)
	set(&t.LineRest, 5*time.Minute)
	set(&t.Patience, 5*time.Second)
	t.Scale = max(t.Scale, 1)
	return t
}

// Config is what a Dialer is made of; all but Timing is required.
type Config struct {
	Ledger   Ledger
	Follower Follower
	Settler  Settler
	Pauses   Pauses
	Lines    Lines
	Now      func() time.Time // Redis's time
	Timing   Timing
}

// Dialer brings rounds to their end. It is safe for concurrent use.
type Dialer struct {
	Config

	mu       sync.Mutex
	trackers map[string]*Tracker // by extension
	late     map[string]int      // by extension: claims in a row that came too late for their slot
}

// New returns a dialer.
func New(cfg Config) *Dialer {
	cfg.Timing = cfg.Timing.withDefaults()
	return &Dialer{Config: cfg, trackers: map[string]*Tracker{}, late: map[string]int{}}
}

// Round names one round of one contact.
type Round struct {
	Campaign string
	Contact  string
	N        int // from 1
}

const stopping = "the worker stops; the call is handed over"

// Round brings a round to its end, or puts it off. It returns when the round's attempt is settled, which may be hours later;
// when ctx ends it hands over at once. Only the POST, once it was begun, is not stopped.
func (d *Dialer) Round(ctx context.Context, r Round) Result {
	for {
		result, err := d.step(ctx, r)
		switch {
		case result != nil:
			return result
		case err != nil && ctx.Err() != nil:
			return PutOff{After: time.Second, Reason: stopping}
		case err != nil:
			zerolog.Ctx(ctx).Error().Err(err).Str("campaign", r.Campaign).Str("contact", r.Contact).Msg("call put off")
			return PutOff{After: 5 * time.Second, Reason: "put off: " + err.Error()}
		}
	}
}

// step looks at the contact and takes it one attempt further. Without a result and an error, it is to be looked at again.
func (d *Dialer) step(ctx context.Context, r Round) (Result, error) {
	rec, c, decision, err := d.gate(ctx, r)
	if gone(err) {
		return Over{Text: "the campaign was deleted"}, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case rec.State == campaign.Done:
		return describe(rec), nil
	case rec.State == campaign.UnconfirmedHeld:
		return NeedsPerson{"unconfirmed: a phone may have rung; decide with `campaign unconfirmed`"}, nil
	case rec.State != campaign.Waiting:
		return PutOff{After: d.Timing.Recheck, Reason: "the call is under way on line " + newest(rec).Line}, nil
	case rec.Round != r.N:
		// The next round's task may be missing: the one who settled this round may have died before it was enqueued.
		if err := d.Follower.Follow(ctx, r.Campaign, r.Contact); err != nil {
			return nil, err //nolint:wrapcheck // it says what is wrong
		}
		return describe(rec), nil
	case !decision.Go:
		return d.closed(ctx, r, rec, c.Rules, decision)
	}
	if rec.Reason != "" {
		if err := d.Ledger.Hold(ctx, r.Campaign, r.Contact, ""); err != nil {
			return nil, err //nolint:wrapcheck // as above
		}
	}
	if _, held := d.Ledger.Held(c.Rules.Team, rec.Due); held {
		return d.redisHolds(), nil
	}
	crash.Point("gate")
	seat, err := d.Lines.Acquire(ctx, line.Request{
		Team: c.Rules.Team, Campaign: r.Campaign, Contact: r.Contact, Priority: c.Rules.Priority, Again: r.N > 1,
		Patience: d.Timing.Patience,
	})
	if errors.Is(err, line.ErrNoTeam) || errors.Is(err, line.ErrNoLine) {
		return PutOff{After: time.Second, Reason: "no line is free"}, nil
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	crash.Point("occupied")
	t := &try{Dialer: d, round: r, rec: rec, campaign: c, seat: seat}
	t.log = zerolog.Ctx(ctx).With().Str("campaign", r.Campaign).Str("contact", r.Contact).Str("line", seat.Line().Name).Logger()
	settled, putOff, err := t.run(ctx)
	if putOff != nil {
		return *putOff, nil
	}
	if err != nil || settled == nil {
		return nil, err
	}
	select {
	case <-settled:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// gate reads the contact and says whether its campaign's rules let it be called now.
func (d *Dialer) gate(ctx context.Context, r Round) (ledger.Record, ledger.Campaign, campaign.Decision, error) {
	none := campaign.Decision{}
	rec, c, err := d.Ledger.Look(ctx, r.Campaign, r.Contact)
	if err != nil {
		return rec, c, none, err //nolint:wrapcheck // it says what is wrong, here and below
	}
	suppressed, err := d.Ledger.DNCHas(ctx, rec.Contact.Number())
	if err != nil {
		return rec, c, none, err //nolint:wrapcheck // as above
	}
	paused, err := d.Pauses.Paused(ctx, r.Campaign)
	if err != nil {
		return rec, c, none, err //nolint:wrapcheck // as above
	}
	return rec, c, c.Rules.Gate(campaign.Situation{
		Cancelled: c.Cancelled, Paused: paused, Suppressed: suppressed, Contact: rec.Contact, DueAt: rec.Due,
	}, d.Now()), nil
}

// redisHolds puts off a contact that may have been called before Redis was restarted. Most of its campaign's are so.
func (d *Dialer) redisHolds() PutOff {
	return PutOff{After: d.scaled(5 * time.Second), Reason: ledger.RedisHolds, Campaign: d.scaled(2 * time.Second)}
}

// closed carries out a gate that is not open.
func (d *Dialer) closed(ctx context.Context, r Round, rec ledger.Record, rules campaign.Rules, decision campaign.Decision) (Result, error) {
	if decision.Never != "" {
		ended, err := d.Ledger.End(ctx, r.Campaign, r.Contact, rec.Round, decision.Never)
		if err != nil || !ended {
			return nil, err //nolint:wrapcheck // not ended: the contact moved on, look again
		}
		return Over{Text: string(decision.Never)}, nil
	}
	if err := d.Ledger.Hold(ctx, r.Campaign, r.Contact, decision.Reason); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	after := d.Timing.Recheck
	if !decision.Until.IsZero() {
		after = max(decision.Until.Sub(d.Now()), 0)
	}
	return PutOff{After: after, Reason: decision.Text(rules.Location(rec.Contact))}, nil
}

// try is one attempt on a line that is occupied for it.
type try struct {
	*Dialer
	round    Round
	rec      ledger.Record
	campaign ledger.Campaign
	seat     Seat
	log      zerolog.Logger
}

// run takes the try through slot, claim and POST. It returns a channel that closes when the attempt is settled; nil, where no
// call was placed and the contact is to be looked at again.
func (t *try) run(ctx context.Context) (<-chan struct{}, *PutOff, error) {
	// Login and connection come first: they may take longer than a slot or a claim stays good.
	if err := t.seat.Ready(ctx); err != nil {
		defer t.seat.Vacate() // once its extension waits
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		r := t.tracker(t.seat.Line().Extension.Key).Refused(t.dial(t.campaign.Rules.CallerID), Judge(err), time.Now())
		t.log.Error().Err(err).Dur("for", r.Wait).Msg(r.Text + "; the extension's lines wait")
		t.seat.Suspend(max(r.Wait, time.Second), r.Text)
		return nil, nil, nil
	}
	slot, err := t.seat.Reserve(ctx)
	if err != nil {
		defer t.seat.Vacate()
		if errors.Is(err, ratelimit.ErrSlow) {
			t.tooLate()
			return nil, nil, nil
		}
		return nil, nil, err //nolint:wrapcheck // it says what is wrong
	}
	crash.Point("reserved")
	// What the claim's script does not know is the hour, which the slot's wait may have closed.
	open := t.campaign.Rules.Gate(campaign.Situation{Contact: t.rec.Contact, DueAt: t.rec.Due}, t.Now()).Go
	within := min(time.Until(slot.Until), t.Timing.SendWithin)
	if !open || slot.Lapsed() || within <= 0 {
		t.seat.Vacate()
		if open {
			t.tooLate()
		}
		return nil, nil, t.seat.GiveBack(ctx, slot) //nolint:wrapcheck // as above
	}
	crash.Point("gated")
	// Measured from before the claim is asked for, so that it cannot be later than the ledger's send-by.
	sendBy := time.Now().Add(within)
	a, err := t.claim(ctx, within)
	if err != nil {
		putOff, err := t.unclaimed(ctx, slot, err)
		return nil, putOff, err
	}
	if ctx.Err() != nil || slot.Lapsed() || !time.Now().Before(sendBy) {
		t.release(ctx, "too late to send", nil)
		if ctx.Err() == nil {
			t.tooLate()
		}
		return nil, nil, errors.Join(ctx.Err(), t.seat.GiveBack(context.WithoutCancel(ctx), slot))
	}
	crash.Point("claimed")
	return t.post(ctx, a, slot, sendBy)
}

var errPaused = errors.New("the campaign was paused meanwhile")

// claim claims the attempt, and asks at the same time whether the campaign is paused, which Asynq's keys say.
func (t *try) claim(ctx context.Context, within time.Duration) (campaign.Attempt, error) {
	pause := make(chan error, 1)
	go func() {
		paused, err := t.Pauses.Paused(ctx, t.round.Campaign)
		if paused {
			err = errPaused
		}
		pause <- err
	}()
	l := t.seat.Line()
	a, err := t.Ledger.Claim(ctx, ledger.Claim{
		Ref: t.seat.Ref(), Round: t.round.N, Number: t.rec.Contact.Number(), Line: l.Name, LineNumber: l.Number,
		Extension: l.Extension.Key, SendWithin: within, Rules: t.campaign.Revision,
		Team: t.campaign.Rules.Team,
	})
	if paused := <-pause; err == nil {
		err = paused
	}
	return a, err //nolint:wrapcheck // it says what is wrong
}

// unclaimed cleans up after a claim that was refused, or of which it is not known whether it stands. Nothing was sent.
func (t *try) unclaimed(ctx context.Context, slot ratelimit.Slot, err error) (*PutOff, error) {
	var refused *ledger.RefusedError
	why := "the claim's answer was lost"
	switch {
	case errors.As(err, &refused):
		why = "refused: " + string(refused.Refusal)
	case errors.Is(err, errPaused):
		why = err.Error()
	}
	// The token is spent, whatever the refusal: the next try has another.
	t.release(ctx, why, nil)
	back := t.seat.GiveBack(context.WithoutCancel(ctx), slot)
	switch {
	case refused == nil && !errors.Is(err, errPaused):
		return nil, errors.Join(err, back)
	case refused == nil:
		return nil, back //nolint:wrapcheck // it says what is wrong
	case refused.Refusal == ledger.RefusedRedis:
		return &PutOff{After: t.scaled(5 * time.Second), Reason: ledger.RedisChanged}, nil
	case refused.Refusal == ledger.RefusedHeld:
		holds := t.redisHolds()
		return &holds, nil
	case refused.Refusal == ledger.RefusedNotDue:
		return &PutOff{After: time.Second, Reason: "not due yet"}, nil
	case refused.Refusal == ledger.RefusedVoid, refused.Refusal == ledger.RefusedLine:
		return &PutOff{After: time.Second, Reason: "the line was taken over meanwhile"}, nil
	}
	return nil, back //nolint:wrapcheck // as above
}

// post places the call. From here on nothing but the answer stops the request: a call that was sent must become known.
func (t *try) post(ctx context.Context, a campaign.Attempt, slot ratelimit.Slot, sendBy time.Time) (<-chan struct{}, *PutOff, error) {
	sent := context.WithoutCancel(ctx)
	l := t.seat.Line()
	call := ringout.Call{
		From: ringout.Endpoint{PhoneNumber: l.Number}, To: a.Number,
		CallerID: t.campaign.Rules.CallerID, PlayPrompt: t.campaign.Rules.PlayPrompt, SendBy: sendBy,
	}
	pctx, cancel := context.WithTimeout(sent, t.Timing.Place)
	placed, err := t.seat.Place(pctx, call)
	cancel()
	crash.Point("posted")
	dialled := t.dial(call.CallerID)
	if err == nil {
		t.tracker(l.Extension.Key).Placed(dialled, time.Now())
		t.inTime()
		t.seat.Worked()
		t.log.Info().Int("attempt", a.N).Str("number", campaign.Mask(call.To)).Msg("call placed")
		a.RingOutID = placed.ID
		if stored, err := t.Ledger.Placed(sent, t.seat.Ref(), placed.ID); err == nil {
			a = stored
		} else {
			t.log.Error().Err(err).Msg("id of the placed call not stored yet")
		}
		crash.Point("placed")
		return t.seat.Track(t.campaign.Rules, a), nil, nil
	}
	r := t.tracker(l.Extension.Key).Refused(dialled, Judge(err), time.Now())
	if r.Blame == BlameUnknown {
		t.seat.Failed("RingCentral fails when calls are placed")
		t.log.Warn().Err(err).Int("attempt", a.N).Msg("unknown whether the call was placed")
		return t.seat.Confirm(a, "RingCentral's answer was lost"), nil, nil
	}
	if e, ok := errors.AsType[*ringout.Error](err); ok && e.Kind == ringout.NotSent {
		// The slot was not used: somebody else may have it.
		if back := t.seat.GiveBack(sent, slot); back != nil {
			t.log.Warn().Err(back).Msg("slot not given back")
		}
		if errors.Is(err, ringout.ErrTooLate) {
			t.tooLate()
		}
	}
	return t.refused(ctx, err, r)
}

// dial is the try as a Tracker wants to know it.
func (t *try) dial(callerID string) Dial {
	return Dial{Contact: t.round.Campaign + ":" + t.round.Contact, Line: t.seat.Line().Number, CallerID: callerID}
}

func (d *Dialer) tracker(extension string) *Tracker {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.trackers[extension]
	if t == nil {
		t = &Tracker{Scale: d.Timing.Scale}
		d.trackers[extension] = t
	}
	return t
}

// refused carries out what a refused POST leads to. No phone rang.
func (t *try) refused(ctx context.Context, cause error, r Refusal) (<-chan struct{}, *PutOff, error) {
	log := t.log.Error
	if r.Blame == BlameNobody || r.Blame == BlameLimit || r.Blame == BlameContact {
		log = t.log.Warn
	}
	log().Err(cause).Stringer("blame", r.Blame).Dur("wait", r.Wait).Msg("RingCentral does not place the call: " + r.Text)
	switch r.Blame {
	case BlameContact:
		return t.settle(ctx, r)
	case BlameCallerID:
		t.release(ctx, r.Text, nil)
		return nil, t.holdCallerID(r), nil
	case BlameLine:
		t.release(ctx, r.Text, func() { t.seat.Rest(r.Wait) })
		return nil, &PutOff{After: r.After, Reason: r.Text}, nil
	case BlameExtension:
		t.seat.Suspend(r.Wait, r.Text)
	}
	t.release(ctx, r.Text, nil)
	return nil, nil, nil
}

// settle ends an attempt that was refused for the contact's sake: the contact waits, longer each time, or has its outcome.
func (t *try) settle(ctx context.Context, r Refusal) (<-chan struct{}, *PutOff, error) {
	settled := make(chan struct{})
	a, err := t.Settler.Settle(context.WithoutCancel(ctx), t.seat.Ref(), r.Verdict(), campaign.Seen{})
	if err != nil {
		// The claim stands without a call; the line's owner, this one or the next, finds it so.
		return t.seat.Confirm(campaign.Attempt{}, r.Text), nil, err //nolint:wrapcheck // it says what is wrong
	}
	t.seat.Settled(a)
	t.seat.Vacate()
	close(settled)
	t.log.Info().Str("outcome", string(a.Outcome)).Str("detail", a.Detail).Msg("attempt settled")
	return settled, nil, nil
}

// holdCallerID keeps calls from being tried whose caller ID RingCentral does not allow. Where another extension shows it,
// only this one's lines wait; else the campaign does, since no line could place its calls.
func (t *try) holdCallerID(r Refusal) *PutOff {
	own, callerID := t.tracker(t.seat.Line().Extension.Key), t.campaign.Rules.CallerID
	t.mu.Lock()
	elsewhere := false
	for _, other := range t.trackers {
		elsewhere = elsewhere || other != own && other.Shows(callerID, time.Now())
	}
	t.mu.Unlock()
	if elsewhere {
		t.seat.Suspend(r.Wait, r.Text)
		return nil
	}
	return &PutOff{After: r.After, Reason: r.Text, Campaign: r.Wait}
}

func (d *Dialer) scaled(wait time.Duration) time.Duration {
	return wait / time.Duration(d.Timing.Scale)
}

const (
	lateSome = 3 // slots in a row that pass before they can be used: not chance any more
	lateRest = time.Second
	lateMost = 5 // doublings
)

// tooLate counts a slot that passed before it could be used. Where that happens again and again, the extension's lines wait,
// longer each time, and it is said why: nothing else would tell that nothing is dialled.
func (t *try) tooLate() {
	l := t.seat.Line()
	t.mu.Lock()
	t.late[l.Extension.Key]++
	n := t.late[l.Extension.Key]
	t.mu.Unlock()
	if n < lateSome {
		return
	}
	wait := lateRest << min(n-lateSome, lateMost)
	why := "slots of RingCentral's quota pass before they can be used: Redis is too far away, or it or this machine too slow"
	t.log.Error().Int("in_a_row", n).Dur("for", wait).Msg(why)
	t.seat.Suspend(wait, why)
}

func (t *try) inTime() {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.late, t.seat.Line().Extension.Key)
}

// release undoes the claim of a call that was certainly not sent, then frees the line by free (nil: vacate it). While Redis
// is away it keeps trying; if the process ends first, the line's next owner finds an attempt without an id.
func (t *try) release(ctx context.Context, reason string, free func()) {
	if free == nil {
		free = t.seat.Vacate
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		_, err := t.Ledger.Release(rctx, t.seat.Ref(), reason)
		cancel()
		if err == nil {
			crash.Point("released")
			free()
			return
		}
		t.log.Error().Err(err).Msg("release the claim (trying again)")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func newest(rec ledger.Record) campaign.Attempt {
	if len(rec.Attempts) == 0 {
		return campaign.Attempt{}
	}
	return rec.Attempts[len(rec.Attempts)-1]
}

// describe says in words where a contact stands.
func describe(rec ledger.Record) Over {
	a := newest(rec)
	o := Over{Text: string(rec.Outcome), Attempt: a.N, Line: a.Line}
	if rec.State == campaign.Waiting {
		why := string(a.Outcome)
		if why == "" {
			why = a.Detail
		}
		o.Text = fmt.Sprintf("%s, again %s", why, rec.Due.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return o
}
