package report

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// OutcomesChart shows what became of the contacts.
func (r Report) OutcomesChart() template.HTML {
	var rows []bar
	for _, o := range r.Outcomes() {
		class := "calls"
		if o.Outcome == campaign.Answered {
			class = "answered"
		}
		rows = append(rows, bar{label: strings.ReplaceAll(string(o.Outcome), "_", " "), value: float64(o.N), text: strconv.Itoa(o.N), class: class})
	}
	return bars("Contacts by outcome", fmt.Sprintf("%d of %d contacts are done", r.Status.Done, r.Status.Total), rows)
}

// OutcomeCount is how many contacts ended in one way.
type OutcomeCount struct {
	Outcome campaign.Outcome
	N       int
}

// Outcomes lists how contacts ended, in the order of campaign.Outcomes; unconfirmed ones, of whom it is not known, among them.
func (r Report) Outcomes() []OutcomeCount {
	var list []OutcomeCount
	for _, o := range campaign.Outcomes() {
		n := r.Status.Outcomes[o]
		if o == campaign.Unconfirmed {
			n = r.Status.Unconfirmed
		}
		if n > 0 {
			list = append(list, OutcomeCount{o, n})
		}
	}
	return list
}

// HoursChart shows calls and answers by hour of day.
func (r Report) HoursChart() template.HTML {
	cols := make([]column, len(r.ByHour))
	for h, rate := range r.ByHour {
		cols[h] = column{full: fmt.Sprintf("%02d:00", h), Rate: rate}
		if h%3 == 0 {
			cols[h].label = strconv.Itoa(h)
		}
	}
	return columns("Calls and answers by hour of day", "on each contact's own clock", cols)
}

// AttemptsChart shows the answer rate of first calls, second calls and so on.
func (r Report) AttemptsChart() template.HTML {
	rows := make([]bar, len(r.ByAttempt))
	for i, rate := range r.ByAttempt {
		rows[i] = bar{
			label: fmt.Sprintf("call %d", i+1), value: float64(rate.Percent()), class: "answered",
			text: fmt.Sprintf("%d %% of %d", rate.Percent(), rate.Calls),
		}
	}
	return bars("Answer rate by attempt", "which of a contact's calls were answered", rows)
}

// LinesChart shows the calls of each line.
func (r Report) LinesChart() template.HTML {
	rows := make([]bar, len(r.Lines))
	for i, l := range r.Lines {
		rows[i] = bar{label: l.Name, value: float64(l.Calls), text: strconv.Itoa(l.Calls), class: "calls"}
	}
	return bars("Calls by line", "how many calls each line had", rows)
}

// TimelineChart shows calls and answers over time.
func (r Report) TimelineChart() template.HTML {
	buckets := r.Timeline.Buckets
	cols := make([]column, len(buckets))
	every := max((len(buckets)+4)/5, 1)
	if len(buckets) > 0 && len(r.label(buckets[0].Start)) > 6 {
		every = max((len(buckets)+2)/3, 1)
	}
	for i, b := range buckets {
		cols[i] = column{full: b.Start.Format("2006-01-02 15:04"), Rate: b.Rate}
		if i%every == 0 && i+every/2 <= len(buckets) {
			cols[i].label = r.label(b.Start)
		}
	}
	return columns("Calls and answers over time", "each column is "+r.Timeline.Width.String(), cols)
}

func (r Report) label(t time.Time) string {
	if time.Duration(r.Timeline.Width) >= 24*time.Hour {
		return t.Format("2 Jan")
	}
	if len(r.Timeline.Buckets) > 0 && r.Timeline.Buckets[len(r.Timeline.Buckets)-1].Start.Sub(r.Timeline.Buckets[0].Start) > 24*time.Hour {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04")
}
