package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/show"
	"github.com/ringqueue/ringqueue/tasks"
)

func newRetry() *cobra.Command {
	var (
		names  []string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use: "retry NAME", Short: "Give contacts that are done another round", Args: cobra.ExactArgs(1),
		Long: "Give contacts that are done with certain outcomes another round: one more call at least, however many they had, under\n" +
			"the campaign's rules (hours, do-not-call, delays).",
		Example: "  campaign retry renewals --outcome no_answer,busy",
		RunE: func(cmd *cobra.Command, args []string) error {
			outcomes, err := parseOutcomes(names, tasks.RetriableOutcomes())
			if err != nil {
				return err
			}
			return onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
				n, err := tasks.NewProducer(rdb).Retry(cmd.Context(), args[0], outcomes)
				switch {
				case errors.Is(err, ledger.ErrCancelled):
					return fmt.Errorf("%s is cancelled: nobody is called for it any more", args[0])
				case errors.Is(err, ledger.ErrEnded):
					return fmt.Errorf("%s has ended: a later `ends` in its campaign file, imported with --update, lets it go on", args[0])
				case err != nil:
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), map[string]any{"name": args[0], "retried": n})
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s to be called again\n", args[0], show.Count(n, "contact"))
				return nil
			})(cmd, args)
		},
	}
	cmd.Flags().StringSliceVar(&names, "outcome", nil, "outcomes after which to call again, such as no_answer,busy")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cli.CompleteFlag(cmd, "outcome", texts(tasks.RetriableOutcomes())...)
	if err := cmd.MarkFlagRequired("outcome"); err != nil {
		panic(err)
	}
	return cmd
}

// parseOutcomes checks the value of --outcome.
func parseOutcomes(names []string, valid []campaign.Outcome) ([]campaign.Outcome, error) {
	outcomes := make([]campaign.Outcome, 0, len(names))
	for _, name := range names {
		o := campaign.Outcome(strings.TrimSpace(name))
		if !slices.Contains(valid, o) {
			return nil, cli.Usage(fmt.Errorf("--outcome %q: it takes one or more of %s", name, strings.Join(texts(valid), ", ")))
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

func texts(outcomes []campaign.Outcome) []string {
	list := make([]string, len(outcomes))
	for i, o := range outcomes {
		list[i] = string(o)
	}
	return list
}
