package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/report"
)

func newReport() *cobra.Command {
	var (
		file   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use: "report NAME", Short: "Sum a campaign up: outcomes, when people answer, what the lines did", Args: cobra.ExactArgs(1),
		Long: "Sum a campaign up: outcomes, answer rate by hour of day and by attempt, calls and talk time per line, and a timeline.\n" +
			"--html writes one file that opens in any browser, without network. There are no names and numbers of contacts in it.",
		Example: "  campaign report renewals --html renewals.html\n  campaign report renewals",
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" && asJSON {
				return cli.Usage(errors.New("--html and --json exclude each other"))
			}
			return onRedis(func(cmd *cobra.Command, rdb redis.UniversalClient, args []string) error {
				r, err := report.Read(cmd.Context(), rdb, args[0], time.Local)
				switch {
				case err != nil:
					return err
				case asJSON:
					return cli.JSON(cmd.OutOrStdout(), r)
				case file == "-":
					return r.HTML(cmd.OutOrStdout())
				case file == "":
					return r.Text(cli.Plain(cmd.OutOrStdout()))
				}
				if err := replace(file, r.HTML); err != nil {
					return cli.Usage(fmt.Errorf("--html: %w", err))
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "report written to %s\n", file)
				return nil
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&file, "html", "", "write a page to this file; - for standard output")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// replace writes a file whole or not at all.
func replace(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if err != nil {
		return err //nolint:wrapcheck // it names the folder
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path) //nolint:wrapcheck // it names both
}
