package safe

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestDo(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	if !Do(zerolog.New(&log), "lines", func() { panic("out of order " + strings.Repeat("x", 1000)) }) {
		t.Error("a panic is not told")
	}
	for _, want := range []string{`"part":"lines"`, "out of order", "safe_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	if Do(zerolog.New(&log), "lines", func() {}) {
		t.Error("no panic is told as one")
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, runs := time.Now(), 0
		Keep(t.Context(), zerolog.Nop(), "sweeper", func(context.Context) {
			if runs++; runs <= 8 {
				panic(runs)
			}
		})
		if took := time.Since(began); runs != 9 || took != (1+2+4+8+16+32+60+60)*time.Second {
			t.Errorf("%d runs in %s, want 9 in 183 s", runs, took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		began = time.Now()
		Keep(ctx, zerolog.Nop(), "sweeper", func(context.Context) { panic("always") })
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("it ends %s after it was told to", took-500*time.Millisecond)
		}
		done := make(chan struct{})
		Go(zerolog.Nop(), "one", func() { defer close(done); panic("once") })
		<-done
	})
}
