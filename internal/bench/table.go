package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// verdict says how a figure compares with its target.
type verdict string

const (
	ok   verdict = "ok"
	miss verdict = "MISS"
	info verdict = "-" // beside another figure, without a target
)

// row is a line of the table.
type row struct {
	name, measured, target string
	verdict                verdict
	note                   string // what is behind the figure; may be empty
}

func met(yes bool) verdict {
	if yes {
		return ok
	}
	return miss
}

func printTable(w io.Writer, rows []row) {
	head := row{name: "benchmark", measured: "measured", target: "target", verdict: "result"}
	var widths [3]int
	for _, r := range append([]row{head}, rows...) {
		for i, cell := range []string{r.name, r.measured, r.target} {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(r row) {
		fmt.Fprintf(w, "%s  %s  %s  %s\n", pad(r.name, widths[0]), pad(r.measured, widths[1]), pad(r.target, widths[2]), r.verdict)
	}
	line(head)
	fmt.Fprintln(w, strings.Repeat("-", widths[0]+widths[1]+widths[2]+6+len(head.verdict)))
	for _, r := range rows {
		line(r)
		if r.note != "" {
			fmt.Fprintf(w, "  %s\n", r.note)
		}
	}
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

// thousands is 12345 as "12,345".
func thousands[N int | int64 | float64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// quantile is the smallest value that a share q of the values does not exceed.
func quantile[N int64 | float64](values []N, q float64) N {
	sorted := slices.Sorted(slices.Values(values))
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
