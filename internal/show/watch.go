package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/status"
)

// Watcher follows a campaign: a live view on a terminal, plain lines elsewhere.
type Watcher struct {
	rdb    redis.UniversalClient
	reader *status.Reader
	ledger *ledger.Ledger
	name   string
	out    io.Writer

	terminal *terminal // nil where there is none
	drawn    int       // lines on the screen
	began    time.Time
	first    int    // done when the watch began
	last     string // last plain line
	event    string // id of the last event printed
	events   []string
}

// NewWatcher returns a watcher that writes to out.
func NewWatcher(rdb redis.UniversalClient, name string, out io.Writer) *Watcher {
	return &Watcher{
		rdb: rdb, reader: status.NewReader(rdb), ledger: ledger.New(rdb), name: name, out: out,
		terminal: terminalOf(out), began: time.Now(), first: -1,
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
			if s.Over() && (s.Total > 0 || s.State == status.StateCancelled) {
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
	if w.terminal == nil {
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
	screen := w.draw(s, lines)
	if w.drawn > 0 {
		screen = fmt.Sprintf("\x1b[%dA\x1b[J", w.drawn) + screen
	}
	w.drawn = strings.Count(screen, "\n")
	_, err = io.WriteString(w.out, screen)
	return err
}

// draw makes the view, no larger than the terminal: what is drawn over the edge could not be drawn over.
func (w *Watcher) draw(s status.Status, lines []line.Info) string {
	t := w.terminal
	width, height := t.size()
	ended := s.Done + s.Unconfirmed
	head := []string{
		fmt.Sprintf("%s (%s)  %s %3d%%  %s", t.strong(w.name), s.State, t.good(Bar(ended, s.Total, min(30, max(width-50, 10)))),
			ended*100/max(s.Total, 1), w.left(s)),
		Line(s),
	}
	for _, r := range s.BlockedBy {
		head = append(head, t.bad("  waits: "+cli.PlainText(r)))
	}
	now := time.Now()
	var body []string
	for _, l := range lines {
		if l.Team == s.Team {
			text := cli.PlainText(fmt.Sprintf("  %-12s %s", l.Name, Doing(l, now)))
			if l.State == line.Occupied {
				text = t.good(text)
			}
			body = append(body, text)
		}
	}
	events := make([]string, len(w.events))
	for i, e := range w.events {
		events[i] = t.quiet("  " + cli.PlainText(e))
	}
	// The oldest events give way first, then the last lines; on a very small terminal, whatever is lowest.
	room, keep := height-2-len(head), 3
	if room < 8 {
		keep = 0
	}
	if n := len(body) + len(events) - room; n > 0 {
		events = events[min(n, max(len(events)-keep, 0)):]
	}
	if n := len(body) + len(events) - room; n > 0 && n < len(body) {
		more := t.quiet(fmt.Sprintf("  … and %d more lines", n+1))
		body = append(body[:len(body)-n-1:len(body)-n-1], more)
	}
	var b strings.Builder
	all := slices.Concat(head, body, events)
	for _, l := range all[:min(len(all), max(height-2, 1))] {
		b.WriteString(cut(l, width))
		b.WriteString("\n")
	}
	return b.String()
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
