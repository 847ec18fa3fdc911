package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/golden"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

// TestGolden pins what the commands print, but for times.
func TestGolden(t *testing.T) {
	l := setup(t)
	ref := campaign.Ref{Campaign: "spring", Contact: "c2", Token: "two"}
	if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: 1, Number: "+12122000020", Line: "bob", SendWithin: time.Second}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Settle(t.Context(), ref, ledger.Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true, Detail: "the contact's phone: busy"},
		Next:    campaign.Next{Final: true, Outcome: campaign.Busy},
	}); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, line := range []string{
		"list", "list --json", "status spring", "status spring --json", "results spring", "results spring --attempts",
		"results spring --format json", "results spring --format jsonl --outcome busy", "events spring", "events spring --json --last 1",
		"unconfirmed list spring", "report spring", "lines", "retry spring --outcome busy", "cancel spring", "status spring",
		"delete spring --yes", "list",
	} {
		r := must(t, strings.Fields(line)...)
		b.WriteString("$ campaign " + line + "\n" + golden.Steady(r.out+r.err) + "\n")
	}
	golden.Check(t, "commands.txt", []byte(b.String()))
	golden.Check(t, "help.txt", golden.Help(newRoot()))
}
