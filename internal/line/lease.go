package line

import (
	"context"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
)

// Run leases lines and keeps the leases until ctx ends; then it stops tracking and gives all leases back, so that the
// next worker takes the calls over at once.
func (p *Pool) Run(ctx context.Context) {
	defer p.handOver(ctx)
	numbers := make([]any, 0, len(p.cfg.Lines))
	for _, l := range p.cfg.Lines {
		numbers = append(numbers, l.Number)
	}
	published := false
	tick := time.NewTicker(p.cfg.Lease / 3)
	defer tick.Stop()
	for {
		if !published {
			if err := p.store.rdb.SAdd(ctx, keyLines, numbers...).Err(); err == nil {
				published = true
			} else if ctx.Err() == nil {
				p.log.Error().Err(err).Msg("publish lines")
			}
		}
		p.leaseAll(ctx)
		select {
		case <-p.first:
		default:
			close(p.first)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Pool) handOver(ctx context.Context) {
	p.stop()
	p.wg.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	held := p.held()
	numbers := make([]string, len(held))
	for i, l := range held {
		numbers[i] = l.Number
	}
	kept := 0
	var last error
	for _, err := range p.store.giveLeases(ctx, p.cfg.Worker, numbers) {
		if err != nil {
			kept, last = kept+1, err
		}
	}
	if kept > 0 {
		p.log.Warn().Err(last).Int("lines", kept).Msg("leases not given back: they lapse by themselves")
	}
}

// leaseAll renews the leases that this worker has, then takes those that it can get, in few round trips. What goes wrong with one line
// is no other's matter.
func (p *Pool) leaseAll(ctx context.Context) {
	var mine, others []Line
	p.mu.Lock()
	for _, l := range p.cfg.Lines {
		if p.owned[l.Number] != nil {
			mine = append(mine, l)
		} else {
			others = append(others, l)
		}
	}
	p.mu.Unlock()
	errs := p.leases(ctx, mine)
	for len(others) > 0 && ctx.Err() == nil {
		n := len(others)
		if p.cfg.MaxLines > 0 {
			n = min(n, p.cfg.MaxLines-len(p.held()))
		}
		if n <= 0 {
			break
		}
		errs = append(errs, p.leases(ctx, others[:n])...)
		others = others[n:]
	}
	if len(errs) == 0 {
		p.trouble = slowly{}
		return
	}
	// Calls are tracked on: another worker may do the same, and each call is settled once.
	if ctx.Err() == nil && p.trouble.due() {
		p.log.Error().Err(errs[0]).Int("lines", len(errs)).Int("times", p.trouble.times).
			Msg("leases not renewed; live calls are tracked on")
	}
}

// leases takes or renews the leases of lines, and does what follows from each. The errors are of those that nothing is known of.
func (p *Pool) leases(ctx context.Context, lines []Line) []error {
	wishes := make([]wish, len(lines))
	p.mu.Lock()
	for i, l := range lines {
		_, note := l.Extension.suspension()
		wishes[i] = wish{line: l, note: note, begin: p.owned[l.Number] == nil}
	}
	p.mu.Unlock()
	records, failures := p.store.takeLeases(ctx, p.cfg.Worker, p.cfg.Lease, wishes)
	var errs []error
	for i, rec := range records {
		if err := failures[i]; err != nil {
			errs = append(errs, err)
			continue
		}
		p.leased(wishes[i], rec)
	}
	return errs
}

// leased does what follows from asking for a lease.
func (p *Pool) leased(w wish, rec record) {
	l := w.line
	p.mu.Lock()
	have := p.owned[l.Number]
	p.mu.Unlock()
	switch {
	case rec.ours && have == nil && !w.begin:
		// It was dropped while this was asked: the next round begins it, with all that its record says.
	case rec.ours && have == nil:
		p.begin(l, rec)
	case rec.ours && rec.taken:
		// This process was suspended for longer than its lease, and another worker has come and gone.
		p.log.Warn().Str("line", l.Name).Msg("line had another worker meanwhile")
		p.drop(have)
		p.begin(l, rec)
	case !rec.ours && have != nil:
		p.log.Warn().Str("line", l.Name).Msg("lease lost to another worker")
		p.drop(have)
	case rec.ours:
		p.rest(have, rec.paused)
	}
}

// begin starts to own a line, from whatever its record says.
func (p *Pool) begin(l Line, rec record) {
	o := &owned{Line: l, pool: p, paused: rec.paused}
	o.ctx, o.cancel = context.WithCancel(p.ctx)
	p.mu.Lock()
	p.owned[l.Number] = o
	p.mu.Unlock()
	p.log.Info().Str("line", l.Name).Str("number", campaign.Mask(l.Number)).Str("state", string(rec.state)).Msg("line leased")
	for _, ref := range rec.confirming {
		if ref.Token != rec.ref.Token {
			p.spawn(func() { o.resume(ref) })
		}
	}
	switch rec.state {
	case Occupied, Blocked:
		p.spawn(func() { o.takeOver(rec) })
	case WrapUp, Cooling:
		p.spawn(func() { o.idleAfter(rec.rest) })
	default:
		o.idle()
	}
}

// drop stops owning a line: it is nobody's here by the time its tracking ends.
func (p *Pool) drop(o *owned) {
	p.mu.Lock()
	if p.owned[o.Number] == o {
		delete(p.owned, o.Number)
	}
	p.teams[o.Team].remove(o)
	p.mu.Unlock()
	o.cancel()
}
