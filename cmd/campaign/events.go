package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/show"
)

// shownEvent is what `events --json` prints.
type shownEvent struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Contact string    `json:"contact_id"`
	Attempt int       `json:"attempt,omitempty"`
	Line    string    `json:"line,omitempty"`
	Text    string    `json:"text,omitempty"`
}

func newEvents() *cobra.Command {
	var (
		follow, asJSON bool
		last           int
	)
	cmd := &cobra.Command{
		Use: "events NAME", Short: "Print what happened in a campaign, oldest first", Args: cobra.ExactArgs(1),
		Long: "Print what happened in a campaign, oldest first; some 10,000 events are kept. --json prints an array; with --follow, one\n" +
			"object per line, until it is interrupted.",
		Example: "  campaign events renewals --last 20\n  campaign events renewals --follow",
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 0 {
				return cli.Usage(fmt.Errorf("--last %d: it takes 1 or more, or 0 for all", last))
			}
			return onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
				p := eventPrinter{ledger: ledger.New(rdb), name: args[0], out: cmd.OutOrStdout(), json: asJSON, follow: follow, last: last}
				return p.run(cmd)
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "go on as more happens")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&last, "last", 0, "begin with the last so many; 0 for all that are kept")
	return cmd
}

type eventPrinter struct {
	ledger       *ledger.Ledger
	name         string
	out          io.Writer
	json, follow bool
	last         int
}

func (p eventPrinter) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if _, err := p.ledger.Campaign(ctx, p.name); err != nil {
		return err
	}
	all := []shownEvent{}
	after := ""
	begin := func() ([]ledger.Event, error) {
		if p.last > 0 {
			return p.ledger.Events(ctx, p.name, "$", int64(p.last))
		}
		return p.ledger.Events(ctx, p.name, "", 1000)
	}
	for read := begin; ; {
		events, err := read()
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, e := range events {
			after = e.ID
			shown := shownEvent{e.ID, e.At, e.Kind, e.Contact, e.Attempt, e.Line, e.Text}
			switch {
			case !p.json:
				fmt.Fprintf(p.out, "%s  %s\n", e.At.Local().Format(time.DateTime), cli.PlainText(show.Event(e)))
			case !p.follow:
				all = append(all, shown)
			default:
				if err := json.NewEncoder(p.out).Encode(shown); err != nil {
					return fmt.Errorf("write events: %w", err)
				}
			}
		}
		read = func() ([]ledger.Event, error) { return p.ledger.Events(ctx, p.name, after, 1000) }
		if len(events) > 0 {
			continue
		}
		if !p.follow || ctx.Err() != nil {
			break
		}
		if _, err := p.ledger.Campaign(ctx, p.name); errors.Is(err, ledger.ErrNoCampaign) {
			return fmt.Errorf("%s was deleted", p.name)
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	if p.json && !p.follow {
		return cli.JSON(p.out, all)
	}
	return nil
}
