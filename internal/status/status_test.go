package status

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/line"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/tasks"
)

func TestBlockedLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(name string, s line.State) line.Info {
		return line.Info{Name: name, Team: "sales", Worker: "w", State: s, Seen: now}
	}
	noted := at("carol", line.Free)
	noted.Note = "RingCentral limits the rate"
	other := at("zoe", line.Free)
	other.Team = "support"
	gone := at("alice", line.Free)
	gone.Worker, gone.Seen = "", now.Add(-90*time.Second)
	for _, c := range []struct {
		name  string
		lines []line.Info
		want  []string
	}{
		{"no line", []line.Info{other}, []string{`no worker has a line of team "sales"`}},
		{"no worker", []line.Info{gone, other}, []string{`no worker is running for team "sales" (last seen 1m30s ago)`}},
		{"a free line", []line.Info{at("alice", line.Free), at("bob", line.Occupied)}, nil},
		{"all busy", []line.Info{at("alice", line.Occupied), at("bob", line.WrapUp), at("dave", line.Cooling)}, []string{"no free line of 3: 1 occupied, 1 wrap-up, 1 cooling"}},
		{"one blocked", []line.Info{at("alice", line.Blocked), at("bob", line.Free)}, []string{"line alice is blocked: it is not known whether its last call is over"}},
		{"extension waits", []line.Info{noted}, []string{"RingCentral limits the rate"}},
	} {
		if got := blockedLines("sales", c.lines, now); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l, r := ledger.New(rdb), NewReader(rdb)
	read := func(want State, says ...string) Status {
		t.Helper()
		s, err := r.Read(t.Context(), "spring")
		if err != nil || s.State != want {
			t.Errorf("state %s, %v; want %s", s.State, err, want)
		}
		blocked := strings.Join(s.BlockedBy, "\n")
		for _, text := range says {
			if !strings.Contains(blocked, text) {
				t.Errorf("blocked_by does not say %q:\n%s", text, blocked)
			}
		}
		if len(says) == 0 && blocked != "" {
			t.Errorf("blocked by %q", blocked)
		}
		return s
	}
	if _, err := r.Read(t.Context(), "spring"); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("unknown campaign: %v", err)
	}
	rules := campaign.Default("spring")
	rules.CallingHours = campaign.Hours{Zone: campaign.ContactZone} // never open
	if err := l.Create(t.Context(), rules, false); err != nil {
		t.Fatal(err)
	}
	read(StateRunning)
	list := &once{campaign.Contact{ID: "c1", Row: 2, Numbers: []string{"+12122000030"}}, false}
	if _, err := tasks.NewProducer(rdb).Import(t.Context(), rules, list, nil); err != nil {
		t.Fatal(err)
	}
	read(StateRunning, `no worker has a line of team "default"`, "1 contact: outside calling hours", "1 contact not due yet, the next one at ")
	if err := tasks.NewPauses(rdb).Pause(t.Context(), "spring"); err != nil {
		t.Fatal(err)
	}
	read(StatePaused, "paused: `campaign resume spring` goes on", "outside calling hours")
	if _, err := tasks.Cancel(t.Context(), rdb, "spring"); err != nil {
		t.Fatal(err)
	}
	if s := read(StateCancelled); !s.Over() || s.Outcomes[campaign.Cancelled] != 1 {
		t.Errorf("cancelled: %+v", s)
	}
	all, err := r.All(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "spring" {
		t.Errorf("all: %+v, %v", all, err)
	}
}

// once is a list of one contact.
type once struct {
	contact campaign.Contact
	read    bool
}

func (o *once) Next() (campaign.Contact, error) {
	if o.read {
		return campaign.Contact{}, io.EOF
	}
	o.read = true
	return o.contact, nil
}
