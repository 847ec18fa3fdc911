// Command enqueue puts contacts into campaigns and keeps the do-not-call list.
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
		Long:  "Put contacts into campaigns, from a call list or one by one, and keep the do-not-call list.\nReads REDIS_URL from the environment or from .env.",
		RunE:  cli.Group,
	}
	root.AddCommand(newCSV(), newCall(), newDNC())
	return root
}
