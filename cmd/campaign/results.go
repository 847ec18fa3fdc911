package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/results"
)

func newResults() *cobra.Command {
	var (
		format, since    string
		outcomes         []string
		attempts, follow bool
	)
	cmd := &cobra.Command{
		Use: "results NAME", Short: "Print the results, one row per contact", Args: cobra.ExactArgs(1),
		Long: "Print the results, one row per contact, or per attempt with --attempts; the list's own columns come behind ours, as\n" +
			"they were. In CSV, a cell that a spreadsheet would take for a formula gets an apostrophe in front.\n\n" +
			"--follow prints what has ended, then each contact as it ends, until the campaign is over.",
		Example: "  campaign results renewals > renewals-results.csv\n" +
			"  campaign results renewals --format json --attempts\n" +
			"  campaign results renewals --outcome busy,no_answer --since 24h\n" +
			"  campaign results renewals --follow --format jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			o := results.Options{Format: results.Format(format), Attempts: attempts}
			if !slices.Contains(results.Formats(), o.Format) {
				return cli.Usage(fmt.Errorf("--format %q: it takes csv, json or jsonl", format))
			}
			if follow && o.Format == results.JSON {
				return cli.Usage(errors.New("--follow prints rows as they come: it takes --format csv or jsonl"))
			}
			var err error
			if o.Outcomes, err = parseOutcomes(outcomes, campaign.Outcomes()); err != nil {
				return err
			}
			if o.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			return onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
				write := results.Write
				if follow {
					write = results.Follow
				}
				out := cmd.OutOrStdout()
				if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
					out = cli.Plain(out) // files and pipes get the list's own cells
				}
				return write(cmd.Context(), ledger.New(rdb), args[0], out, o)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&format, "format", string(results.CSV), "csv, json, or jsonl (one object per line)")
	cmd.Flags().BoolVar(&attempts, "attempts", false, "one row per attempt instead of per contact")
	cmd.Flags().StringSliceVar(&outcomes, "outcome", nil, "only rows with these outcomes, such as busy,no_answer")
	cmd.Flags().StringVar(&since, "since", "", "only rows whose last attempt ended since then: 24h, 7d, 2026-11-23 or 2026-11-23T09:00:00Z")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on as contacts end, until the campaign is over")
	cli.CompleteFlag(cmd, "format", "csv", "json", "jsonl")
	cli.CompleteFlag(cmd, "outcome", texts(campaign.Outcomes())...)
	return cmd
}

// parseSince reads how long ago, a day on this machine's clock, or an instant; "" is the zero time.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, cli.Usage(fmt.Errorf("--since %q: it takes a duration such as 24h or 7d, a day such as 2026-11-23, or an instant such as 2026-11-23T09:00:00Z", s))
}
