package show

import (
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/internal/line"
)

var phases = map[line.Phase]string{
	line.RingsAgent: ", ringing the agent", line.RingsContact: ", ringing the contact", line.Talks: ", talking",
}

// Doing says what a line is doing, in words.
func Doing(l line.Info, now time.Time) string {
	text := "free"
	switch {
	case l.Worker == "" && l.State == line.Occupied:
		text = "on a call, without a worker"
	case l.Worker == "":
		text = "no worker"
	case l.Note != "":
		text = "waits: " + l.Note
	case l.State == line.Occupied:
		text = "on a call since " + Ago(now.Sub(l.Since)) + phases[l.Phase]
	case l.State == line.WrapUp || l.State == line.Cooling:
		text = strings.ReplaceAll(string(l.State), "_", "-") + " for another " + Ago(max(l.Until.Sub(now), 0))
	case l.State == line.Blocked:
		text = "blocked: not known whether its call is over"
	}
	switch {
	case l.Paused.IsZero():
		return text
	case text == "free":
		return "on a break since " + Ago(now.Sub(l.Paused))
	}
	return text + ", then a break"
}
