package tasks

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// bundle is a campaign on a Redis of its own.
type bundle struct {
	rdb       *redis.Client
	ledger    *ledger.Ledger
	producer  *Producer
	inspector *asynq.Inspector
	rules     campaign.Rules
}

func setup(t *testing.T) *bundle {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	b := &bundle{
		rdb: rdb, ledger: ledger.New(rdb), producer: NewProducer(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb),
		rules: campaign.Default("spring"),
	}
	b.rules.CallingHours = campaign.Hours{Always: true}
	if err := b.ledger.Create(t.Context(), b.rules, false); err != nil {
		t.Fatal(err)
	}
	return b
}

// rows is a stream of contacts.
type rows []campaign.Contact

func (p *rows) Next() (campaign.Contact, error) {
	if len(*p) == 0 {
		return campaign.Contact{}, io.EOF
	}
	c := (*p)[0]
	*p = (*p)[1:]
	return c, nil
}

// contact makes the n-th contact.
func contact(n int) campaign.Contact {
	return campaign.Contact{ID: fmt.Sprintf("c%d", n), Row: n + 1, Numbers: []string{fmt.Sprintf("+1212%07d", 2000000+n)}}
}

func contacts(n int) *rows {
	list := make(rows, n)
	for i := range list {
		list[i] = contact(i)
	}
	return &list
}

func (b *bundle) add(t *testing.T, n int) {
	t.Helper()
	if _, err := b.producer.Import(t.Context(), b.rules, contacts(n), nil); err != nil {
		t.Fatal(err)
	}
}

// settle lets a contact's next attempt end with an outcome, by the campaign's rules, and leaves out what follows.
func (b *bundle) settle(t *testing.T, id string, v campaign.Verdict) {
	t.Helper()
	rec, _, err := b.ledger.Look(t.Context(), b.rules.Name, id)
	if err != nil {
		t.Fatal(err)
	}
	ref := campaign.Ref{Campaign: b.rules.Name, Contact: id, Token: fmt.Sprintf("token-%s-%d", id, rec.Round)}
	if _, err := b.ledger.Claim(t.Context(), ledger.Claim{
		Ref: ref, Round: rec.Round, Number: rec.Contact.Number(), Line: "alice", LineNumber: "+16505550001", SendWithin: time.Second,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := dial.NewBook(b.ledger, b.producer, time.Now).Settle(t.Context(), ref, v, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	if err := b.rdb.Del(t.Context(), ledger.LineKey("+16505550001")).Err(); err != nil { // its owner frees it
		t.Fatal(err)
	}
}

func (b *bundle) info(t *testing.T, queue, id string) *asynq.TaskInfo {
	t.Helper()
	info, err := b.inspector.GetTaskInfo(queue, id)
	if err != nil {
		t.Fatalf("task %s in %s: %v", id, queue, err)
	}
	return info
}

func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// handler handles tasks that need no line.
func (b *bundle) handler() asynq.HandlerFunc {
	return HandleCall(dial.New(dial.Config{Ledger: b.ledger, Follower: b.producer, Pauses: NewPauses(b.rdb), Now: time.Now}))
}
