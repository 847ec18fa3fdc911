package line

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
)

// Info is a line as the operator sees it.
type Info struct {
	Name, Number, Team string
	Worker             string // "" while no worker has it
	State              State
	Phase              Phase     // of the call, while it is occupied
	Until              time.Time // end of wrap-up or cooling
	Campaign, Contact  string
	Since              time.Time
	Note               string    // why it is not dialling, in words
	Seen               time.Time // when a worker last asked for it
	Paused             time.Time // since when the agent has a break; zero: none
	Blocked            time.Time // since when nobody knows whether its call is over; zero: it is not blocked

	Fails   int       // how often in a row its own phone has failed
	Reached time.Time // when a call last got its agent to answer
	Placed  time.Time // when RingCentral last accepted a call on it

	Confirming []campaign.Ref // attempts that are being found out about, although the line is free of them

	token   string
	unasked time.Duration // since a worker last asked for it
}

// redisTime is Redis's time where the lines are; a cluster's client may ask another of its processes.
var redisTime = redis.NewScript(`return redis.call('TIME')`)

// List reads all lines that workers have published, by team and name.
func List(ctx context.Context, rdb redis.UniversalClient) ([]Info, error) {
	numbers, err := rdb.SMembers(ctx, keyLines).Result()
	if err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	clock, err := redisTime.Run(ctx, rdb, []string{keyLines}).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	if len(clock) != 2 {
		return nil, fmt.Errorf("list lines: %d values for 2", len(clock))
	}
	cmds := make([]*redis.MapStringStringCmd, len(numbers))
	if _, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, n := range numbers {
			cmds[i] = p.HGetAll(ctx, keyLine(n))
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("list lines: %w", err)
	}
	lines := make([]Info, 0, len(numbers))
	for i, cmd := range cmds {
		lines = append(lines, infoOf(numbers[i], cmd.Val(), time.Unix(clock[0], clock[1]*int64(time.Microsecond))))
	}
	sort.Slice(lines, func(i, j int) bool {
		if lines[i].Team != lines[j].Team {
			return lines[i].Team < lines[j].Team
		}
		return lines[i].Name < lines[j].Name
	})
	return lines, nil
}

// infoOf reads a line's record at an instant of Redis's clock.
func infoOf(number string, h map[string]string, now time.Time) Info {
	l := Info{
		Name: h["name"], Number: number, Team: h["team"], State: State(h["state"]), Until: at(h["until"]),
		Campaign: h["campaign"], Contact: h["contact"], Since: at(h["since"]), Note: h["note"], Seen: at(h["seen"]),
		Paused: at(h["paused"]), Reached: at(h["reached"]), Placed: at(h["placed"]), token: h["token"],
	}
	l.unasked = now.Sub(l.Seen)
	l.Fails, _ = strconv.Atoi(h["fails"])
	for field, value := range h {
		if token, ok := strings.CutPrefix(field, fieldConfirming("")); ok {
			l.Confirming = append(l.Confirming, parseConfirming(token, value))
		}
	}
	sort.Slice(l.Confirming, func(i, j int) bool { return l.Confirming[i].Token < l.Confirming[j].Token })
	if at(h["lease"]).After(now) {
		l.Worker = h["owner"]
	}
	if (l.State == WrapUp || l.State == Cooling) && !l.Until.After(now) {
		l.State = Free
	}
	switch l.State {
	case Occupied:
		l.Phase = Phase(h["phase"])
	case Blocked:
		l.Blocked = at(h["blocked"])
		l.note(h["why"])
	case Cooling:
		if l.Fails > 1 {
			l.note(failing(l.Fails, l.Until))
		}
	}
	return l
}

// note adds why a line is not dialling, unless something else keeps it from it too.
func (l *Info) note(why string) {
	if l.Note == "" {
		l.Note = why
	}
}

// failing says in words that a line's phone fails again and again.
func failing(times int, until time.Time) string {
	return fmt.Sprintf("its phone has failed %d times in a row; rests until %s", times, until.UTC().Format("15:04 UTC"))
}
