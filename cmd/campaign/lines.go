package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/redisclock"
	"github.com/ringqueue/ringqueue/internal/show"
	"github.com/ringqueue/ringqueue/tasks"
)

// shownLine is what `lines --json` prints.
type shownLine struct {
	Name     string    `json:"name"`
	Team     string    `json:"team"`
	Number   string    `json:"number"`          // masked
	Worker   string    `json:"worker"`          // "" while no worker has it
	State    string    `json:"state"`           // free, occupied, wrap_up, cooling, blocked
	Phase    string    `json:"phase,omitempty"` // of the call: rings_agent, rings_contact, talks
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"` // of wrap_up and cooling
	Campaign string    `json:"campaign,omitempty"`
	Contact  string    `json:"contact_id,omitempty"`
	Paused   bool      `json:"paused"` // the agent has a break
	PausedAt time.Time `json:"paused_at,omitzero"`
	Note     string    `json:"note,omitempty"`
	Doing    string    `json:"doing"`
}

func newLines() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "lines", Short: "Show what each line is doing, give an agent a break, free a blocked line", Args: cobra.NoArgs,
		Example: "  campaign lines\n  campaign lines pause alice\n  campaign lines resume alice\n  campaign lines unblock alice",
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, _ []string) error {
			lines, err := line.List(cmd.Context(), rdb)
			if err != nil {
				return err
			}
			list := make([]shownLine, len(lines))
			for i, l := range lines {
				list[i] = shownLine{
					Name: l.Name, Team: l.Team, Number: campaign.Mask(l.Number), Worker: l.Worker, State: string(l.State), Phase: string(l.Phase), Since: l.Since,
					Until: l.Until, Campaign: l.Campaign, Contact: l.Contact, Paused: !l.Paused.IsZero(), PausedAt: l.Paused,
					Note: l.Note, Doing: show.Doing(l, time.Now()),
				}
				if l.State == line.Free {
					list[i].State = "free"
				}
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "no lines yet; a worker publishes those of its settings")
				return nil
			}
			w := tabwriter.NewWriter(cli.Plain(cmd.OutOrStdout()), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LINE\tTEAM\tNUMBER\tDOING\tCAMPAIGN\tWORKER")
			for _, l := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.Team, l.Number, l.Doing, or(l.Campaign), or(l.Worker))
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(
		newLinesSet("pause NAME", "Give a line's agent a break; a call that is live goes on", "%s has a break; `campaign lines resume %[1]s` ends it\n", line.Pause),
		newLinesSet("resume NAME", "End an agent's break", "%s is called again\n", line.Resume),
		newLinesApprove(), newLinesUnblock())
	return cmd
}

func newLinesUnblock() *cobra.Command {
	return &cobra.Command{
		Use: "unblock NAME", Short: "Free a line of which nobody knows whether its call is over", Args: cobra.ExactArgs(1),
		Long: "Free a line of which nobody knows whether its call is over, at once. Look at the agent's phone first: it rings again when a contact is due.\n" +
			"What became of the call is left to you: see campaign unconfirmed. NAME is a line's name, TEAM/NAME, or its number.",
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			ctx := cmd.Context()
			l, err := line.Find(ctx, rdb, args[0])
			if err != nil {
				return err
			}
			clock := redisclock.New(rdb)
			if err := clock.Sync(ctx); err != nil {
				return err
			}
			if err := line.Unblock(ctx, rdb, dial.NewBook(ledger.New(rdb), tasks.NewProducer(rdb), clock.Now), l); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is free\n", l.Name)
			return nil
		}),
	}
}

func newLinesSet(use, short, says string, set func(ctx context.Context, rdb redis.UniversalClient, number string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		Long: short + ". NAME is a line's name, TEAM/NAME, or its number.",
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			l, err := line.Find(cmd.Context(), rdb, args[0])
			if err != nil {
				return err
			}
			if err := set(cmd.Context(), rdb, l.Number); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), says, l.Name)
			return nil
		}),
	}
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
