package reconcile

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

const (
	roundCampaigns  = 25          // open campaigns that have their turn in one round
	urgentCampaigns = 25          // those beyond in which something is to be repaired
	walkContacts    = 5_000       // contacts that a round walks past, over all campaigns
	hurriedContacts = 20_000      // the same in campaigns whose counts disagree
	hurriedPages    = 20          // pages of one of those
	maxSuspects     = 10_000      // per campaign: what is kept in mind at most
	firstPause      = time.Minute // between two hurried walks that did not make the counts agree
	lastPause       = time.Hour   // the same, after many of them
)

// walk is what is remembered of a campaign from round to round.
type walk struct {
	next     int // position in the list of contacts at which the walk goes on
	suspects map[string]suspect
	order    int // of suspicion, so that what is enqueued keeps the list's order
	short    int // rounds in a row in which the counts disagreed
	left     int // contacts that a hurried walk still has to look at
	pause    time.Duration
	rest     time.Time // no hurried walk before

	idle map[taskRef]time.Time // active tasks that no worker has, since when they were seen so each time
	seen map[taskRef]bool      // those of this round
	over int                   // rounds in a row in which nobody waited or was live
	ids  map[string]int        // by list or set of ids: the position at which the search for dangling ones goes on
}

// suspect is a contact that was seen in need of a repair.
type suspect struct {
	fault
	order int
	since time.Time
}

func newWalk() *walk {
	return &walk{suspects: map[string]suspect{}, pause: firstPause, idle: map[taskRef]time.Time{}, ids: map[string]int{}}
}

// urgent says whether a campaign has its turn in each round.
func (w *walk) urgent() bool {
	return len(w.suspects) > 0 || w.short > 0 || len(w.idle) > 0 || w.over > 0
}

// chosen are the campaigns of this round: some in turn, and those in which something is to be repaired.
func (r *Reconciler) chosen(open []ledger.Campaign) []ledger.Campaign {
	if len(open) <= roundCampaigns {
		r.turn++
		if n := len(open); n > 0 { // none is always the last one
			at := r.turn % n
			open = append(slices.Clone(open[at:]), open[:at]...)
		}
		return open
	}
	var chosen []ledger.Campaign
	taken := map[string]bool{}
	for i := range roundCampaigns {
		c := open[(r.turn+i)%len(open)]
		chosen, taken[c.Rules.Name] = append(chosen, c), true
	}
	r.turn = (r.turn + roundCampaigns) % len(open)
	urgent := 0
	for _, c := range open {
		if w := r.walks[c.Rules.Name]; w != nil && w.urgent() && !taken[c.Rules.Name] && urgent < urgentCampaigns {
			chosen = append(chosen, c)
			urgent++
		}
	}
	return chosen
}

func (r *Reconciler) forgetBut(open []ledger.Campaign) {
	names := make(map[string]bool, len(open))
	for _, c := range open {
		names[c.Rules.Name] = true
	}
	for name := range r.walks {
		if !names[name] {
			delete(r.walks, name)
		}
	}
}

// campaign looks at one campaign.
func (r *Reconciler) campaign(ctx context.Context, rd *round, c ledger.Campaign) error {
	if err := r.keep(ctx); err != nil {
		return err
	}
	name := c.Rules.Name
	if !c.Deleting.IsZero() {
		r.finishDelete(ctx, rd, c)
		return nil
	}
	r.checkSum(rd, c)
	w := r.walks[name]
	if w == nil {
		w = newWalk()
		r.walks[name] = w
	}
	w.seen = map[taskRef]bool{}
	load, abandoned, err := r.load(ctx, rd, w, name)
	if err != nil {
		return err
	}
	switch {
	case !c.Counts.Open():
		return r.close(ctx, w, name, load)
	case c.Cancelled && c.Counts.Waiting > 0:
		if err := r.finishCancel(ctx, name); err != nil {
			return err
		}
	}
	w.over = 0
	tracked, err := r.tracked(ctx, rd, name)
	if err != nil {
		return err
	}
	wanted := c.Counts.Waiting + c.Counts.Live
	surplus := max(load.alive-wanted, 0)
	rd.repairs.Surplus += surplus
	w.compare(load.alive < wanted && !c.Cancelled || tracked < c.Counts.Live, c.Counts.Total, rd.now)

	looked := map[string]bool{}
	if err := r.examine(ctx, rd, c, w, unseen(looked, append(w.known(), abandoned...))); err != nil {
		return err
	}
	if err := r.walk(ctx, rd, c, w, looked); err != nil {
		return err
	}
	for task := range w.idle {
		if !w.seen[task] {
			delete(w.idle, task)
		}
	}
	if surplus > 0 {
		return r.dangling(ctx, rd, w, name)
	}
	return nil
}

// checkSum reports a campaign whose contacts are not each in one state.
func (r *Reconciler) checkSum(rd *round, c ledger.Campaign) {
	n := c.Counts
	if n.Waiting+n.Live+n.Done+n.Unconfirmed == n.Total {
		return
	}
	rd.repairs.Uneven++
	r.Log.Error().Str("campaign", c.Rules.Name).Int("total", n.Total).Int("waiting", n.Waiting).Int("live", n.Live).
		Int("done", n.Done).Int("unconfirmed", n.Unconfirmed).Msg("the campaign's counts do not add up")
}

// tracked counts a campaign's calls that have a line.
func (r *Reconciler) tracked(ctx context.Context, rd *round, name string) (int, error) {
	stand, err := r.Ledger.Stand(ctx, name, rd.lines[name])
	n := 0
	for _, x := range stand {
		if x.State == campaign.Placing || x.State == campaign.Live {
			n++
		}
	}
	return n, err
}

// compare takes note of whether the counts disagree, and decides on a hurried walk.
func (w *walk) compare(short bool, total int, now time.Time) {
	if !short {
		w.short, w.pause, w.rest = 0, firstPause, time.Time{}
		return
	}
	w.short++
	if w.short >= 2 && w.left == 0 && !now.Before(w.rest) {
		w.left = total
		w.rest = now.Add(w.pause)
		w.pause = min(2*w.pause, lastPause)
	}
}

// known lists the suspects in the order in which they became so.
func (w *walk) known() []string {
	ids := make([]string, 0, len(w.suspects))
	for id := range w.suspects {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return w.suspects[a].order - w.suspects[b].order })
	return ids
}

// unseen keeps the ids that are not in seen, and adds them to it.
func unseen(seen map[string]bool, ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool {
		if seen[id] {
			return true
		}
		seen[id] = true
		return false
	})
}

// walk goes on through the campaign's contacts: a page, or more in a hurry, and never around more than once.
func (r *Reconciler) walk(ctx context.Context, rd *round, c ledger.Campaign, w *walk, looked map[string]bool) error {
	pages, budget := 1, &rd.contacts
	if w.left > 0 {
		pages, budget = hurriedPages, &rd.hurried
	}
	walked := 0
	for range pages {
		if *budget <= 0 || len(w.suspects) >= maxSuspects || walked >= c.Counts.Total {
			return nil
		}
		ids, err := r.Ledger.Page(ctx, c.Rules.Name, w.next, r.Timing.Page)
		if err != nil {
			return err
		}
		*budget -= len(ids)
		walked += len(ids)
		w.left = max(w.left-len(ids), 0)
		w.next += len(ids)
		if len(ids) < r.Timing.Page {
			w.next = 0
		}
		if err := r.examine(ctx, rd, c, w, unseen(looked, ids)); err != nil {
			return err
		}
	}
	return nil
}

// contactsOf names the contacts that a task may be of, by its id: where a contact's id ends like a round, it may be of two.
func contactsOf(name, id string) []string {
	rest, ok := strings.CutPrefix(id, name+":")
	if !ok {
		return nil
	}
	var contacts []string
	for range 2 { // a round's own task, and one beside it
		i := strings.LastIndexByte(rest, ':')
		if i < 0 {
			break
		}
		rest = rest[:i]
		contacts = append(contacts, rest)
	}
	return contacts
}
