package e2e

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// TestImportOnATerminal: the progress bar must come to its end, whatever becomes of the import.
func TestImportOnATerminal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ list, want string }{
		"a good list": {"id,phone\n1,+12125550101\n2,+12125550102\n", "2  imported"},
		"a bad row":   {"id,phone\n1,+12125550101\n2,none\n", "1  rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ringouttest.Config{})
			list := w.file("list.csv", tt.list)
			rules := w.file("c.yaml", "name: c\ncalling_hours: always\n")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := w.command(ctx, "enqueue", "csv", list, "--campaign", rules)
			screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(screen) // ends with an error when the terminal is closed
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			for _, want := range []string{tt.want, "rows/s", "100 %"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("no %q on the screen:\n%s", want, text)
				}
			}
		})
	}
}

// TestWatchOnATerminal watches a campaign on a terminal that is too small for it, with and without colours: the view stays on
// it, and the last word is the summary.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	for _, noColor := range []string{"", "1"} {
		t.Run("NO_COLOR="+noColor, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ringouttest.Config{})
			list := w.file("list.csv", "id,phone\n1,+12125550101\n2,+12125550102\n3,+12125550119\n")
			rules := w.file("c.yaml", "name: c\ncalling_hours: always\nwrap_up: 1s\nretry: {max_attempts: 1}\n")
			w.must("enqueue", "csv", list, "--campaign", rules)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := w.command(ctx, "campaign", "watch", "c")
			cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR="+noColor)
			screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 6, Cols: 60})
			if err != nil {
				t.Fatal(err)
			}
			w.worker(alice)
			src, _ := io.ReadAll(screen) // ends with an error when the terminal is closed
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, src)
			}
			text := string(src)
			for _, want := range []string{"(running)", "\x1b[J", "c: done", "3 done"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q on the screen:\n%q", want, text)
				}
			}
			if coloured := strings.Contains(text, "\x1b[1m"); coloured != (noColor == "") {
				t.Errorf("NO_COLOR=%q: colours %t", noColor, coloured)
			}
			for _, view := range strings.Split(text, "\x1b[J")[1:] {
				view, _, _ = strings.Cut(view, "c: done") // the summary may scroll
				if n := strings.Count(view, "\n"); n > 6 {
					t.Errorf("a view has %d lines on a terminal of 6:\n%q", n, view)
				}
			}
		})
	}
}
