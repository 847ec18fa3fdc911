package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/ledger"
	"github.com/ringqueue/ringqueue/line"
	"github.com/ringqueue/ringqueue/status"
)

// Watcher follows a campaign: a live view on a terminal, plain lines elsewhere.
type Watcher struct {
	rdb    redis.UniversalClient
	reader *status.Reader
	ledger *ledger.Ledger
	name   string
	out    io.Writer

	terminal bool
	drawn    int // lines on the screen
	began    time.Time
	first    int    // done when the watch began
	last     string // last plain line
	event    string // id of the last event printed
	events   []string
}

// NewWatcher returns a watcher that writes to out.
func NewWatcher(rdb redis.UniversalClient, name string, out io.Writer) *Watcher {
	f, ok := out.(*os.File)
	return &Watcher{
		rdb: rdb, reader: status.NewReader(rdb), ledger: ledger.New(rdb), name: name, out: out,
		terminal: ok && term.IsTerminal(int(f.Fd())), began: time.Now(), first: -1,
	}
}

// Watch returns when the campaign is over, with its outcomes written, or when ctx ends.
func (w *Watcher) Watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s, err := w.reader.Read(ctx, w.name)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ledger.ErrNoCampaign):
			return err
		case err != nil:
			fmt.Fprintf(w.out, "%s\n", err)
		default:
			if err := w.show(ctx, s); err != nil {
				return err
			}
			if s.Over() && (s.Total > 0 || s.State == status.Cancelled) {
				fmt.Fprintln(w.out)
				return Status(w.out, s)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *Watcher) show(ctx context.Context, s status.Status) error {
	if w.first < 0 {
		w.first = s.Done
	}
	events, err := w.news(ctx)
	if err != nil {
		return err
	}
	if !w.terminal {
		for _, e := range events {
			fmt.Fprintln(w.out, e)
		}
		if line := fmt.Sprintf("%s: %s", w.name, Line(s)); line != w.last {
			w.last = line
			fmt.Fprintln(w.out, line)
		}
		return nil
	}
	w.events = append(w.events, events...)
	if n := len(w.events) - 8; n > 0 {
		w.events = w.events[n:]
	}
	lines, err := line.List(ctx, w.rdb)
	if err != nil {
		return err
	}
	var b strings.Builder
	ended := s.Done + s.Unconfirmed
	fmt.Fprintf(&b, "%s (%s)  %s %3d%%  %s\n", w.name, s.State, Bar(ended, s.Total, 30), ended*100/max(s.Total, 1), w.left(s))
	fmt.Fprintf(&b, "%s\n", Line(s))
	for _, l := range lines {
		if l.Team == s.Team {
			fmt.Fprintf(&b, "  %-12s %s\n", l.Name, Doing(l, time.Now()))
		}
	}
	for _, r := range s.BlockedBy {
		fmt.Fprintf(&b, "  waits: %s\n", r)
	}
	for _, e := range w.events {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	screen := w.fit(b.String())
	if w.drawn > 0 {
		screen = fmt.Sprintf("\x1b[%dA\x1b[J", w.drawn) + screen
	}
	w.drawn = strings.Count(b.String(), "\n")
	_, err = io.WriteString(w.out, screen)
	return err
}

// fit cuts lines to the terminal's width: a line that wraps would be two to go up.
func (w *Watcher) fit(screen string) string {
	width := 80
	if f, ok := w.out.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 1 {
			width = columns
		}
	}
	lines := strings.SplitAfter(screen, "\n")
	for i, l := range lines {
		if runes := []rune(l); len(runes) > width {
			lines[i] = string(runes[:width-2]) + "…\n"
		}
	}
	return strings.Join(lines, "")
}

// left estimates the time left from the pace since the watch began.
func (w *Watcher) left(s status.Status) string {
	done, open := s.Done-w.first, s.Waiting+s.Live
	if done < 3 || open == 0 {
		return ""
	}
	return "about " + Ago(time.Since(w.began)/time.Duration(done)*time.Duration(open)) + " left"
}

// news reads what happened since the last look, in words.
func (w *Watcher) news(ctx context.Context) ([]string, error) {
	from := w.event
	if from == "" {
		from = "$"
	}
	events, err := w.ledger.Events(ctx, w.name, from, 100)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range events {
		w.event = e.ID
		if e.Kind == "claimed" {
			continue
		}
		texts = append(texts, Event(e))
	}
	return texts, nil
}
