package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/contactlist"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/ledger"
	"github.com/ringqueue/ringqueue/tasks"
)

func newCall() *cobra.Command {
	var (
		file, to, name string
		update         bool
	)
	cmd := &cobra.Command{
		Use:     "call",
		Short:   "Put one contact into a campaign",
		Example: "  enqueue call --campaign renewals.yaml --to \"+16505550123\" --name \"Ada Example\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return enqueueCall(cmd, file, to, name, update)
		},
	}
	cmd.Flags().StringVar(&file, "campaign", "", "campaign file (YAML)")
	cmd.Flags().StringVar(&to, "to", "", "the contact's number")
	cmd.Flags().StringVar(&name, "name", "", "the contact's name")
	cmd.Flags().BoolVar(&update, "update", false, "replace the rules of a campaign that exists with other ones")
	must(cmd.MarkFlagRequired("campaign"))
	must(cmd.MarkFlagRequired("to"))
	return cmd
}

func enqueueCall(cmd *cobra.Command, file, to, name string, update bool) (err error) {
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
	led := ledger.New(rdb)
	if err := createCampaign(ctx, led, rules, update); err != nil {
		return err
	}
	idKey, err := led.IDKey(ctx)
	if err != nil {
		return err
	}
	header, err := led.AddHeader(ctx, rules.Name, []string{"number", "name"})
	if err != nil {
		return err
	}
	producer := tasks.NewProducer(rdb)
	one := &single{contact: campaign.Contact{
		ID: contactlist.ContactID(idKey, number), Numbers: []string{number}, Name: name, List: header, Values: []string{to, name},
	}}
	t, err := producer.Import(ctx, rules, one, nil)
	if err != nil {
		return err
	}
	text := "will be called"
	switch {
	case t.Known+t.Duplicates > 0:
		text = "is in the campaign already and is not called again"
	case t.Suppressed > 0:
		text = "is on the do-not-call list and is not called"
	case t.Held > 0:
		for reason := range t.Reasons {
			text = "will be called later: " + reason.Text()
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "campaign %s: %s %s\n", rules.Name, campaign.Mask(number), text)
	return nil
}

// single is a call list of one contact.
type single struct {
	contact campaign.Contact
	read    bool
}

func (s *single) Next() (campaign.Contact, error) {
	if s.read {
		return campaign.Contact{}, io.EOF
	}
	s.read = true
	return s.contact, nil
}
