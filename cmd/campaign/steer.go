package main

import (
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

func newPause() *cobra.Command {
	return &cobra.Command{
		Use: "pause NAME", Short: "Stop new calls; calls that are live go on", Args: cobra.ExactArgs(1),
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			if _, err := ledger.New(rdb).Campaign(cmd.Context(), args[0]); err != nil {
				return err
			}
			if err := tasks.NewPauses(rdb).Pause(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is paused; `campaign resume %s` goes on\n", args[0], args[0])
			return nil
		}),
	}
}

func newResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume NAME", Short: "Let a paused campaign go on", Args: cobra.ExactArgs(1),
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			if _, err := ledger.New(rdb).Campaign(cmd.Context(), args[0]); err != nil {
				return err
			}
			if err := tasks.NewPauses(rdb).Resume(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s goes on\n", args[0])
			return nil
		}),
	}
}

func newCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel NAME", Short: "End a campaign for good; conversations go on, calls that only ring the agent do not", Args: cobra.ExactArgs(1),
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			name := args[0]
			n, err := tasks.Cancel(cmd.Context(), rdb, name)
			if err != nil {
				return err
			}
			c, err := ledger.New(rdb).Campaign(cmd.Context(), name)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is cancelled: %d contacts are not called any more, %d calls are live\n", name, n, c.Counts.Live)
			return nil
		}),
	}
}
