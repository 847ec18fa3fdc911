package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/show"
	"github.com/ringqueue/ringqueue/internal/status"
)

func newList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List all campaigns", Args: cobra.NoArgs,
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, _ []string) error {
			all, err := status.NewReader(rdb).All(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			if len(all) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "no campaigns yet; `enqueue csv` makes one")
				return nil
			}
			w := tabwriter.NewWriter(cli.Plain(cmd.OutOrStdout()), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "CAMPAIGN\tSTATE\tTOTAL\tWAITING\tLIVE\tDONE\tUNCONFIRMED\tCREATED")
			for _, s := range all {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Name, s.State, s.Total, s.Waiting, s.Live, s.Done, s.Unconfirmed,
					s.CreatedAt.Local().Format("2006-01-02 15:04"))
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status NAME", Short: "Show where a campaign stands and what keeps it from dialling", Args: cobra.ExactArgs(1),
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			s, err := status.NewReader(rdb).Read(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), s)
			}
			return show.Status(cli.Plain(cmd.OutOrStdout()), s)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
