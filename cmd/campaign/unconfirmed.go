package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

func newUnconfirmed() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unconfirmed",
		Short: "Decide about contacts of whom it is not known whether their phone rang",
		RunE:  cli.Group,
	}
	cmd.AddCommand(newUnconfirmedList(), newUnconfirmedResolve())
	return cmd
}

// heldContact is what `unconfirmed list --json` prints.
type heldContact struct {
	Contact string    `json:"contact_id"`
	Row     int       `json:"row"`
	Name    string    `json:"name"`
	Number  string    `json:"number"`
	Line    string    `json:"line"`
	At      time.Time `json:"attempt_at"`
	Detail  string    `json:"detail"`
}

func newUnconfirmedList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list NAME", Short: "List a campaign's unconfirmed contacts", Args: cobra.ExactArgs(1),
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			l := ledger.New(rdb)
			if _, err := l.Campaign(cmd.Context(), args[0]); err != nil {
				return err
			}
			held := []heldContact{}
			if err := l.Each(cmd.Context(), args[0], func(r ledger.Record) error {
				if r.State != campaign.UnconfirmedHeld || len(r.Attempts) == 0 {
					return nil
				}
				a := r.Attempts[len(r.Attempts)-1]
				held = append(held, heldContact{
					Contact: r.Contact.ID, Row: r.Contact.Row, Name: r.Contact.Name, Number: r.Contact.Number(),
					Line: a.Line, At: a.ClaimedAt, Detail: a.Detail,
				})
				return nil
			}); err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), held)
			}
			if len(held) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "none")
				return nil
			}
			w := tabwriter.NewWriter(cli.Plain(cmd.OutOrStdout()), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "CONTACT\tROW\tNAME\tNUMBER\tLINE\tATTEMPT\tWHY")
			for _, h := range held {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", h.Contact, h.Row, h.Name, h.Number, h.Line, h.At.Format(time.RFC3339), h.Detail)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newUnconfirmedResolve() *cobra.Command {
	var (
		called    string
		notCalled bool
	)
	cmd := &cobra.Command{
		Use: "resolve NAME CONTACT", Short: "Say what became of the call", Args: cobra.ExactArgs(2),
		Example: "  campaign unconfirmed resolve renewals 1042 --called answered\n  campaign unconfirmed resolve renewals 1042 --not-called",
		PreRunE: func(*cobra.Command, []string) error {
			if (called == "") == !notCalled {
				return cli.Usage(fmt.Errorf("give either --called OUTCOME or --not-called"))
			}
			if called != "" && !slices.Contains(tasks.ResolvableOutcomes(), campaign.Outcome(called)) {
				return cli.Usage(fmt.Errorf("--called %q: it takes one of %v", called, tasks.ResolvableOutcomes()))
			}
			return nil
		},
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			producer := tasks.NewProducer(rdb)
			if err := producer.Resolve(cmd.Context(), args[0], args[1], campaign.Outcome(called)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s decided\n", args[0], args[1])
			return nil
		}),
	}
	cmd.Flags().StringVar(&called, "called", "", "the call took place and ended with this outcome")
	cmd.Flags().BoolVar(&notCalled, "not-called", false, "there was no call: the contact is called again")
	return cmd
}
