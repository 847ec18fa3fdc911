package report

import (
	"fmt"
	"html/template"
	"strings"
)

// Charts are 400 units wide, so that their text is of the page's size on a phone. They take their colours from Style's
// classes and need no script.
const (
	chartWidth = 400
	labelWidth = 112
	rowHeight  = 22
)

// bar is one row of a bar chart.
type bar struct {
	label string
	value float64
	text  string
	class string // beside "bar"
}

// bars draws rows one below the other, each with its text behind it.
func bars(title, summary string, rows []bar) template.HTML {
	most, room := 0.0, 0.0 // the longest bar, and the longest text that may stand behind it
	for _, r := range rows {
		most, room = max(most, r.value), max(room, 12+7*float64(len(r.text)))
	}
	var b strings.Builder
	height := max(len(rows), 1) * rowHeight
	open(&b, title, summary, height)
	for i, r := range rows {
		y := i * rowHeight
		width := 0.0
		if most > 0 {
			width = r.value / most * (chartWidth - labelWidth - 8 - room)
		}
		if r.value > 0 {
			width = max(width, 2)
		}
		fmt.Fprintf(&b, `<g><title>%s: %s</title><text class="label" x="%d" y="%d" text-anchor="end">%s</text>`+
			`<rect class="bar %s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/><text x="%.1f" y="%d">%s</text></g>`,
			esc(r.label), esc(r.text), labelWidth, y+15, esc(shorten(r.label, 17)), r.class, labelWidth+8, y+4, width, rowHeight-8,
			labelWidth+14+width, y+15, esc(r.text))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // all text was escaped
}

// column is one column of a column chart: calls, and of them answered.
type column struct {
	label string // under the axis; "" for none
	full  string // of its tooltip
	Rate
}

// columns draws calls, and of them answered, side by side in the order given.
func columns(title, summary string, cols []column) template.HTML {
	const height, base, left = 170, 140, 34
	most := 1
	for _, c := range cols {
		most = max(most, c.Calls)
	}
	top := roundUp(most)
	scale := float64(base-14) / float64(top)
	step := float64(chartWidth-left-4) / float64(max(len(cols), 1))
	var b strings.Builder
	open(&b, title, summary, height)
	for _, mark := range []int{top, top / 2} {
		if mark == 0 || mark == top && top == 1 {
			continue
		}
		y := float64(base) - float64(mark)*scale
		fmt.Fprintf(&b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text class="mark" x="%d" y="%.1f" text-anchor="end">%d</text>`,
			left, y, chartWidth-4, y, left-6, y+4, mark)
	}
	for i, c := range cols {
		x, width := float64(left)+float64(i)*step, min(step*0.8, 40)
		x += (step - width) / 2
		fmt.Fprintf(&b, `<g><title>%s: %d calls, %d answered (%d %%)</title>`, esc(c.full), c.Calls, c.Answered, c.Percent())
		for _, part := range []struct {
			n     int
			class string
		}{{c.Calls, "calls"}, {c.Answered, "answered"}} {
			if part.n > 0 {
				h := max(float64(part.n)*scale, 1)
				fmt.Fprintf(&b, `<rect class="bar %s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, part.class, x, float64(base)-h, width, h)
			}
		}
		b.WriteString(`</g>`)
		if c.label != "" {
			fmt.Fprintf(&b, `<text class="mark" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x+width/2, base+15, esc(c.label))
		}
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/></svg>`, left, base, chartWidth-4, base)
	return template.HTML(b.String()) //nolint:gosec // all text was escaped
}

func open(b *strings.Builder, title, summary string, height int) {
	fmt.Fprintf(b, `<svg class="chart" viewBox="0 0 %d %d" role="img"><title>%s</title><desc>%s</desc>`, chartWidth, height, esc(title), esc(summary))
}

// roundUp is the next number of the form 1, 2 or 5 with zeroes.
func roundUp(n int) int {
	for step := 1; ; step *= 10 {
		for _, m := range []int{1, 2, 5} {
			if m*step >= n {
				return m * step
			}
		}
	}
}

func shorten(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func esc(s string) string { return template.HTMLEscapeString(s) }
