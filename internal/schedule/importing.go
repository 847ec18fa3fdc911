package schedule

import (
	"context"
	"errors"
	"io"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/crash"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

// fill imports the snapshot into the run's campaign. It may be repeated.
func (r *Runner) fill(ctx context.Context, c *claim) error {
	now, err := r.store.Now(ctx)
	if err != nil {
		return err
	}
	rules := c.rule.Rules
	rules.Name = c.Name
	if err := rules.CheckAt(now); err != nil {
		return r.end(ctx, c, StateFailed, err.Error())
	}
	if c.began {
		// What a person has deleted in the middle of its import is not to come back.
		if _, err := r.ledger.Campaign(ctx, c.Name); errors.Is(err, ledger.ErrNoCampaign) {
			return r.end(ctx, c, StateDone, "its campaign was deleted")
		}
	}
	switch err := r.ledger.Create(ctx, rules, true); {
	case errors.Is(err, ledger.ErrCancelled):
		return r.end(ctx, c, StateDone, "its campaign was cancelled")
	case errors.Is(err, ledger.ErrDeleting):
		return r.end(ctx, c, StateDone, "its campaign was deleted")
	case err != nil:
		return err
	}
	if !c.began {
		if err := r.step(ctx, c, StateImporting, keep, "", map[string]any{"began": "1"}); err != nil {
			return err
		}
		c.began = true
	}
	idKey, err := r.ledger.IDKey(ctx)
	if err != nil {
		return err
	}
	numbers, err := r.rdb.SMembers(ctx, keyLeftOut(c.Name)).Result()
	if err != nil {
		return wrap("read open contacts", err)
	}
	// All files of a run are one list, also when their import is repeated.
	again := tasks.Again{SharedIDs: true, List: c.Name}
	im := &imported{leftOut: map[string]bool{}}
	for _, n := range numbers {
		im.leftOut[n] = true
	}
	err = eachStored(ctx, r.rdb, keyList(c.Name), func(name string, src io.Reader) error {
		list, err := contactlist.Open(src, contactlist.Options{
			Region: rules.Region, Columns: c.rule.Columns, IDKey: idKey, Name: name,
		})
		if err != nil {
			return err //nolint:wrapcheck // it names the list
		}
		defer func() { _ = list.Close() }() // only read
		if im.header, err = r.ledger.AddHeader(ctx, rules.Name, list.Header()); err != nil {
			return err
		}
		im.list = list
		t, err := r.producer.ImportAgain(ctx, rules, tasks.ByPriority(im), again, func(tasks.Tally) { crash.Point("batch_imported") })
		// Known ones are from an import that was interrupted.
		im.contacts += t.Added + t.Known + t.Suppressed
		return err
	})
	if errors.Is(err, ledger.ErrCancelled) {
		return r.end(ctx, c, StateDone, "its campaign was cancelled")
	}
	if err != nil {
		return err
	}
	crash.Point("imported")
	r.log.Info().Str("schedule", c.Schedule).Str("run", c.Name).Int("contacts", im.contacts).Int("rejected", im.rejected).
		Int("left_out", im.left).Msg("run started")
	return r.step(ctx, c, StateRunning, keep, "", map[string]any{
		"contacts": im.contacts, "rejected": im.rejected, "left_out": im.left, "detail": im.why,
	})
}

// imported is the stream of a list's contacts, without those that are still open elsewhere.
type imported struct {
	list                     *contactlist.Reader
	header                   int
	leftOut                  map[string]bool
	contacts, rejected, left int
	why                      string // of the first rejected row
}

func (im *imported) Next() (campaign.Contact, error) {
	for {
		c, err := im.list.Next()
		if row, ok := errors.AsType[*contactlist.RejectedRow](err); ok {
			if im.rejected++; im.why == "" {
				im.why = "rejected: " + row.Error()
			}
			continue
		}
		if err != nil {
			return c, err //nolint:wrapcheck // io.EOF is its end, others name the list
		}
		if im.leftOut[c.Number()] {
			im.left++
			continue
		}
		c.List = im.header
		return c, nil
	}
}
