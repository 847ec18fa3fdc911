// Package safe runs goroutines of which one that panics must not end the process: live calls are tracked by the others.
package safe

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
)

// Do runs f. A panic ends only f: it is logged with its stack under name, and Do says so.
func Do(log zerolog.Logger, name string, f func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			panicked = true
			log.Error().Str("part", name).Str("panic", short(p)).Bytes("stack", debug.Stack()).Msg("a fault in ringqueue; please report it")
		}
	}()
	f()
	return false
}

// Go runs f in a goroutine of its own as Do does.
func Go(log zerolog.Logger, name string, f func()) {
	go Do(log, name, f)
}

// How long Keep waits before it runs again what has panicked: longer each time.
const (
	firstPause = time.Second
	mostPause  = time.Minute
)

// Keep runs f as Do does, and again after each panic, until f returns by itself or ctx ends.
func Keep(ctx context.Context, log zerolog.Logger, name string, f func(context.Context)) {
	for pause := firstPause; Do(log, name, func() { f(ctx) }); pause = min(2*pause, mostPause) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// short is a panic's value, which may be anything.
func short(p any) string {
	const most = 500
	text := fmt.Sprint(p)
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
