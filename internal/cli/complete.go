package cli

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
)

// CompleteNames has the shell complete NAME, the first argument of cmd and of its subcommands, with what names lists. Where
// Redis is away it completes nothing.
func CompleteNames(cmd *cobra.Command, names func(context.Context, redis.UniversalClient) ([]string, error)) {
	for _, sub := range cmd.Commands() {
		CompleteNames(sub, names)
	}
	if !strings.Contains(cmd.Use, " NAME") || cmd.ValidArgsFunction != nil {
		return
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		rdb, err := Redis(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := names(ctx, rdb)
		if rdb.Close() != nil || err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteFlag has the shell complete a flag's value, or a list of values, from those that it takes.
func CompleteFlag(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := ""
		if i := strings.LastIndexByte(typed, ','); i >= 0 {
			before = typed[:i+1]
		}
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = before + v
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	if err != nil {
		panic(err) // there is no such flag
	}
}
