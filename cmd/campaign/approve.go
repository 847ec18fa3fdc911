package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/show"
)

func newLinesApprove() *cobra.Command {
	var (
		team string
		yes  bool
	)
	cmd := &cobra.Command{
		Use: "approve NAME... | --team TEAM", Short: "Let lines dial that are held since Redis was restarted, without RingCentral's records",
		Long: "Let lines dial that are held since Redis was restarted or replaced, because RingCentral does not tell of their calls.\n" +
			"What it risks: somebody whom such a line had called just before may be called again, and a phone on which a call goes on\n" +
			"that Redis has forgotten may get a second one. Look at the agents' phones and at RingCentral's call log first.\n" +
			"NAME is a line's name, TEAM/NAME, or its number.",
		Example: "  campaign lines\n  campaign lines approve alice\n  campaign lines approve --team sales --yes",
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 0) == (team == "") {
				return errors.New("takes the names of lines, or --team")
			}
			return nil
		},
		RunE: onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
			ctx, led := cmd.Context(), ledger.New(rdb)
			lines, err := linesOf(cmd, rdb, team, args)
			if err != nil {
				return err
			}
			a, err := led.Approval(ctx)
			if err != nil {
				return err
			}
			var names, numbers []string
			for _, l := range lines {
				if !a.LineAgreed(l.Number) {
					names, numbers = append(names, l.Name), append(numbers, l.Number)
				} else if team == "" {
					return fmt.Errorf("line %s is not held because of Redis, so there is nothing to approve; `campaign lines` says what it does", l.Name)
				}
			}
			switch {
			case len(names) == 0:
				return fmt.Errorf("no line of team %s is held because of Redis, so there is nothing to approve", team)
			case a.Noticed.IsZero():
				return errors.New("no worker has noticed yet that Redis was restarted: start one, and try again in a moment")
			}
			if !yes {
				if err := confirm(cmd, fmt.Sprintf("let %s dial without RingCentral's records? Somebody whom it has just called may be called again, "+
					"and a phone that is on a call may get a second one.", strings.Join(names, ", "))); err != nil {
					return err
				}
			}
			if err := led.AgreeLines(ctx, a.RunID, numbers...); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s approved: %s\n", show.Count(len(names), "line"), strings.Join(names, ", "))
			return nil
		}),
	}
	cmd.Flags().StringVar(&team, "team", "", "all lines of a team that are held")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// linesOf finds lines by their names, or all of a team.
func linesOf(cmd *cobra.Command, rdb redis.UniversalClient, team string, names []string) ([]line.Info, error) {
	if team == "" {
		var found []line.Info
		for _, name := range names {
			l, err := line.Find(cmd.Context(), rdb, name)
			if err != nil {
				return nil, err
			}
			found = append(found, l)
		}
		return found, nil
	}
	all, err := line.List(cmd.Context(), rdb)
	if err != nil {
		return nil, err
	}
	var found []line.Info
	for _, l := range all {
		if l.Team == team {
			found = append(found, l)
		}
	}
	if len(found) == 0 {
		return nil, cli.Usage(fmt.Errorf("--team: no line of team %q is known; `campaign lines` shows all", team))
	}
	return found, nil
}
