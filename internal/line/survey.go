package line

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/ringout"
)

// Survey is what RingCentral knows of an extension's calls.
type Survey struct {
	Calls []Found
	At    time.Time // RingCentral's clock when it was asked
	// Gaps says in words what could not be asked, and never will be; without any the survey is complete.
	Gaps []string

	presence ringout.Presence
}

// Found is a call in a survey: a RingOut, or one that goes on and may be one.
type Found struct {
	Session   string    // names the call
	StartedAt time.Time // on RingCentral's clock; zero if it does not say
	Numbers   []string  // of both ends, as RingCentral wrote them: compare by ringout.SameNumber
}

// Survey asks RingCentral for the extension's calls since an instant of RingCentral's clock, which since is told. It
// uses up one request of the Light group and two of the Heavy one; more if the log is long.
func (e *Extension) Survey(ctx context.Context, since func(now time.Time) time.Time) (Survey, error) {
	s := Survey{At: time.Now()}
	// Presence comes first: a call that ends meanwhile is in active-calls for two minutes, long enough to reach the log.
	if _, err := e.Wait(ctx, ringout.Light); err != nil {
		return s, err
	}
	var err error
	switch s.presence, err = e.Calls.Presence(ctx); {
	case err == nil:
		if !s.presence.At.IsZero() {
			s.At = s.presence.At
		}
	case !s.gap(err, "presence"):
		return s, err
	}
	if _, err := e.Wait(ctx, ringout.Heavy); err != nil {
		return s, err
	}
	active, err := e.Calls.ActiveCalls(ctx)
	whole := active.Complete
	switch {
	case err == nil:
		if !active.At.IsZero() {
			s.At = active.At
		}
	case s.gap(err, "active calls"):
		whole = true // as far as it may be read
	default:
		return s, err
	}
	from := since(s.At)
	log, complete, err := e.log(ctx, from)
	if err != nil && !s.gap(err, "the call log") {
		return s, err
	}
	if err == nil && (!complete || !whole) {
		s.Gaps = append(s.Gaps, "the list of calls is too long to be read")
	}
	s.collect(append(active.Calls, log...), from)
	return s, nil
}

// gap notes what may not be asked; false for an error that may pass.
func (s *Survey) gap(err error, what string) bool {
	if !errors.Is(err, ringout.ErrForbidden) {
		return false
	}
	s.Gaps = append(s.Gaps, "the app may not read "+what)
	return true
}

// maxLogPages bounds a survey; ten pages take a minute of the Heavy quota.
const maxLogPages = 100

// log reads the call log from an instant on, page by page.
func (e *Extension) log(ctx context.Context, from time.Time) (calls []ringout.Record, complete bool, err error) {
	var to time.Time
	for range maxLogPages {
		if _, err := e.Wait(ctx, ringout.Heavy); err != nil {
			return nil, false, err
		}
		page, err := e.Calls.CallLog(ctx, ringout.LogQuery{From: from, To: to})
		if err != nil {
			return nil, false, err
		}
		calls = append(calls, page.Calls...)
		if page.Complete || len(page.Calls) == 0 {
			return calls, page.Complete, nil
		}
		// The newest come first; the pages overlap by the calls of one instant.
		oldest := page.Calls[len(page.Calls)-1].StartedAt
		if oldest.IsZero() || (!to.IsZero() && !oldest.Before(to)) {
			break
		}
		to = oldest
	}
	return calls, false, nil
}

// collect finds the RingOuts among the records, and the calls of presence that the records do not have yet.
func (s *Survey) collect(records []ringout.Record, from time.Time) {
	recent := func(at time.Time) bool { return at.IsZero() || !at.Before(from) }
	recorded := map[string]bool{}
	for _, r := range sessions(records) {
		recorded[r.SessionID], recorded[r.TelephonySessionID] = true, true
		if r.RingOut() && recent(r.StartedAt) {
			s.Calls = append(s.Calls, Found{
				Session: cmp.Or(r.SessionID, r.TelephonySessionID, r.ID, r.StartedAt.Format(time.RFC3339)), StartedAt: r.StartedAt, Numbers: numbersOf(r),
			})
		}
	}
	for _, c := range s.presence.Calls {
		known := c.SessionID != "" && recorded[c.SessionID] || c.TelephonySessionID != "" && recorded[c.TelephonySessionID]
		if c.TelephonyStatus != noCall && !known && recent(c.StartedAt) {
			s.Calls = append(s.Calls, Found{
				Session: cmp.Or(c.SessionID, c.TelephonySessionID, c.ID, c.StartedAt.Format(time.RFC3339)), StartedAt: c.StartedAt, Numbers: []string{c.From, c.To},
			})
		}
	}
}

const noCall = "NoCall"

// Busy says whether the line's agent may be on a call.
func (s Survey) Busy(l Line) bool {
	if s.presence.Telephony == "" || strings.EqualFold(s.presence.Telephony, noCall) {
		return false
	}
	certain := false // that all calls are other phones'
	for _, c := range s.presence.Calls {
		if c.TelephonyStatus == noCall {
			continue
		}
		if !otherNumber(c.From, l.Number) || !otherNumber(c.To, l.Number) {
			return true
		}
		certain = true
	}
	return !certain
}

// Live counts the calls on the extension that this worker tracks.
func (e *Extension) Live() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live
}

// Publish records which lines this worker has in its settings, in a Redis that may have lost it.
func (p *Pool) Publish(ctx context.Context) error {
	numbers := make([]any, 0, len(p.cfg.Lines))
	for _, l := range p.cfg.Lines {
		numbers = append(numbers, l.Number)
	}
	if err := p.store.rdb.SAdd(ctx, keyLines, numbers...).Err(); err != nil {
		return fmt.Errorf("publish lines: %w", err)
	}
	return nil
}
