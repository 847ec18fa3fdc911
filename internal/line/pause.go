package line

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrUnknownLine says that no line has this name or number.
var ErrUnknownLine = errors.New("no such line")

// Find finds a line that workers have published by its name, by TEAM/NAME, or by its number.
func Find(ctx context.Context, rdb redis.UniversalClient, name string) (Info, error) {
	lines, err := List(ctx, rdb)
	if err != nil {
		return Info{}, err
	}
	var found, known []string
	var line Info
	for _, l := range lines {
		known = append(known, l.Team+"/"+l.Name)
		if name == l.Name || name == l.Team+"/"+l.Name || name == l.Number {
			found, line = append(found, l.Team+"/"+l.Name), l
		}
	}
	switch {
	case len(found) == 1:
		return line, nil
	case len(found) > 1:
		return Info{}, fmt.Errorf("%q is the name of several lines: give one of %s", name, strings.Join(found, ", "))
	case len(known) == 0:
		return Info{}, fmt.Errorf("%w: %s; no worker has published a line yet", ErrUnknownLine, name)
	}
	return Info{}, fmt.Errorf("%w: %s; there are %s", ErrUnknownLine, name, strings.Join(known, ", "))
}

// Pause begins an agent's break: the line gets no call until Resume. One that is live goes on.
func Pause(ctx context.Context, rdb redis.UniversalClient, number string) error {
	return pause(ctx, rdb, number, "1")
}

// Resume ends an agent's break. The worker that has the line sees it when it next renews its lease, within five seconds.
func Resume(ctx context.Context, rdb redis.UniversalClient, number string) error {
	return pause(ctx, rdb, number, "0")
}

func pause(ctx context.Context, rdb redis.UniversalClient, number, on string) error {
	err := redis.NewScript(libSource+"\n"+pauseSource).Run(ctx, rdb, []string{keyLine(number)}, on).Err()
	if err != nil {
		return fmt.Errorf("pause or resume a line: %w", err)
	}
	return nil
}

// rest notes whether a line's agent has a break, as its record says.
func (p *Pool) rest(o *owned, paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.paused == paused {
		return
	}
	o.paused = paused
	p.log.Info().Str("line", o.Name).Bool("paused", paused).Msg("the agent's break begins or ends")
	p.match(p.teams[o.Team])
	p.announce(o)
}

// CancelRinging says of which campaigns no call is to go on that has not reached an agent; conversations do. It stands until
// it is called again.
func (p *Pool) CancelRinging(campaigns map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = campaigns
}

// Calling lists the campaigns whose calls this worker tracks.
func (p *Pool) Calling() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.calling))
}

// called counts a call of a campaign that is tracked; n is -1 for one that is no more.
func (p *Pool) called(campaign string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calling[campaign] += n; p.calling[campaign] <= 0 {
		delete(p.calling, campaign)
	}
}

func (p *Pool) isCancelled(campaign string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancelled[campaign]
}
