package tasks

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
)

func (b *bundle) open(t *testing.T, o Open) *Intake {
	t.Helper()
	in, err := b.producer.Open(t.Context(), b.rules, o)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// crowd is n contacts: each tenth has no number, and each hundredth after the first the number of the one before.
func crowd(n int, each func(i int)) iter.Seq[Contact] {
	return func(yield func(Contact) bool) {
		for i := range n {
			each(i)
			c := Contact{Number: fmt.Sprintf("+1 212 %03d %04d", 200+i/10000, i%10000), ID: fmt.Sprint("c", i), Values: []string{"v"}}
			switch {
			case i%10 == 5:
				c.Number = "nobody"
			case i%100 == 1 && i > 1:
				c.Number = fmt.Sprintf("212%03d%04d", 200+(i-1)/10000, (i-1)%10000)
			}
			if !yield(c) {
				return
			}
		}
	}
}

// TestStream puts 5,000 contacts into a campaign, is interrupted in the middle, and does it again: nobody is lost or there twice.
func TestStream(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.open(t, Open{Columns: []string{"note"}})
	const n = 5000
	ctx, cancel := context.WithCancel(t.Context())
	_, err := in.Stream(ctx, crowd(n, func(i int) {
		if i == n/2 {
			cancel()
		}
	}), nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	wrong := 0
	tally, err := in.Stream(t.Context(), crowd(n, func(int) {}), func(i int, c Contact, err error) {
		if wrong++; i%10 != 5 || c.Number != "nobody" || err == nil {
			t.Errorf("contact %d, %+v, is rejected: %v", i, c, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const duplicates, good = n/100 - 1, n - n/10 - (n/100 - 1)
	if wrong != n/10 || tally.Rejected != wrong || tally.Duplicates != duplicates || tally.Added+tally.Known != good {
		t.Errorf("%d rejected, %+v; want %d, %d duplicates, %d good ones", wrong, tally, n/10, duplicates, good)
	}
	c, err := b.ledger.Campaign(t.Context(), "spring")
	if err != nil || c.Counts.Total != good {
		t.Errorf("%+v, %v", c.Counts, err)
	}
	info, err := b.inspector.GetQueueInfo("spring")
	if err != nil || info.Pending != good {
		t.Errorf("queue %+v, %v", info, err)
	}
	rec, err := b.ledger.Contact(t.Context(), "spring", "c0")
	if err != nil || len(rec.Contact.Values) != 1 {
		t.Errorf("contact %+v, %v", rec, err)
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.ledger.DNCAdd(t.Context(), "+12125550199"); err != nil {
		t.Fatal(err)
	}
	in := b.open(t, Open{})
	for _, tt := range []struct {
		contact Contact
		answer  Answer
		says    string
	}{
		{Contact{Number: "212 555 0101", ID: "1"}, Queued, ""},
		{Contact{Number: "+12125550101", ID: "1"}, AlreadyIn, ""},
		{Contact{Number: "+12125550101", ID: "2"}, AlreadyIn, ""},
		{Contact{Number: "+12125550199"}, Suppressed, ""},
		{Contact{}, "", "the number is empty"},
		{Contact{Number: "12"}, "", "the number is not a valid number; write it with + and country code"},
		{Contact{Number: "+12125550102", Zone: "Mars"}, "", `the time zone "Mars" is not known; give an IANA name such as America/New_York`},
		{Contact{Number: "+12125550102", ID: "2125550102"}, "", "the id is a phone number or an address, or has more than 64 bytes: it would stand in keys and logs; give another one, or none"},
		{Contact{Number: "+12125550102", Values: []string{"x"}}, "", "there are 1 values for 0 columns"},
	} {
		answer, _, err := in.Call(t.Context(), tt.contact)
		if answer != tt.answer || tt.says == "" && err != nil || tt.says != "" && (err == nil || err.Error() != tt.says) {
			t.Errorf("%+v: %q, %v; want %q, %q", tt.contact, answer, err, tt.answer, tt.says)
		}
	}
	b.rules.CallingHours = campaign.Hours{Zone: campaign.ContactZone}
	in = b.open(t, Open{Update: true})
	if answer, reason, err := in.Call(t.Context(), Contact{Number: "+12125550103"}); answer != Queued || reason == "" || err != nil {
		t.Errorf("outside the hours: %q, %q, %v", answer, reason, err)
	}
	b.rules.WrapUp++
	var differ *ledger.RulesDifferError
	if _, err := b.producer.Open(t.Context(), b.rules, Open{}); !errors.As(err, &differ) {
		t.Errorf("other rules: %v", err)
	}
}
