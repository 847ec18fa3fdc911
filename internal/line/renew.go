package line

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Hold keeps the extension's lines from being given out for a while, like Suspend, but never shortens a wait.
func (e *Extension) Hold(d time.Duration, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if until := time.Now().Add(d); until.After(e.suspended) {
		e.suspended, e.why = until, why
	}
}

// Block takes a line that this worker has out of use until its extension's presence says NoCall, if its record says that
// it has no call; true if it did. Renew makes it take effect.
func (p *Pool) Block(ctx context.Context, number string) (bool, error) {
	const why = "its agent is on a call that Redis has lost"
	r, err := p.store.seize.Run(ctx, p.store.rdb, []string{keyLine(number)}, p.cfg.Worker, rand.Text(), why).Text()
	if err != nil {
		return false, fmt.Errorf("block line: %w", err)
	}
	if r == "lost" {
		return false, errors.New("block line: another worker has it")
	}
	return r == "ok", nil
}

// Renew begins a line anew from its record, as a worker that takes it over does: what this worker remembers of it may be
// what Redis has lost.
func (p *Pool) Renew(ctx context.Context, number string) error {
	p.mu.Lock()
	old := p.owned[number]
	p.mu.Unlock()
	if old == nil {
		return nil
	}
	_, note := old.Extension.suspension()
	rec, err := p.store.takeLease(ctx, p.cfg.Worker, p.cfg.Lease, wish{line: old.Line, note: note, begin: true})
	if err != nil {
		return err
	}
	if !rec.ours {
		p.drop(old)
		return nil
	}
	old.cancel()
	p.mu.Lock()
	p.teams[old.Team].remove(old)
	current := p.owned[number] == old
	p.mu.Unlock()
	if current { // else it was begun anew, or dropped, meanwhile
		p.begin(old.Line, rec)
	}
	return nil
}
