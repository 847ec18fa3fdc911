package main

import (
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/show"
)

func newWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch NAME", Short: "Follow a campaign until it is done", Args: cobra.ExactArgs(1),
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			w := show.NewWatcher(rdb, args[0], cmd.OutOrStdout())
			return w.Watch(cmd.Context())
		}),
	}
}
