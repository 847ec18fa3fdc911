package report

import (
	"fmt"
	"io"
	"strings"
)

// Text writes a report for a terminal.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	s := r.Status
	fmt.Fprintf(&b, "%s: %s, %d of %d contacts done, %d calls, %d answered (%d %%), %s of talk\n", s.Name, s.State, s.Done, s.Total,
		r.Calls.Calls, r.Calls.Answered, r.Calls.Percent(), r.Talk)
	section := func(title string, rows func(row func(label string, share float64, text string))) {
		first := true
		rows(func(label string, share float64, text string) {
			if first {
				fmt.Fprintf(&b, "\n%s\n", title)
				first = false
			}
			fmt.Fprintf(&b, "  %-17s %-24s %s\n", label, strings.Repeat("█", int(share*24+0.5)), text)
		})
	}
	section("outcomes", func(row func(string, float64, string)) {
		for _, o := range r.Outcomes() {
			row(string(o.Outcome), float64(o.N)/float64(max(s.Total, 1)), fmt.Sprint(o.N))
		}
	})
	rate := func(row func(string, float64, string), label string, of Rate) {
		if of.Calls > 0 {
			row(label, float64(of.Percent())/100, fmt.Sprintf("%d %% of %d", of.Percent(), of.Calls))
		}
	}
	section("answered by hour of day, on the contact's clock", func(row func(string, float64, string)) {
		for h, of := range r.ByHour {
			rate(row, fmt.Sprintf("%02d:00", h), of)
		}
	})
	section("answered by attempt", func(row func(string, float64, string)) {
		for i, of := range r.ByAttempt {
			rate(row, fmt.Sprint(i+1), of)
		}
	})
	section("lines", func(row func(string, float64, string)) {
		for _, l := range r.Lines {
			row(l.Name, float64(l.Calls)/float64(max(r.Calls.Calls, 1)), fmt.Sprintf("%d calls, %d answered, %s of talk, %d times no agent",
				l.Calls, l.Answered, l.Talk, l.Failed))
		}
	})
	_, err := io.WriteString(w, b.String())
	return err //nolint:wrapcheck // the caller's writer
}
