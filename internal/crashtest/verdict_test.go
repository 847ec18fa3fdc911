package crashtest

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/campaign/campaignfile"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// TestJudge shows that the judge sees each kind of wrong, since a judge that sees none would let every worker pass.
func TestJudge(t *testing.T) {
	t.Parallel()
	parsed, err := campaignfile.Parse("rules.yaml", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rules: parsed}
	start := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	const number = "+14150000021"
	dial := func(id string, ending ringouttest.Name, from, to float64) ringouttest.Dial {
		return ringouttest.Dial{ID: id, Ending: ending, From: agent(0), To: number, At: at(from), EndedAt: at(to), LineFreeAt: at(to)}
	}
	attempt := func(n int, id string, o campaign.Outcome, from, to float64) campaign.Attempt {
		return campaign.Attempt{
			N: n, Number: number, LineNumber: agent(0), RingOutID: id, Outcome: o, Charged: true, ClaimedAt: at(from), EndedAt: at(to),
		}
	}
	// Busy, and answered three seconds later.
	good := func() (ledger.Record, ringouttest.Truth) {
		r := ledger.Record{
			Contact: campaign.Contact{ID: "c", Numbers: []string{number}}, State: campaign.Done, Outcome: campaign.Answered,
			Attempts: []campaign.Attempt{attempt(1, "a", campaign.Busy, 0, 1.1), attempt(2, "b", campaign.Answered, 5, 7.1)},
		}
		dials := []ringouttest.Dial{dial("a", ringouttest.Busy, 0, 1), dial("b", ringouttest.Answered, 5, 7)}
		return r, ringouttest.Truth{Dials: dials}
	}
	r, truth := good()
	if problems := w.judgeContact(r, truth, complete); len(problems) > 0 {
		t.Fatalf("nothing was wrong, but: %q", problems)
	}
	wrongs := map[string]func(*ledger.Record, *ringouttest.Truth){
		"called once more": func(_ *ledger.Record, truth *ringouttest.Truth) {
			truth.Dials = append(truth.Dials, dial("c", ringouttest.Answered, 9, 10))
		},
		"called twice for one attempt": func(_ *ledger.Record, truth *ringouttest.Truth) {
			truth.Dials = append([]ringouttest.Dial{dial("0", ringouttest.Busy, 0, 1)}, truth.Dials...)
		},
		"called too soon": func(_ *ledger.Record, truth *ringouttest.Truth) { truth.Dials[1].At = at(3.9) },
		"not called":      func(_ *ledger.Record, truth *ringouttest.Truth) { truth.Dials = truth.Dials[:1] },
		"another line":    func(_ *ledger.Record, truth *ringouttest.Truth) { truth.Dials[1].From = agent(1) },
		"not ended":       func(_ *ledger.Record, truth *ringouttest.Truth) { truth.Dials[1].EndedAt = time.Time{} },
		"lost":            func(r *ledger.Record, _ *ringouttest.Truth) { r.State = campaign.Waiting },
		"left to a person": func(r *ledger.Record, _ *ringouttest.Truth) {
			r.State, r.Outcome, r.Attempts[1].Outcome = campaign.UnconfirmedHeld, campaign.Unconfirmed, campaign.Unconfirmed
		},
		"another attempt's outcome": func(r *ledger.Record, _ *ringouttest.Truth) { r.Attempts[0].Outcome = campaign.NoAnswer },
		"uncharged":                 func(r *ledger.Record, _ *ringouttest.Truth) { r.Attempts[0].Charged = false },
		"another outcome":           func(r *ledger.Record, _ *ringouttest.Truth) { r.Outcome = campaign.NoAnswer },
		"given up": func(r *ledger.Record, truth *ringouttest.Truth) {
			r.Outcome, r.Attempts, truth.Dials = campaign.Busy, r.Attempts[:1], truth.Dials[:1]
		},
		"settled during the call": func(r *ledger.Record, _ *ringouttest.Truth) { r.Attempts[1].EndedAt = at(6) },
	}
	for name, wrong := range wrongs {
		r, truth := good()
		wrong(&r, &truth)
		if len(w.judgeContact(r, truth, complete)) == 0 {
			t.Errorf("%s: the judge sees nothing wrong", name)
		}
	}
}
