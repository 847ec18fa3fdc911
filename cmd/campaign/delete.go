package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/show"
	"github.com/ringqueue/ringqueue/tasks"
)

func newDelete() *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a campaign with its contacts, its results and its queues", Args: cobra.ExactArgs(1),
		Long: "Delete a campaign with its contacts, its results and its queues. Its results are gone then: `campaign results NAME` saves\n" +
			"them. The do-not-call list stays. A campaign with live calls is not deleted; `campaign cancel NAME` ends it first.",
		Example: "  campaign results renewals > renewals.csv && campaign delete renewals --yes",
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			name := args[0]
			c, err := ledger.New(rdb).Campaign(cmd.Context(), name)
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(cmd, fmt.Sprintf("delete %s with %s and their results?", name, show.Count(c.Counts.Total, "contact"))); err != nil {
					return err
				}
			}
			_, err = tasks.Delete(cmd.Context(), rdb, name)
			if errors.Is(err, ledger.ErrLive) {
				return fmt.Errorf("%s has live calls; `campaign cancel %[1]s` ends it, and it can be deleted once they are over", name)
			}
			if err != nil {
				return fmt.Errorf("%w; what is left is deleted by a worker, or when you run the same again", err)
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), map[string]any{"name": name, "contacts": c.Counts.Total})
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is deleted, with %s\n", name, show.Count(c.Counts.Total, "contact"))
			return nil
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// confirm asks a person. Where there is none, it is an error.
func confirm(cmd *cobra.Command, question string) error {
	if f, ok := cmd.InOrStdin().(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return cli.Usage(errors.New("there is nobody to ask: --yes goes ahead without asking"))
	}
	fmt.Fprint(cmd.ErrOrStderr(), question+" [y/N] ")
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); err != nil || a != "y" && a != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
