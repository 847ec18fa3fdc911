package dial

import (
	"context"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/ratelimit"
	"github.com/ringqueue/ringqueue/ringout"
)

// Lines gives out the agents' phones; PoolLines makes one of a line.Pool.
type Lines interface {
	// Acquire occupies a free line with a fresh token; line.ErrNoLine if none comes free within the request's patience.
	Acquire(ctx context.Context, r line.Request) (Seat, error)
}

// Seat is a line that is occupied for one attempt, with what RingCentral does for it. Exactly one of Vacate, Rest, Track and
// Confirm ends it.
type Seat interface {
	Ref() campaign.Ref
	Line() line.Line

	Ready(ctx context.Context) error                                    // logged in and connected
	Reserve(ctx context.Context) (ratelimit.Slot, error)                // waits for the extension's next slot of the Heavy quota
	GiveBack(ctx context.Context, s ratelimit.Slot) error               // of a slot that was not used
	Place(ctx context.Context, c ringout.Call) (ringout.RingOut, error) // the POST
	Suspend(d time.Duration, why string)                                // the extension's lines wait
	Failed(why string)                                                  // placing a call has failed
	Worked()                                                            // a call was placed
	Vacate()                                                            // no attempt has the token, and none ever will
	Rest(d time.Duration)                                               // likewise, and the line cools down
	Settled(a campaign.Attempt)                                         // an attempt was settled without the line's owner
	Track(rules campaign.Rules, a campaign.Attempt) <-chan struct{}     // closed when it is settled, or left to another worker
	Confirm(a campaign.Attempt, why string) <-chan struct{}             // likewise, of a call that may have been placed
}

// PoolLines gives out a pool's lines.
func PoolLines(p *line.Pool) Lines { return poolLines{p} }

type poolLines struct{ *line.Pool }

func (p poolLines) Acquire(ctx context.Context, r line.Request) (Seat, error) {
	seat, err := p.Pool.Acquire(ctx, r)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	return poolSeat{seat}, nil
}

type poolSeat struct{ *line.Seat }

func (s poolSeat) Ref() campaign.Ref               { return s.Seat.Ref }
func (s poolSeat) Ready(ctx context.Context) error { return s.Line().Extension.Calls.Ready(ctx) }

func (s poolSeat) Reserve(ctx context.Context) (ratelimit.Slot, error) {
	return s.Line().Extension.Wait(ctx, ringout.Heavy)
}

func (s poolSeat) GiveBack(ctx context.Context, slot ratelimit.Slot) error {
	return s.Line().Extension.Quota.GiveBack(ctx, slot)
}

func (s poolSeat) Place(ctx context.Context, c ringout.Call) (ringout.RingOut, error) {
	return s.Line().Extension.Calls.Place(ctx, c)
}

func (s poolSeat) Suspend(d time.Duration, why string) { s.Line().Extension.Suspend(d, why) }
func (s poolSeat) Failed(why string)                   { s.Line().Extension.Failed(why) }
func (s poolSeat) Worked()                             { s.Line().Extension.Worked() }
