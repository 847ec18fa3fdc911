package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

// redisHolds says what a Redis that was restarted or replaced keeps from being called in a team's campaigns.
func redisHolds(team string, lines []line.Info, a ledger.Approval) []string {
	if !a.Changed() {
		return nil
	}
	var unchecked []string
	agreed := false
	for _, l := range lines {
		switch {
		case l.Team != team:
		case a.LineAgreed(l.Number):
			agreed = true
		default:
			unchecked = append(unchecked, l.Name)
		}
	}
	switch {
	case !agreed:
		return []string{ledger.RedisChanged}
	case a.TeamAgreed(team) || len(unchecked) == 0:
		return nil // what the lines themselves say is all
	}
	slices.Sort(unchecked)
	return []string{fmt.Sprintf("Redis was restarted or replaced: contacts that were due by %s wait until %s at most, since %s may have called them and %s "+
		"not compared with RingCentral's records yet", a.Before.Format(time.TimeOnly+" UTC"), a.Until.Format(time.TimeOnly+" UTC"),
		strings.Join(unchecked, ", "), map[bool]string{true: "is", false: "are"}[len(unchecked) == 1])}
}
