package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

func newDNC() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dnc",
		Short: "Keep the do-not-call list",
		Long: "Keep the do-not-call list. It holds for all campaigns and is looked at again right before each call, so a number\n" +
			"added now is not dialled from now on.",
		RunE: cli.Group,
	}
	var region string
	cmd.PersistentFlags().StringVar(&region, "region", "US", "country of numbers written without +")
	withLedger := func(run func(cmd *cobra.Command, l *ledger.Ledger, args []string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) (err error) {
			rdb, err := cli.Redis(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, rdb.Close()) }()
			return run(cmd, ledger.New(rdb), args)
		}
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "add NUMBER...", Short: "Never call these numbers", Args: cobra.MinimumNArgs(1),
			Example: "  enqueue dnc add \"+16505550123\"",
			RunE: func(cmd *cobra.Command, args []string) error {
				numbers, err := parseNumbers(args, region)
				if err != nil {
					return err
				}
				return withLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
					n, err := l.DNCAdd(cmd.Context(), numbers...)
					fmt.Fprintf(cmd.ErrOrStderr(), "%d added, %d were on the list already\n", n, len(numbers)-n)
					return err
				})(cmd, args)
			},
		},
		&cobra.Command{
			Use: "remove NUMBER...", Short: "Allow these numbers again", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				numbers, err := parseNumbers(args, region)
				if err != nil {
					return err
				}
				return withLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
					n, err := l.DNCRemove(cmd.Context(), numbers...)
					fmt.Fprintf(cmd.ErrOrStderr(), "%d removed, %d were not on the list\n", n, len(numbers)-n)
					return err
				})(cmd, args)
			},
		},
		&cobra.Command{
			Use: "import FILE", Short: "Add all numbers of a list (CSV, as for calls, or one number a line)", Args: cobra.ExactArgs(1),
			PreRunE: func(_ *cobra.Command, args []string) error { return readable("do-not-call list", args[0]) },
			RunE: withLedger(func(cmd *cobra.Command, l *ledger.Ledger, args []string) error {
				return importDNC(cmd, l, args[0], region)
			}),
		},
		&cobra.Command{
			Use: "list", Short: "Print the list, one number a line", Args: cobra.NoArgs,
			RunE: withLedger(func(cmd *cobra.Command, l *ledger.Ledger, _ []string) error {
				w := bufio.NewWriter(cmd.OutOrStdout())
				err := l.DNCEach(cmd.Context(), func(number string) error {
					_, err := fmt.Fprintln(w, number)
					return err
				})
				return errors.Join(err, w.Flush())
			}),
		},
	)
	return cmd
}

func parseNumbers(args []string, region string) ([]string, error) {
	numbers := make([]string, 0, len(args))
	for i, a := range args {
		n, err := contactlist.Number(a, region)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("number %d of %d: %w; nothing was changed", i+1, len(args), err))
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// importDNC adds every number of a list. A row without a valid number is an error after the others have been added:
// somebody who asked not to be called must not be lost in silence.
func importDNC(cmd *cobra.Command, l *ledger.Ledger, file, region string) error {
	h, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return cli.Usage(fmt.Errorf("do-not-call list: %w", err))
	}
	defer h.Close() //nolint:errcheck // only read
	list, err := contactlist.Open(h, contactlist.Options{Region: region, Name: file, IDKey: []byte("ids are not used here")})
	if err != nil {
		return cli.Usage(err)
	}
	var (
		added, total int
		bad          []string
		batch        []string
	)
	flush := func() error {
		n, err := l.DNCAdd(cmd.Context(), batch...)
		added += n
		batch = batch[:0]
		return err
	}
	for {
		c, err := list.Next()
		var rejected *contactlist.RejectedRow
		switch {
		case errors.Is(err, io.EOF):
			if err := flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d added, %d were on the list already\n", added, total-added)
			if len(bad) > 0 {
				return cli.Usage(fmt.Errorf("%s: %d rows have no valid number and are NOT on the list, the first at line %s", file, len(bad), bad[0]))
			}
			return nil
		case errors.As(err, &rejected):
			bad = append(bad, fmt.Sprintf("%d: %s", rejected.Line, rejected.Reason))
			continue
		case err != nil:
			return err
		}
		total += len(c.Numbers)
		if batch = append(batch, c.Numbers...); len(batch) >= 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}
