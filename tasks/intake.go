package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/contactlist"
)

// Contact is somebody to call, as a program knows them. Only Number is needed.
type Contact struct {
	Number string   // as it is written; without +, it is one of the campaign's region
	Name   string   // as results show it
	ID     string   // the program's own; nothing personal, since it stands in keys and logs; empty: a keyed hash of Number
	Zone   string   // IANA; empty: by number
	Values []string // by Intake's columns; results give them back
}

// Open is how an Intake is opened. The zero value will do.
type Open struct {
	Columns []string // names of what contacts have in Values
	Update  bool     // replace the rules of a campaign that exists with other ones
}

// Intake puts a program's contacts into one campaign. It is safe for concurrent use.
type Intake struct {
	producer *Producer
	rules    campaign.Rules
	columns  []string
	list     int
	idKey    []byte
}

// Open creates a campaign, or finds the one of this name, and takes contacts for it. Errors are those of Rules.CheckAt,
// and ledger.ErrCancelled, ledger.ErrDeleting, and *ledger.RulesDifferError where it exists with other rules.
func (p *Producer) Open(ctx context.Context, rules campaign.Rules, o Open) (*Intake, error) {
	p.clock.Refresh(ctx)
	if err := rules.CheckAt(p.now()); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	if err := p.ledger.Create(ctx, rules, o.Update); err != nil {
		return nil, err
	}
	idKey, err := p.ledger.IDKey(ctx)
	if err != nil {
		return nil, err
	}
	list := 0
	if len(o.Columns) > 0 {
		if list, err = p.ledger.AddHeader(ctx, rules.Name, o.Columns); err != nil {
			return nil, err
		}
	}
	return &Intake{producer: p, rules: rules, columns: o.Columns, list: list, idKey: idKey}, nil
}

// Answer says what became of one contact.
type Answer string

// The answers of Call.
const (
	Queued     Answer = "queued"     // it will be called
	AlreadyIn  Answer = "already_in" // it, or its number, is in the campaign: it is not called again
	Suppressed Answer = "suppressed" // it is on the do-not-call list: it is not called
)

// Call puts one contact into the campaign. A queued contact that is not to be called right now has the reason for it.
func (in *Intake) Call(ctx context.Context, c Contact) (Answer, campaign.Reason, error) {
	var wrong error
	t, err := in.Stream(ctx, func(yield func(Contact) bool) { yield(c) }, func(_ int, _ Contact, err error) { wrong = err })
	if err = errors.Join(err, wrong); err != nil {
		return "", "", err
	}
	for reason := range t.Reasons {
		return Queued, reason, nil
	}
	switch {
	case t.Known+t.Duplicates+t.OtherNumber > 0:
		return AlreadyIn, "", nil
	case t.Suppressed > 0:
		return Suppressed, "", nil
	}
	return Queued, "", nil
}

// Stream puts contacts into the campaign, some hundreds at a time, in constant memory. One that cannot be called is left out
// and told to rejected, which may be nil, with its position from 0 and what is wrong. On an error the Tally counts what is
// stored; the same stream again goes on from there and calls nobody twice.
func (in *Intake) Stream(ctx context.Context, contacts iter.Seq[Contact], rejected func(int, Contact, error)) (Tally, error) {
	maker, err := contactlist.NewMaker(in.rules.Region, in.idKey)
	if err != nil {
		return Tally{}, err //nolint:wrapcheck // it says what is wrong
	}
	next, stop := iter.Pull(contacts)
	defer stop()
	if rejected == nil {
		rejected = func(int, Contact, error) {}
	}
	s := &stream{intake: in, maker: maker, next: next, rejected: rejected}
	t, err := in.producer.Import(ctx, in.rules, s, nil)
	t.Rejected = s.wrong
	return t, err
}

// stream turns a program's contacts into the ledger's.
type stream struct {
	intake   *Intake
	maker    *contactlist.Maker
	next     func() (Contact, bool)
	rejected func(int, Contact, error)
	n, wrong int
}

func (s *stream) Next() (campaign.Contact, error) {
	for ; ; s.n++ {
		c, ok := s.next()
		if !ok {
			return campaign.Contact{}, io.EOF
		}
		made, err := s.maker.Contact(c.Number, c.Name, c.ID, c.Zone)
		if columns := s.intake.columns; err == nil && len(c.Values) > len(columns) {
			err = fmt.Errorf("there are %d values for %d columns", len(c.Values), len(columns))
		}
		if err != nil {
			s.wrong++
			s.rejected(s.n, c, err)
			continue
		}
		made.List, made.Values = s.intake.list, c.Values
		s.n++
		return made, nil
	}
}
