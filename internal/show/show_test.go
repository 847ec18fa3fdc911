package show

import (
	"strings"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/status"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := Status(&b, status.Status{
		Name: "spring", State: status.StateRunning, Total: 10, Waiting: 3, Live: 1, Done: 5, Unconfirmed: 1,
		Outcomes:  map[campaign.Outcome]int{campaign.Busy: 1, campaign.Answered: 4},
		BlockedBy: []string{"paused", "no free line of 2: 2 occupied"},
	}); err != nil {
		t.Fatal(err)
	}
	want := `spring: running
  total 10: 3 waiting, 1 live, 5 done, 1 unconfirmed

  answered                4  ████████████████████████
  busy                    1  ██████
  unconfirmed             1  ██████

  blocked by
    paused
    no free line of 2: 2 occupied
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]status.Status{
		"0 of 0 done, 0 live, 0 waiting": {},
		"3 of 7 done, 2 live, 1 waiting, 1 unconfirmed | answered 2, busy 1": {
			Total: 7, Done: 3, Live: 2, Waiting: 1, Unconfirmed: 1,
			Outcomes: map[campaign.Outcome]int{campaign.Busy: 1, campaign.Answered: 2},
		},
	} {
		if got := Line(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		done, total int
		want        string
	}{
		{0, 0, "░░░░"}, {0, 9, "░░░░"}, {1, 2, "██░░"}, {9, 9, "████"}, {12, 9, "████"}, {999, 1000, "███░"},
	} {
		if got := Bar(c.done, c.total, 4); got != c.want {
			t.Errorf("Bar(%d, %d) = %s, want %s", c.done, c.total, got, c.want)
		}
	}
}
