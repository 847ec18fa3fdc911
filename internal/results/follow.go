package results

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

const (
	followEvery = 500 * time.Millisecond
	followPage  = 1000
)

// ErrBehind says that more has happened since the last look than the ledger keeps events of.
var ErrBehind = errors.New("fell too far behind what happens in the campaign; rows are missing: start again")

// ErrColumns says that a list was imported meanwhile whose columns the header has not.
var ErrColumns = errors.New("a list with other columns was imported meanwhile, and CSV has one header: start again, or take --format jsonl")

// Follow writes the rows of contacts, or attempts, that have ended, then of each one as it ends, until the campaign is over
// and nothing more can end. Formats are CSV and Lines.
func Follow(ctx context.Context, l *ledger.Ledger, name string, w io.Writer, o Options) error {
	out, err := newWriter(ctx, l, name, w, o)
	if err != nil {
		return err
	}
	f := follower{writer: out, ledger: l, name: name, seed: maphash.MakeSeed(), written: map[uint64]bool{}}
	if f.after, err = l.LastEvent(ctx, name); err != nil {
		return err
	}
	if err := l.Each(ctx, name, f.whatEnded); err != nil {
		return err
	}
	until, err := l.LastEvent(ctx, name)
	if err != nil {
		return err
	}
	f.until = until
	for {
		over, err := f.catchUp(ctx)
		if err := errors.Join(err, f.flush()); err != nil || over {
			return err
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
			return f.close()
		}
	}
}

type follower struct {
	*writer
	ledger *ledger.Ledger
	name   string
	after  string // the last event that was looked at

	// What was written by whatEnded may have ended after the first look at the events: until that time is past, it is not
	// written again.
	until   string
	seed    maphash.Seed
	written map[uint64]bool
}

func (f *follower) whatEnded(r ledger.Record) error {
	if !f.Attempts {
		if r.State != campaign.Done {
			return nil
		}
		f.once(r.Contact.ID, 0)
		return f.contact(r)
	}
	for i, a := range r.Attempts {
		if a.EndedAt.IsZero() {
			continue
		}
		f.once(r.Contact.ID, a.N)
		if err := f.attempt(r, i); err != nil {
			return err
		}
	}
	return nil
}

// once says whether something is written the first time.
func (f *follower) once(contact string, attempt int) bool {
	key := maphash.String(f.seed, contact+" "+strconv.Itoa(attempt))
	if f.written[key] {
		return false
	}
	f.written[key] = true
	return true
}

// catchUp writes what has ended since the last look; over says that nothing more will.
func (f *follower) catchUp(ctx context.Context) (over bool, err error) {
	// Before the events, so that none comes between them and an end.
	c, err := f.ledger.Campaign(ctx, f.name)
	if errors.Is(err, ledger.ErrNoCampaign) {
		return true, fmt.Errorf("%s was deleted", f.name)
	}
	if err != nil {
		return false, err
	}
	for {
		events, err := f.ledger.Events(ctx, f.name, f.after, followPage)
		if err != nil {
			return false, err
		}
		if lost, err := f.ledger.EventsLost(ctx, f.name, f.after); err != nil || lost {
			return false, errors.Join(err, behind(lost))
		}
		for _, e := range events {
			f.after = e.ID
			if err := f.event(ctx, e); err != nil {
				return false, err
			}
		}
		if len(events) < followPage {
			return !c.Counts.Open(), nil
		}
	}
}

func behind(lost bool) error {
	if lost {
		return ErrBehind
	}
	return nil
}

func (f *follower) event(ctx context.Context, e ledger.Event) error {
	ends := e.Kind == "ended" || e.Kind == "resolved"
	if f.Attempts {
		ends = e.Kind == "settled" || e.Kind == "resolved"
	}
	if !ends {
		return nil
	}
	if f.written != nil {
		if ledger.Later(e.ID, f.until) {
			f.written = nil // all that comes now is new
		} else if !f.once(e.Contact, attemptOf(f.Attempts, e)) {
			return nil
		}
	}
	r, err := f.ledger.Contact(ctx, f.name, e.Contact)
	switch {
	case errors.Is(err, ledger.ErrNoContact):
		return nil
	case err != nil:
		return err
	}
	if err := f.widen(ctx, r); err != nil {
		return err
	}
	switch {
	case !f.Attempts && r.State == campaign.Done:
		return f.contact(r)
	case f.Attempts && e.Attempt > 0 && e.Attempt <= len(r.Attempts):
		return f.attempt(r, e.Attempt-1)
	}
	return nil
}

// widen takes over the columns of a list that was imported meanwhile. Lines of JSON have theirs; CSV's are in its header.
func (f *follower) widen(ctx context.Context, r ledger.Record) error {
	if f.Masked || r.Contact.List < len(f.lists) {
		return nil
	}
	headers, err := f.ledger.Headers(ctx, f.name)
	if err != nil {
		return err
	}
	own := len(contactColumns)
	if f.Attempts {
		own += len(attemptColumns)
	}
	before := len(f.columns)
	f.lists, f.columns = placeOwn(slices.Clone(f.columns[:own]), headers)
	switch e := f.encoder.(type) {
	case *jsonEncoder:
		e.columns = f.columns
	default:
		if len(f.columns) > before {
			return ErrColumns
		}
	}
	return nil
}

func attemptOf(attempts bool, e ledger.Event) int {
	if attempts {
		return e.Attempt
	}
	return 0
}
