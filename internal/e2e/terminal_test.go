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
