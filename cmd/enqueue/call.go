package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/contactlist"
	"github.com/ringqueue/ringqueue/tasks"
)

func newCall() *cobra.Command {
	var (
		file, to, name string
		update, asJSON bool
	)
	cmd := &cobra.Command{
		Use:     "call",
		Short:   "Put one contact into a campaign",
		Example: "  enqueue call --campaign renewals.yaml --to \"+16505550123\" --name \"Ada Example\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return enqueueCall(cmd, file, to, name, update, asJSON)
		},
	}
	cmd.Flags().StringVar(&file, "campaign", "", "campaign file (YAML)")
	cmd.Flags().StringVar(&to, "to", "", "the contact's number")
	cmd.Flags().StringVar(&name, "name", "", "the contact's name")
	cmd.Flags().BoolVar(&update, "update", false, "replace the rules of a campaign that exists with other ones")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	must(cmd.MarkFlagRequired("campaign"))
	must(cmd.MarkFlagRequired("to"))
	return cmd
}

func enqueueCall(cmd *cobra.Command, file, to, name string, update, asJSON bool) (err error) {
	ctx := cmd.Context()
	rules, err := readRules(file)
	if err != nil {
		return err
	}
	if err := rules.CheckAt(time.Now()); err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", file, err))
	}
	number, err := contactlist.Number(to, rules.Region)
	if err != nil {
		return cli.Usage(fmt.Errorf("--to: %w", err))
	}
	rdb, err := cli.Redis(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	intake, err := tasks.NewProducer(rdb).Open(ctx, rules, tasks.Open{Columns: []string{"number", "name"}, Update: update})
	if err != nil {
		return explainCreate(rules.Name, err)
	}
	answer, held, err := intake.Call(ctx, tasks.Contact{Number: to, Name: name, Values: []string{to, name}})
	if err != nil {
		return explainCreate(rules.Name, err)
	}
	if asJSON {
		return cli.JSON(cmd.OutOrStdout(), map[string]any{"campaign": rules.Name, "answer": answer, "held_by": held})
	}
	text := "will be called"
	switch {
	case answer == tasks.AlreadyIn:
		text = "is in the campaign already and is not called again"
	case answer == tasks.Suppressed:
		text = "is on the do-not-call list and is not called"
	case held != "":
		text = "will be called later: " + held.Text()
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "campaign %s: %s %s\n", rules.Name, campaign.Mask(number), text)
	return nil
}
