package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ringout"
)

// Timing is what the handler waits and how long. Zero values get the defaults that are named.
type Timing struct {
	SendWithin time.Duration // from the claim to the POST at the latest; 5 s
	Place      time.Duration // for RingCentral's answer to the POST; 8 s
	Recheck    time.Duration // between two looks at a call that another worker tracks; 30 s
	LineRest   time.Duration // for a line whose number RingCentral does not accept; 5 min
	Scale      int           // how many times faster than real time RingCentral runs, a simulator's; 1
}

func (t Timing) withDefaults() Timing {
	if t.SendWithin == 0 {
		t.SendWithin = 5 * time.Second
	}
	if t.Place == 0 {
		t.Place = 8 * time.Second
	}
	if t.Recheck == 0 {
		t.Recheck = 30 * time.Second
	}
	t.Scale = max(t.Scale, 1)
	if t.LineRest == 0 {
		t.LineRest = 5 * time.Minute
	}
	return t
}

// Handler brings one round of one contact to its end: gate, occupy, reserve, gate again, claim, POST; then the line's
// owner tracks and settles. docs/never-twice.md has the protocol.
type Handler struct {
	ledger   *ledger.Ledger
	producer *Producer
	pool     *line.Pool
	pauses   *Pauses
	timing   Timing
	now      func() time.Time
	stop     context.Context //nolint:containedctx // the process's: its end makes handlers hand over and return

	proven *sync.Map // line's number and caller ID that have placed a call
}

// NewHandler returns a handler; a Server runs it.
func NewHandler(l *ledger.Ledger, p *Producer, pool *line.Pool, pauses *Pauses, t Timing) *Handler {
	return &Handler{
		ledger: l, producer: p, pool: pool, pauses: pauses, timing: t.withDefaults(), now: time.Now, stop: context.Background(),
		proven: &sync.Map{},
	}
}

// until returns the same handler for one campaign, which hands over as soon as stop ends.
func (h *Handler) until(stop context.Context) *Handler {
	c := *h
	c.stop = stop
	return &c
}

// Result is what a finished task leaves in Asynq's monitor.
type Result struct {
	Result  string `json:"result"` // readable, nothing personal
	Attempt int    `json:"attempt,omitempty"`
	Line    string `json:"line,omitempty"`
}

// HandleCall processes a call task. It returns nil when the round is over (or was over before), a *DeferError when the
// round is not over yet, and an error with asynq.SkipRetry, which puts the task into Asynq's archive, for what a person
// must look at.
func (h *Handler) HandleCall(ctx context.Context, t *asynq.Task) error {
	p, err := parsePayload(t)
	if err != nil {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	// Until the claim, both Asynq (its cancel button) and the process may stop a handler.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.stop, cancel)()
	for {
		done, result, err := h.round(ctx, p)
		switch {
		case h.stop.Err() != nil && err != nil:
			return &DeferError{After: time.Second, Reason: "the worker stops; the call is handed over"}
		case err != nil:
			var d *DeferError
			if errors.As(err, &d) || errors.Is(err, asynq.SkipRetry) {
				return err
			}
			zerolog.Ctx(ctx).Error().Err(err).Str("campaign", p.Campaign).Str("contact", p.Contact).Msg("call put off")
			return &DeferError{After: 5 * time.Second, Reason: "put off: " + err.Error()}
		case done:
			return writeResult(t, result)
		}
	}
}

func writeResult(t *asynq.Task, r Result) error {
	src, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	if w := t.ResultWriter(); w != nil {
		// The ledger has the outcome; a result that the monitor lacks is no reason to run the task again.
		_, _ = w.Write(src)
	}
	return nil
}

// round looks at the contact and takes it one attempt further. Not done and no error: look again at once.
func (h *Handler) round(ctx context.Context, p CallPayload) (done bool, r Result, err error) {
	rec, c, d, err := h.look(ctx, p)
	if gone(err) {
		return true, Result{Result: "the campaign was deleted"}, nil
	}
	if err != nil {
		return false, r, err
	}
	switch {
	case rec.State == campaign.Done:
		return true, h.describe(rec), nil
	case rec.State == campaign.UnconfirmedHeld:
		return false, r, fmt.Errorf("unconfirmed: a phone may have rung; decide with `campaign unconfirmed`: %w", asynq.SkipRetry)
	case rec.State != campaign.Waiting:
		return false, r, &DeferError{After: h.timing.Recheck, Reason: "the call is under way on line " + lastAttempt(rec).Line}
	case rec.Round != p.Round:
		// The next round's task may be missing: the one who settled this round may have died before it was enqueued.
		if err := h.producer.Follow(ctx, p.Campaign, p.Contact); err != nil {
			return false, r, err
		}
		return true, h.describe(rec), nil
	case !d.Go:
		return h.refuse(ctx, p, rec, c.Rules, d)
	}
	if rec.Reason != "" {
		if err := h.ledger.Hold(ctx, p.Campaign, p.Contact, ""); err != nil {
			return false, r, err
		}
	}
	crash.Point("gate")
	seat, err := h.pool.Acquire(ctx, line.Request{
		Team: c.Rules.Team, Campaign: p.Campaign, Contact: p.Contact, Priority: c.Rules.Priority, Again: p.Round > 1,
	})
	if err != nil {
		return false, r, err
	}
	crash.Point("occupied")
	settled, err := h.dial(ctx, p, seat)
	if err != nil || settled == nil {
		return false, r, err
	}
	select {
	case <-settled:
		return false, r, nil
	case <-h.stop.Done():
		return false, r, h.stop.Err()
	}
}

// look reads the contact and asks the gate.
func (h *Handler) look(ctx context.Context, p CallPayload) (ledger.Record, ledger.Campaign, campaign.Decision, error) {
	none := campaign.Decision{}
	rec, c, err := h.ledger.Look(ctx, p.Campaign, p.Contact)
	if err != nil {
		return rec, c, none, err
	}
	suppressed, err := h.ledger.DNCHas(ctx, rec.Contact.Number())
	if err != nil {
		return rec, c, none, err
	}
	paused, err := h.pauses.Paused(ctx, p.Campaign)
	if err != nil {
		return rec, c, none, err
	}
	return rec, c, c.Rules.Gate(campaign.Situation{
		Cancelled: c.Cancelled, Paused: paused, Suppressed: suppressed, Contact: rec.Contact, DueAt: rec.Due,
	}, h.now()), nil
}

// refuse carries out a gate that is not open.
func (h *Handler) refuse(ctx context.Context, p CallPayload, rec ledger.Record, rules campaign.Rules, d campaign.Decision) (bool, Result, error) {
	if d.Never != "" {
		ended, err := h.ledger.End(ctx, p.Campaign, p.Contact, rec.Round, d.Never)
		if err != nil || !ended {
			return false, Result{}, err // not ended: the contact moved on, look again
		}
		return true, Result{Result: string(d.Never)}, nil
	}
	if err := h.ledger.Hold(ctx, p.Campaign, p.Contact, d.Reason); err != nil {
		return false, Result{}, err
	}
	after := h.timing.Recheck
	if !d.Until.IsZero() {
		after = max(d.Until.Sub(h.now()), 0)
	}
	return false, Result{}, &DeferError{After: after, Reason: d.Text(rules.Location(rec.Contact))}
}

// dial takes an occupied line through reservation, second gate, claim and POST. It returns a channel that closes when the
// attempt is settled, or nil where no call was placed and the contact is to be looked at again.
func (h *Handler) dial(ctx context.Context, p CallPayload, seat *line.Seat) (<-chan struct{}, error) {
	l := seat.Line()
	log := zerolog.Ctx(ctx).With().Str("campaign", p.Campaign).Str("contact", p.Contact).Str("line", l.Name).Logger()
	// The login comes first: it may take longer than a slot or a claim stays good.
	if err := l.Extension.Calls.Login(ctx); err != nil {
		seat.Vacate()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h.suspend(log, l, time.Minute, err, "RingCentral does not accept the login")
		return nil, nil
	}
	slot, err := l.Extension.Wait(ctx, ringout.Heavy)
	if err != nil {
		seat.Vacate()
		return nil, err
	}
	crash.Point("reserved")
	rec, c, d, err := h.look(ctx, p)
	if err != nil || !d.Go || rec.State != campaign.Waiting || rec.Round != p.Round || slot.Lapsed() {
		seat.Vacate()
		return nil, errors.Join(err, l.Extension.Quota.GiveBack(ctx, slot))
	}
	call := ringout.Call{
		From: ringout.Endpoint{PhoneNumber: l.Number}, To: rec.Contact.Number(),
		CallerID: c.Rules.CallerID, PlayPrompt: c.Rules.PlayPrompt,
	}
	crash.Point("gated")
	// Measured from before the claim is asked for, so that it cannot be later than the ledger's send-by.
	sendBy := time.Now().Add(h.timing.SendWithin)
	a, err := h.ledger.Claim(ctx, ledger.Claim{
		Ref: seat.Ref, Round: p.Round, Number: call.To, Line: l.Name, LineNumber: l.Number, Extension: l.Extension.Key,
		SendWithin: h.timing.SendWithin,
	})
	var refused *ledger.RefusedError
	switch {
	case errors.As(err, &refused):
		// No phone rings. The token is spent, whatever the refusal: the next try has another.
		h.release(log, seat, "refused: "+string(refused.Refusal), nil)
		if refused.Refusal == ledger.RefusedRedis {
			d := &DeferError{After: 5 * time.Second / time.Duration(h.timing.Scale), Reason: ledger.RedisChanged}
			return nil, errors.Join(d, l.Extension.Quota.GiveBack(ctx, slot))
		}
		if refused.Refusal == ledger.RefusedNotDue || refused.Refusal == ledger.RefusedVoid {
			return nil, &DeferError{After: time.Second, Reason: "not due yet"}
		}
		return nil, nil
	case err != nil:
		// It may stand. Nothing was sent, so it can be undone.
		h.release(log, seat, "the claim's answer was lost", nil)
		return nil, err
	case ctx.Err() != nil || slot.Lapsed() || !time.Now().Before(sendBy):
		h.release(log, seat, "too late to send", nil)
		return nil, ctx.Err()
	}
	crash.Point("claimed")
	// From here on nothing but the answer stops the request: a call that was sent must become known.
	pctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.timing.Place)
	call.SendBy = sendBy
	placed, err := l.Extension.Calls.Place(pctx, call)
	cancel()
	crash.Point("posted")
	if err == nil {
		h.proven.Store(l.Number+" "+call.CallerID, true)
		l.Extension.Worked()
		log.Info().Int("attempt", a.N).Str("number", campaign.Mask(call.To)).Msg("call placed")
		a.RingOutID = placed.ID
		if stored, err := h.ledger.Placed(context.WithoutCancel(ctx), seat.Ref, placed.ID); err == nil {
			a = stored
		} else {
			log.Error().Err(err).Msg("id of the placed call not stored yet")
		}
		crash.Point("placed")
		return seat.Track(c.Rules, a), nil
	}
	var e *ringout.Error
	if errors.As(err, &e) && e.Kind == ringout.Unknown {
		l.Extension.Failed("RingCentral fails when calls are placed")
		log.Warn().Err(err).Int("attempt", a.N).Msg("unknown whether the call was placed")
		return seat.Confirm(a, "RingCentral's answer was lost"), nil
	}
	_, proven := h.proven.Load(l.Number + " " + call.CallerID)
	return h.refused(log, seat, err, judge(err, proven))
}

// refused carries out what a refused POST leads to. No phone rang.
func (h *Handler) refused(log zerolog.Logger, seat *line.Seat, cause error, r refusal) (<-chan struct{}, error) {
	l := seat.Line()
	switch r.blame {
	case blameNumber:
		settled := make(chan struct{})
		v := campaign.Verdict{Ended: true, Outcome: r.outcome, Detail: r.text}
		a, err := NewBook(h.ledger, h.producer).Settle(context.WithoutCancel(h.stop), seat.Ref, v, campaign.Seen{})
		if err != nil {
			// The claim stands without a call; the line's owner, this one or the next, finds it so.
			return seat.Confirm(campaign.Attempt{}, r.text), err
		}
		seat.Settled(a)
		seat.Vacate()
		close(settled)
		log.Info().Str("outcome", string(r.outcome)).Str("detail", r.text).Msg("attempt settled")
		return settled, nil
	case blameLine:
		log.Error().Err(cause).Msg(r.text)
		h.release(log, seat, r.text, func() { seat.Rest(h.timing.LineRest) })
	default:
		if r.wait > 0 {
			h.suspend(log, l, r.wait, cause, r.text)
			l.Extension.Failed(r.text)
		}
		h.release(log, seat, r.text, nil)
	}
	return nil, nil
}

// suspend keeps the extension's lines idle for a while and says so.
func (h *Handler) suspend(log zerolog.Logger, l line.Line, d time.Duration, cause error, why string) {
	d /= time.Duration(h.timing.Scale)
	var e *ringout.Error
	if errors.As(cause, &e) && e.RetryAfter > d {
		d = e.RetryAfter
	}
	log.Error().Err(cause).Dur("for", d).Msg(why + "; the extension's lines wait")
	l.Extension.Suspend(d, why)
}

// release undoes the claim of a call that was certainly not sent, then frees the line by free (nil: vacate it). While Redis
// is away it keeps trying; if the process ends first, the line's next owner finds an attempt without an id.
func (h *Handler) release(log zerolog.Logger, seat *line.Seat, reason string, free func()) {
	if free == nil {
		free = seat.Vacate
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(h.stop), 3*time.Second)
		_, err := h.ledger.Release(ctx, seat.Ref, reason)
		cancel()
		if err == nil {
			crash.Point("released")
			free()
			return
		}
		log.Error().Err(err).Msg("release the claim (trying again)")
		select {
		case <-time.After(pause):
		case <-h.stop.Done():
			return
		}
	}
}

func lastAttempt(rec ledger.Record) campaign.Attempt {
	if len(rec.Attempts) == 0 {
		return campaign.Attempt{}
	}
	return rec.Attempts[len(rec.Attempts)-1]
}

// describe says in words where a contact stands.
func (h *Handler) describe(rec ledger.Record) Result {
	a := lastAttempt(rec)
	r := Result{Result: string(rec.Outcome), Attempt: a.N, Line: a.Line}
	if rec.State == campaign.Waiting {
		why := string(a.Outcome)
		if why == "" {
			why = a.Detail
		}
		r.Result = fmt.Sprintf("%s, again %s", why, rec.Due.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return r
}
