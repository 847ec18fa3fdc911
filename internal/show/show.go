// Package show writes campaigns for people: status, outcomes, progress.
package show

import (
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/status"
)

// Status writes a campaign's status.
func Status(w io.Writer, s status.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", s.Name, s.State)
	fmt.Fprintf(&b, "  total %d: %d waiting, %d live, %d done, %d unconfirmed\n", s.Total, s.Waiting, s.Live, s.Done, s.Unconfirmed)
	if s.Done > 0 {
		b.WriteString("\n")
		writeOutcomes(&b, s)
	}
	for i, reason := range s.BlockedBy {
		if i == 0 {
			b.WriteString("\n  blocked by\n")
		}
		fmt.Fprintf(&b, "    %s\n", reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeOutcomes writes a table of a campaign's outcomes.
func writeOutcomes(b *strings.Builder, s status.Status) {
	const width = 24
	most := 1
	counts := map[campaign.Outcome]int{campaign.Unconfirmed: s.Unconfirmed}
	maps.Copy(counts, s.Outcomes)
	for _, n := range counts {
		most = max(most, n)
	}
	for _, o := range campaign.Outcomes() {
		if n := counts[o]; n > 0 {
			fmt.Fprintf(b, "  %-17s %7d  %s\n", o, n, strings.Repeat("█", max(1, n*width/most)))
		}
	}
}

// Line is a campaign's progress in one line.
func Line(s status.Status) string {
	var parts []string
	for _, o := range campaign.Outcomes() {
		if n := s.Outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", o, n))
		}
	}
	line := fmt.Sprintf("%d of %d done, %d live, %d waiting", s.Done, s.Total, s.Live, s.Waiting)
	if s.Unconfirmed > 0 {
		line += fmt.Sprintf(", %d unconfirmed", s.Unconfirmed)
	}
	if len(parts) > 0 {
		line += " | " + strings.Join(parts, ", ")
	}
	return line
}

// Bar is a progress bar of the given width.
func Bar(done, total, width int) string {
	if total <= 0 {
		return strings.Repeat("░", width)
	}
	full := min(done*width/total, width)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// Ago is a short duration.
func Ago(d time.Duration) string { return d.Round(time.Second).String() }

// Count is a number of things: 1 contact, 2 contacts.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
