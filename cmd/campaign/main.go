// Command campaign shows campaigns and steers them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
)

func main() { os.Exit(cli.Main(newRoot())) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "campaign",
		Short: "Show campaigns and steer them",
		Long:  "Show campaigns and steer them.\nReads REDIS_URL from the environment or from .env.",
		RunE:  cli.Group,
	}
	root.AddCommand(newList(), newStatus(), newWatch(), newPause(), newResume(), newCancel(), newRetry(), newDelete(), newResults(),
		newUnconfirmed(), newLines(), newEvents(), newReport())
	for _, cmd := range root.Commands() {
		if cmd.Name() == "lines" {
			cli.CompleteNames(cmd, lineNames)
		}
	}
	cli.CompleteNames(root, campaignNames)
	return root
}

func campaignNames(ctx context.Context, rdb redis.UniversalClient) ([]string, error) {
	all, err := ledger.New(rdb).Campaigns(ctx)
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Rules.Name
	}
	return names, err
}

func lineNames(ctx context.Context, rdb redis.UniversalClient) ([]string, error) {
	all, err := line.List(ctx, rdb)
	names := make([]string, len(all))
	for i, l := range all {
		names[i] = l.Name
	}
	return names, err
}

// onRedis opens Redis for a command and closes it after.
func onRedis(run func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		rdb, err := cli.Redis(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rdb.Close()) }()
		if err = run(cmd, rdb, args); errors.Is(err, ledger.ErrNoCampaign) {
			return fmt.Errorf("%w; `campaign list` shows those that there are", err)
		}
		return err
	}
}
