package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ringout"
)

// call is a call in RingCentral's records, and what the ledger has of it.
type call struct {
	line.Found
	of        *survey
	at        time.Time // on Redis's clock; zero if unknown
	explained bool      // an attempt is this call
	contacts  []contact // who may have been called, as far as open campaigns go
}

type contact struct {
	campaign, id, number string
	state                campaign.ContactState
	due                  time.Time
}

// pair is a call that an attempt may be.
type pair struct {
	call    *call
	attempt string
	apart   time.Duration
}

var errUnderWay = errors.New("a call is still being found out about whose contact RingCentral's records show with another one")

// adopt finds the calls of which the ledger has no attempt, and holds their contacts. It returns the surveys for which this is
// to be repeated: a contact of theirs has a call under way.
func (w *Watcher) adopt(ctx context.Context, surveys []*survey) (later []*survey, err error) {
	calls := callsOf(surveys)
	if len(calls) == 0 {
		return nil, nil
	}
	campaigns, err := w.ledger.Campaigns(ctx)
	if err != nil {
		return nil, err
	}
	index := indexOf(calls)
	var pairs []pair
	for _, c := range campaigns {
		if c.Counts.Open() {
			if pairs, err = w.match(ctx, c.Rules.Name, !c.Cancelled, index, pairs); err != nil {
				return nil, err
			}
		}
	}
	explain(pairs)
	// Campaigns that are over have nobody to hold, but may have called the same number.
	if slices.ContainsFunc(calls, (*call).lost) {
		for _, c := range campaigns {
			if !c.Counts.Open() {
				if pairs, err = w.match(ctx, c.Rules.Name, false, index, pairs); err != nil {
					return nil, err
				}
			}
		}
		explain(pairs)
	}
	for _, c := range calls {
		if !c.lost() {
			continue
		}
		busy, err := w.hold(ctx, c)
		if err != nil {
			return nil, err
		}
		if busy && !slices.Contains(later, c.of) {
			later = append(later, c.of)
		}
	}
	return later, nil
}

// callsOf lists the surveys' calls, the same call of two extensions once for each.
func callsOf(surveys []*survey) []*call {
	var calls []*call
	for _, s := range surveys {
		for _, f := range s.Calls {
			c := &call{Found: f, of: s}
			if !f.StartedAt.IsZero() {
				c.at = f.StartedAt.Add(-s.off)
			}
			calls = append(calls, c)
		}
	}
	return calls
}

// lost says whether the call is one that the ledger should have and has not.
func (c *call) lost() bool { return !c.explained && len(c.contacts) > 0 }

// line is the one that the call was placed from, as far as the record says.
func (c *call) line() line.Line {
	for _, l := range c.of.lines {
		if slices.ContainsFunc(c.Numbers, func(n string) bool { return ringout.SameNumber(n, l.Number) }) {
			return l
		}
	}
	return c.of.lines[0]
}

// index finds calls by a number.
type index struct {
	plain  map[string][]*call // by digits
	masked map[*call][]string
}

func indexOf(calls []*call) index {
	x := index{plain: map[string][]*call{}, masked: map[*call][]string{}}
	for _, c := range calls {
		for _, n := range c.Numbers {
			if strings.ContainsAny(n, "Xx") {
				x.masked[c] = append(x.masked[c], n)
				continue
			}
			if d := digits(n); d != "" && !slices.Contains(x.plain[d], c) {
				x.plain[d] = append(x.plain[d], c)
			}
		}
	}
	return x
}

// find lists the calls that may have been with the number.
func (x index) find(number string) []*call {
	found := slices.Clone(x.plain[digits(number)])
	for c, numbers := range x.masked {
		if !slices.Contains(found, c) && slices.ContainsFunc(numbers, func(n string) bool { return ringout.SameNumber(n, number) }) {
			found = append(found, c)
		}
	}
	return found
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// match collects, from one campaign, the attempts that may be the calls, and, if asked to, the contacts that may be.
func (w *Watcher) match(ctx context.Context, name string, contacts bool, x index, pairs []pair) ([]pair, error) {
	err := w.ledger.Each(ctx, name, func(r ledger.Record) error {
		number := r.Contact.Number()
		if contacts && r.State != campaign.Done && r.State != campaign.UnconfirmedHeld {
			for _, c := range x.find(number) {
				// A round that was not due yet was not called either, whatever Redis has lost.
				if c.at.IsZero() || !r.Due.After(c.at.Add(w.cfg.Slack)) {
					c.contacts = append(c.contacts, contact{campaign: name, id: r.Contact.ID, number: number, state: r.State, due: r.Due})
				}
			}
		}
		for _, a := range r.Attempts {
			for _, c := range x.find(a.Number) {
				if apart, ok := w.apart(c, a); ok && c.of.has(a) {
					pairs = append(pairs, pair{call: c, attempt: a.Token, apart: apart})
				}
			}
		}
		return nil
	})
	return pairs, err
}

// has says whether the attempt was on the survey's extension; credentials may have changed since, the line's number not.
func (s *survey) has(a campaign.Attempt) bool {
	return a.Extension == s.extension.Key ||
		slices.ContainsFunc(s.lines, func(l line.Line) bool { return l.Number == a.LineNumber })
}

// apart says how far the call's beginning is from the attempt's, and whether that is near enough.
func (w *Watcher) apart(c *call, a campaign.Attempt) (time.Duration, bool) {
	if c.at.IsZero() { // it goes on
		return 0, a.EndedAt.IsZero()
	}
	d := c.at.Sub(a.ClaimedAt).Abs()
	return d, d <= w.cfg.Slack+a.SendBy.Sub(a.ClaimedAt)
}

// explain gives each attempt the call that is nearest to it, and no other: a second call is one that Redis has lost.
func explain(pairs []pair) {
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.apart, b.apart) })
	spent := map[string]bool{}
	for _, p := range pairs {
		p.call.explained = false
	}
	for _, p := range pairs {
		if !spent[p.attempt] && !p.call.explained {
			spent[p.attempt], p.call.explained = true, true
		}
	}
}

// hold makes the contacts of a lost call unconfirmed. It says whether one of them has a call under way: when that one has
// ended, the contact waits, and this is to be repeated.
func (w *Watcher) hold(ctx context.Context, c *call) (underWay bool, err error) {
	l := c.line()
	at, when := c.at, "at "+c.StartedAt.UTC().Format("15:04:05 UTC")
	if at.IsZero() {
		at, when = c.of.At.Add(-c.of.off), "that goes on"
	}
	for _, p := range c.contacts {
		state, err := w.ledger.Adopt(ctx, ledger.Adoption{
			Ref:    campaign.Ref{Campaign: p.campaign, Contact: p.id, Token: "adopted:" + c.Session},
			Number: p.number, Line: l.Name, LineNumber: l.Number, Extension: l.Extension.Key, StartedAt: at,
			Detail: fmt.Sprintf("RingCentral's records show a call %s that Redis has lost", when),
		})
		if err != nil {
			return underWay, err
		}
		switch state {
		case campaign.UnconfirmedHeld:
			w.log.Warn().Str("line", l.Name).Str("campaign", p.campaign).Str("contact", p.id).Str("number", campaign.Mask(p.number)).
				Msg("unconfirmed: RingCentral's records show a call that Redis has lost; decide with `campaign unconfirmed`")
		case campaign.Placing, campaign.Live:
			underWay = true
		}
	}
	return underWay, nil
}
