package show

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/tasks"
)

// screen is what a watcher writes while a test reads it.
type screen struct{ testlog.Buffer }

func (s *screen) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); !strings.Contains(s.String(), text); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not on the screen:\n%s", text, s.String())
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := ledger.New(rdb)
	if err := l.Create(t.Context(), campaign.Default("spring"), false); err != nil {
		t.Fatal(err)
	}
	c := campaign.Contact{ID: "c1", Row: 2, Numbers: []string{"+12122000030"}}
	if _, err := l.Add(t.Context(), "spring", []byte("key"), []ledger.Entry{{Contact: c, Due: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	out := &screen{}
	ended := make(chan error, 1)
	go func() { ended <- NewWatcher(rdb, "spring", out).Watch(t.Context()) }()
	out.waitFor(t, "spring: 0 of 1 done, 0 live, 1 waiting\n")

	ref := campaign.Ref{Campaign: "spring", Contact: "c1", Token: "token"}
	if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: 1, Number: "+12122000030", Line: "alice", SendWithin: time.Second}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Placed(t.Context(), ref, "id"); err != nil {
		t.Fatal(err)
	}
	out.waitFor(t, "contact c1, attempt 1 on alice: placed")
	out.waitFor(t, "spring: 0 of 1 done, 1 live, 0 waiting\n")
	v := campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true}
	if _, err := dial.NewBook(l, tasks.NewProducer(rdb), time.Now).Settle(t.Context(), ref, v, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"contact c1, attempt 1 on alice: settled answered", "spring: 1 of 1 done, 0 live, 0 waiting | answered 1", "spring: done\n  total 1:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "2122000030") || strings.ContainsRune(out.String(), '\x1b') {
		t.Errorf("a number or a terminal's code in plain lines:\n%s", out.String())
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	out := &screen{}
	if err := NewWatcher(rdb, "nope", out).Watch(t.Context()); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("unknown campaign: %v", err)
	}
	if err := ledger.New(rdb).Create(t.Context(), campaign.Default("spring"), false); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- NewWatcher(rdb, "spring", out).Watch(ctx) }()
	out.waitFor(t, "spring: 0 of 0 done")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
