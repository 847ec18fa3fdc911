// Package report sums a campaign up: what became of its contacts, when people answer, what the lines did. It has no numbers
// and no names of contacts.
package report

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/status"
)

// Report is a campaign, summed up. A call here is an attempt that may have rung the contact's phone.
type Report struct {
	Status    status.Status `json:"status"`
	Hours     string        `json:"calling_hours"` // as a campaign file writes them
	At        time.Time     `json:"at"`            // when this was read
	First     time.Time     `json:"first_call_at,omitzero"`
	Last      time.Time     `json:"last_call_at,omitzero"`
	Calls     Rate          `json:"calls"`
	Failed    int           `json:"agent_failures"` // attempts that never reached the contact
	Talk      Duration      `json:"talk_s"`         // all conversations together
	ByHour    [24]Rate      `json:"by_hour"`        // hour of day on the contact's own clock
	ByAttempt []Rate        `json:"by_attempt"`     // the contact's first call, second, ...
	Lines     []Line        `json:"lines"`          // by name
	Timeline  Timeline      `json:"timeline"`
}

// Rate is how many calls were answered.
type Rate struct {
	Calls    int `json:"calls"`
	Answered int `json:"answered"`
}

func (r *Rate) count(answered bool) {
	r.Calls++
	if answered {
		r.Answered++
	}
}

// Percent is the share that was answered; 0 of no calls.
func (r Rate) Percent() int {
	if r.Calls == 0 {
		return 0
	}
	return (r.Answered*100 + r.Calls/2) / r.Calls
}

// Line is what one line did.
type Line struct {
	Name string `json:"name"`
	Rate
	Failed  int      `json:"agent_failures"`
	Talk    Duration `json:"talk_s"`
	Longest Duration `json:"longest_s"`
}

// Duration is a time span, in JSON as whole seconds.
type Duration time.Duration

// MarshalJSON writes whole seconds.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, int64(time.Duration(d).Round(time.Second)/time.Second), 10), nil
}

// String is 1h2m3s without zeroes at its end.
func (d Duration) String() string {
	text := time.Duration(d).Round(time.Second).String()
	if t, ok := strings.CutSuffix(text, "m0s"); ok {
		text = t + "m"
	}
	if t, ok := strings.CutSuffix(text, "h0m"); ok {
		text = t + "h"
	}
	return text
}

// Timeline is a campaign's calls over time.
type Timeline struct {
	Width   Duration `json:"width_s"` // of one bucket
	Buckets []Bucket `json:"buckets"` // without gaps
}

// Bucket is the calls of one span of time.
type Bucket struct {
	Start time.Time `json:"start"`
	Rate
}

// Read sums a campaign up, a page of contacts at a time; an unknown one is ledger.ErrNoCampaign. Days and hours of the
// timeline begin on loc's clock.
func Read(ctx context.Context, rdb redis.UniversalClient, name string, loc *time.Location) (Report, error) {
	led := ledger.New(rdb)
	c, err := led.Campaign(ctx, name)
	if err != nil {
		return Report{}, err
	}
	s, err := status.NewReader(rdb).Read(ctx, name)
	if err != nil {
		return Report{}, err
	}
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return Report{}, err //nolint:wrapcheck // Redis is away, which the caller says
	}
	r := Report{Status: s, Hours: c.Rules.CallingHours.String(), At: now.In(loc), ByAttempt: []Rate{}, Lines: []Line{}}
	lines := map[string]*Line{}
	when := spans{loc: loc, counts: map[int64]Rate{}}
	err = led.Each(ctx, name, func(rec ledger.Record) error {
		calls := 0
		clock := c.Rules.Location(rec.Contact)
		for _, a := range rec.Attempts {
			if a.EndedAt.IsZero() {
				continue
			}
			l := lines[a.Line]
			if l == nil {
				l = &Line{Name: a.Line}
				lines[a.Line] = l
			}
			if !a.Charged && a.Outcome != campaign.Unconfirmed {
				r.Failed++
				l.Failed++
				continue
			}
			answered := a.Outcome == campaign.Answered
			r.Calls.count(answered)
			l.count(answered)
			r.ByHour[a.ClaimedAt.In(clock).Hour()].count(answered)
			if calls++; calls > len(r.ByAttempt) {
				r.ByAttempt = append(r.ByAttempt, Rate{})
			}
			r.ByAttempt[calls-1].count(answered)
			talk := Duration(a.Duration())
			r.Talk += talk
			l.Talk += talk
			l.Longest = max(l.Longest, talk)
			when.add(a.ClaimedAt, answered)
			if r.First.IsZero() || a.ClaimedAt.Before(r.First) {
				r.First = a.ClaimedAt.In(loc)
			}
			if a.EndedAt.After(r.Last) {
				r.Last = a.EndedAt.In(loc)
			}
		}
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	for _, l := range lines {
		r.Lines = append(r.Lines, *l)
	}
	slices.SortFunc(r.Lines, func(a, b Line) int { return strings.Compare(a.Name, b.Name) })
	r.Timeline = when.timeline()
	return r, nil
}

// spans counts calls in buckets that grow wider as time goes on, so that there are never many.
type spans struct {
	loc    *time.Location
	step   int
	counts map[int64]Rate // by number of the bucket since 1970 on loc's clock
}

const maxBuckets = 48

var widths = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour,
	364 * 24 * time.Hour,
}

// civil is the seconds since 1970 that loc's clock would show.
func (s *spans) civil(t time.Time) int64 {
	_, offset := t.In(s.loc).Zone()
	return t.Unix() + int64(offset)
}

func (s *spans) add(t time.Time, answered bool) {
	n := s.civil(t) / int64(widths[s.step]/time.Second)
	rate := s.counts[n]
	rate.count(answered)
	s.counts[n] = rate
	for s.extent() > maxBuckets && s.step+1 < len(widths) {
		s.widen()
	}
}

// extent is how many buckets there are from the first to the last.
func (s *spans) extent() int64 {
	first, last := s.ends()
	return last - first + 1
}

func (s *spans) ends() (first, last int64) {
	begun := false
	for n := range s.counts {
		if !begun || n < first {
			first = n
		}
		if !begun || n > last {
			last = n
		}
		begun = true
	}
	return first, last
}

func (s *spans) widen() {
	old := int64(widths[s.step] / time.Second)
	s.step++
	wide := int64(widths[s.step] / time.Second)
	counts := make(map[int64]Rate, len(s.counts))
	for n, rate := range s.counts {
		sum := counts[n*old/wide]
		sum.Calls += rate.Calls
		sum.Answered += rate.Answered
		counts[n*old/wide] = sum
	}
	s.counts = counts
}

func (s *spans) timeline() Timeline {
	t := Timeline{Width: Duration(widths[s.step]), Buckets: []Bucket{}}
	if len(s.counts) == 0 {
		return t
	}
	first, last := s.ends()
	for n := first; n <= last; n++ {
		civil := time.Unix(n*int64(widths[s.step]/time.Second), 0).UTC()
		start := time.Date(civil.Year(), civil.Month(), civil.Day(), civil.Hour(), civil.Minute(), 0, 0, s.loc)
		if k := len(t.Buckets); k > 0 && !start.After(t.Buckets[k-1].Start) {
			continue // an hour that clocks skip, and nobody is called in
		}
		t.Buckets = append(t.Buckets, Bucket{Start: start, Rate: s.counts[n]})
	}
	return t
}
