package main

import (
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/ledger"
	"github.com/ringqueue/ringqueue/results"
)

func newResults() *cobra.Command {
	var (
		format   string
		attempts bool
	)
	cmd := &cobra.Command{
		Use: "results NAME", Short: "Print the results, one row per contact", Args: cobra.ExactArgs(1),
		Example: "  campaign results renewals > renewals-results.csv\n  campaign results renewals --format json --attempts",
		PreRunE: func(*cobra.Command, []string) error {
			if format != string(results.CSV) && format != string(results.JSON) {
				return cli.Usage(fmt.Errorf("--format %q: it takes csv or json", format))
			}
			return nil
		},
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			return results.Write(cmd.Context(), ledger.New(rdb), args[0], cmd.OutOrStdout(),
				results.Options{Format: results.Format(format), Attempts: attempts})
		}),
	}
	cmd.Flags().StringVar(&format, "format", string(results.CSV), "csv or json")
	cmd.Flags().BoolVar(&attempts, "attempts", false, "one row per attempt instead of per contact")
	return cmd
}
