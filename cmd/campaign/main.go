// Command campaign shows campaigns and steers them.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/ledger"
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
	return root
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
