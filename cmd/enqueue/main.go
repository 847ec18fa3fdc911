// Command enqueue puts contacts into campaigns, now or on schedule, and keeps the do-not-call list.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
)

func main() { os.Exit(cli.Main(newRoot())) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "enqueue",
		Short: "Put contacts into campaigns",
		Long:  "Put contacts into campaigns, from a call list or one by one, now or on schedule, and keep the\ndo-not-call list.\nReads REDIS_URL from the environment or from .env.",
		RunE:  cli.Group,
	}
	root.AddCommand(newCSV(), newCall(), newSchedule(), newStored(), newDNC())
	return root
}
