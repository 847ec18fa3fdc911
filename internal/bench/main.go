// Command bench measures ringqueue's speed and memory and prints one table: `make bench`. Each figure is compared with its
// target within the same run. The exit status is 1 where a target is missed.
//
// Everything is real but RingCentral: a redis-server of its own, the built commands, and the simulator in a process of its
// own. It needs Linux, whose /proc tells what a process uses.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // calling hours need the zones on machines without them
)

// benchmark measures one thing.
type benchmark struct {
	name  string
	about string
	run   func(context.Context, *bench) ([]row, error)
}

func benchmarks() []benchmark {
	return []benchmark{
		{"enqueue", "`enqueue csv` against raw Asynq; memory; Redis bytes per contact", benchEnqueue},
		{"limiter", "how much of a quota is used, in simulated and in short real windows", benchLimiter},
		{"campaign", "a whole campaign against its lower bound", benchCampaign},
		{"idle", "how long a line is idle between two calls", benchIdle},
		{"live", "1,000 live calls held by one worker", benchLive},
		{"quiet", "what 200 campaigns with nothing due cost, and 1,000 that are over", benchQuiet},
		{"hoarding", "how many tasks a worker takes that has 5 of its team's 500 lines", benchHoarding},
		{"distance", "calls placed with Redis a round trip of 100 ms away", benchDistance},
		{"console", "the first page with 20 campaigns, 200 lines and 100,000 contacts", benchConsole},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	all := benchmarks()
	var names strings.Builder
	for _, m := range all {
		fmt.Fprintf(&names, "\n  %-9s %s", m.name, m.about)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "run one benchmark:"+names.String())
	short := flags.Bool("short", false, "measure less, for a quick look; the targets stay")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *only != "" {
		all = slices.DeleteFunc(all, func(m benchmark) bool { return m.name != *only })
	}
	if len(all) == 0 || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bench: -only takes one of:%s\n", names.String())
		return 2
	}
	b, err := newBench(ctx, *short, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	defer b.clean()
	load := loadAverage()
	var rows []row
	for _, m := range all {
		began := time.Now()
		b.say("%s: %s", m.name, m.about)
		measured, err := m.run(ctx, b)
		err = errors.Join(err, b.end())
		rows = append(rows, measured...)
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "bench: stopped")
			return 1
		}
		if err != nil {
			b.say("%s: %v", m.name, err)
			rows = append(rows, row{name: m.name, measured: "failed", target: "a result", verdict: miss, note: firstLine(err)})
		}
		b.say("%s: took %.0f s", m.name, time.Since(began).Seconds())
	}
	printTable(stdout, rows)
	fmt.Fprintf(stdout, "\n%d cores; load average %s before, %s after: where other programs work too, expect less.\n", runtime.NumCPU(), load, loadAverage())
	if slices.ContainsFunc(rows, func(r row) bool { return r.verdict == miss }) {
		return 1
	}
	return 0
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// loadAverage is that of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}
