package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// page is a reader of what is written, as it is written.
type page struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *page) Write(src []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(src)
}

func (p *page) rows() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.b.String(), "\n")
}

// many is a ledger with a campaign of n contacts that wait.
func many(t *testing.T, n int) *ledger.Ledger {
	t.Helper()
	l := ledger.New(redistest.Start(t).Client(t))
	if err := l.Create(t.Context(), campaign.Default("spring"), false); err != nil {
		t.Fatal(err)
	}
	var entries []ledger.Entry
	for i := range n {
		entries = append(entries, ledger.Entry{Due: time.Now(), Contact: campaign.Contact{
			ID: fmt.Sprint(i), Row: i + 2, Numbers: []string{fmt.Sprintf("+1212%07d", i)},
		}})
	}
	if _, err := l.Add(t.Context(), "spring", []byte("key"), entries); err != nil {
		t.Fatal(err)
	}
	return l
}

func end(t *testing.T, l *ledger.Ledger, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if ok, err := l.End(t.Context(), "spring", fmt.Sprint(i), 1, campaign.Expired); err != nil || !ok {
			t.Errorf("end %d: %t, %v", i, ok, err)
		}
	}
}

// TestFollow ends contacts before, while and after a follower reads what there is: each has one row.
func TestFollow(t *testing.T) {
	t.Parallel()
	const n = 1000
	l := many(t, n)
	end(t, l, 0, 300)
	var p page
	done := make(chan error, 1)
	go func() { done <- Follow(t.Context(), l, "spring", &p, Options{Format: Lines}) }()
	end(t, l, 300, n-1) // while it reads
	deadline := time.After(time.Minute)
	for p.rows() < n-1 {
		select {
		case err := <-done:
			t.Fatalf("it ended after %d rows: %v", p.rows(), err)
		case <-deadline:
			t.Fatalf("%d rows", p.rows())
		case <-time.After(10 * time.Millisecond):
		}
	}
	end(t, l, n-1, n)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(p.b.String()) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		id := row["contact_id"].(string)
		if seen[id] || row["outcome"] != "expired" {
			t.Errorf("row %v, seen before: %t", row, seen[id])
		}
		seen[id] = true
	}
	if len(seen) != n {
		t.Errorf("%d contacts have a row, want %d", len(seen), n)
	}
}

// TestFollowBehind has a follower miss events: it says so.
func TestFollowBehind(t *testing.T) {
	t.Parallel()
	l := many(t, 2)
	f := follower{ledger: l, name: "spring", after: "0-1"}
	lost, err := l.EventsLost(t.Context(), "spring", f.after)
	if err != nil || lost {
		t.Errorf("nothing is lost at first: %t, %v", lost, err)
	}
	for i := range 25_000 / 2 { // events are cut at some 10,000
		for _, id := range []string{"0", "1"} {
			ref := campaign.Ref{Campaign: "spring", Contact: id, Token: fmt.Sprint(i)}
			if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: 1, Number: "+12120000000", SendWithin: time.Second}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Release(t.Context(), ref, "again"); err != nil {
				t.Fatal(err)
			}
		}
		if lost, err := l.EventsLost(t.Context(), "spring", f.after); err != nil {
			t.Fatal(err)
		} else if lost {
			return
		}
	}
	t.Error("the loss is not seen")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	l := many(t, 4)
	end(t, l, 0, 1)
	ref := campaign.Ref{Campaign: "spring", Contact: "1", Token: "t"}
	if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: 1, Number: "+12120000001", SendWithin: time.Second}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Settle(t.Context(), ref, ledger.Settlement{
		Verdict: campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true, Rang: true},
		Next:    campaign.Next{Final: true, Outcome: campaign.Busy},
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		o    Options
		rows int
	}{
		{Options{}, 4},
		{Options{Outcomes: []campaign.Outcome{campaign.Busy, campaign.Expired}}, 2},
		{Options{Outcomes: []campaign.Outcome{campaign.Busy}, Attempts: true}, 1},
		{Options{Outcomes: []campaign.Outcome{campaign.Answered}}, 0},
		{Options{Since: time.Now().Add(-time.Hour)}, 1},
		{Options{Since: time.Now().Add(time.Hour)}, 0},
	} {
		for format, around := range map[Format]int{CSV: 1, Lines: 0} {
			tt.o.Format = format
			if got := strings.Count(write(t, l, tt.o), "\n") - around; got != tt.rows {
				t.Errorf("%+v: %d rows, want %d", tt.o, got, tt.rows)
			}
		}
	}
}

// TestFollowWidens imports a list with columns of its own while somebody follows: lines of JSON have them, and CSV, which
// has one header, says so.
func TestFollowWidens(t *testing.T) {
	t.Parallel()
	for format, says := range map[Format]error{Lines: nil, CSV: ErrColumns} {
		l := many(t, 2)
		end(t, l, 0, 1)
		var p page
		done := make(chan error, 1)
		go func() { done <- Follow(t.Context(), l, "spring", &p, Options{Format: format}) }()
		deadline := time.After(time.Minute)
		for first := map[Format]int{Lines: 1, CSV: 2}[format]; p.rows() < first; {
			select {
			case <-deadline:
				t.Fatal("the first row never comes")
			case <-time.After(time.Millisecond):
			}
		}
		header, err := l.AddHeader(t.Context(), "spring", []string{"id", "Account"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Add(t.Context(), "spring", []byte("key"), []ledger.Entry{{Due: time.Now(), Contact: campaign.Contact{
			ID: "2", Row: 2, Numbers: []string{"+12129990000"}, List: header, Values: []string{"2", "ACME"},
		}}}); err != nil {
			t.Fatal(err)
		}
		end(t, l, 2, 3)
		end(t, l, 1, 2)
		if err := <-done; !errors.Is(err, says) {
			t.Errorf("%s: %v, want %v", format, err, says)
		}
		if says == nil && !strings.Contains(p.b.String(), `"Account": "ACME"`) {
			t.Errorf("%s: the column is lost:\n%s", format, p.b.String())
		}
	}
}
