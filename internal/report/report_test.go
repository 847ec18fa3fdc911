package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/golden"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/status"
)

// sample is a report of two days that is the same each time.
func sample() Report {
	random := rand.New(rand.NewPCG(1, 2))
	begin := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	r := Report{
		Status: status.Status{
			Name: "renewals", State: status.StateRunning, Team: "sales", Total: 1500, Waiting: 298, Live: 3, Done: 1197, Unconfirmed: 2,
			Outcomes: map[campaign.Outcome]int{
				campaign.Answered: 702, campaign.NoAnswer: 301, campaign.Busy: 118, campaign.Unreachable: 21, campaign.Suppressed: 40,
				campaign.InvalidNumber: 8, campaign.LineUnavailable: 7,
			},
			BlockedBy: []string{},
		},
		Hours: "mon-fri 09:00-20:00", At: begin.Add(33 * time.Hour), Failed: 57, Talk: Duration(41*time.Hour + 12*time.Minute),
		First: begin, Last: begin.Add(33 * time.Hour),
	}
	when := spans{loc: time.UTC, counts: map[int64]Rate{}}
	for range 1800 {
		hour := 9 + random.IntN(11)
		answered := random.IntN(100) < 25+3*hour
		at := begin.AddDate(0, 0, random.IntN(2)).Add(time.Duration(hour-9)*time.Hour + time.Duration(random.IntN(3600))*time.Second)
		r.Calls.count(answered)
		r.ByHour[hour].count(answered)
		when.add(at, answered)
	}
	r.Timeline = when.timeline()
	r.ByAttempt = []Rate{{1200, 580}, {450, 100}, {150, 22}}
	for i, name := range []string{"alice", "bob", "carol", `<script>alert("x")</script>`} {
		r.Lines = append(r.Lines, Line{
			Name: name, Rate: Rate{Calls: 500 - 30*i, Answered: 200 - 11*i}, Failed: 10 + i, Talk: Duration(10*time.Hour + 301*time.Second),
			Longest: Duration(time.Hour),
		})
	}
	return r
}

func TestHTML(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Report{
		"report.html": sample(),
		"empty.html": {Status: status.Status{
			Name: "empty", State: status.StateRunning, Team: "default", Outcomes: map[campaign.Outcome]int{}, BlockedBy: []string{},
		}, At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), Hours: "always"},
	} {
		var b bytes.Buffer
		if err := r.HTML(&b); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, b.Bytes())
		for _, bad := range []string{"<script", "http://", "https://", "style=", "NaN", "Inf", "ZgotmplZ", "%!"} {
			if strings.Contains(b.String(), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().Text(&b); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "report.txt", b.Bytes())
}

func TestCharts(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Status.Name = `a"<b>&`
	for i, chart := range []template.HTML{
		r.OutcomesChart(), r.HoursChart(), r.AttemptsChart(), r.LinesChart(), r.TimelineChart(), Report{}.OutcomesChart(), Report{}.TimelineChart(),
	} {
		d := xml.NewDecoder(strings.NewReader(string(chart)))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("chart %d: %v\n%s", i, err, chart)
				break
			}
		}
	}
}

// TestSpans counts every call once, whatever the span of time, in buckets without gaps.
func TestSpans(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, span := range []time.Duration{time.Minute, time.Hour, 30 * time.Hour, 20 * 24 * time.Hour, 3000 * 24 * time.Hour} {
		s := spans{loc: zone, counts: map[int64]Rate{}}
		begin := time.Date(2026, 3, 7, 12, 0, 0, 0, zone)
		for range 500 {
			s.add(begin.Add(time.Duration(random.Int64N(int64(span)))), random.IntN(2) == 0)
		}
		line := s.timeline()
		calls := 0
		for i, b := range line.Buckets {
			calls += b.Calls
			if i > 0 && !b.Start.After(line.Buckets[i-1].Start) {
				t.Errorf("%s: bucket %d begins at %s", span, i, b.Start)
			}
		}
		if calls != 500 || len(line.Buckets) > maxBuckets {
			t.Errorf("%s: %d calls in %d buckets of %s", span, calls, len(line.Buckets), line.Width)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := ledger.New(rdb)
	if _, err := Read(t.Context(), rdb, "spring", time.UTC); !errors.Is(err, ledger.ErrNoCampaign) {
		t.Errorf("no campaign: %v", err)
	}
	if err := l.Create(t.Context(), campaign.Default("spring"), false); err != nil {
		t.Fatal(err)
	}
	var entries []ledger.Entry
	for i := range 5 {
		entries = append(entries, ledger.Entry{Due: time.Now(), Contact: campaign.Contact{
			ID: fmt.Sprint(i), Row: i + 2, Name: "Secret", Numbers: []string{fmt.Sprintf("+1212555010%d", i)},
		}})
	}
	if _, err := l.Add(t.Context(), "spring", []byte("key"), entries); err != nil {
		t.Fatal(err)
	}
	settle := func(id, line string, round int, v campaign.Verdict, next campaign.Next) {
		t.Helper()
		ref := campaign.Ref{Campaign: "spring", Contact: id, Token: fmt.Sprintf("%s-%d", id, round)}
		if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: round, Number: "+1", Line: line, SendWithin: time.Second}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Settle(t.Context(), ref, ledger.Settlement{Verdict: v, Next: next}); err != nil {
			t.Fatal(err)
		}
	}
	answered := campaign.Verdict{Ended: true, Outcome: campaign.Answered, Charged: true}
	busy := campaign.Verdict{Ended: true, Outcome: campaign.Busy, Charged: true}
	settle("0", "alice", 1, answered, campaign.Next{Final: true, Outcome: campaign.Answered})
	settle("1", "bob", 1, busy, campaign.Next{})
	settle("1", "bob", 2, answered, campaign.Next{Final: true, Outcome: campaign.Answered})
	settle("2", "bob", 1, campaign.Verdict{Ended: true, LineFault: true, Detail: "no agent"}, campaign.Next{})
	settle("3", "alice", 1, campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed}, campaign.Next{})
	r, err := Read(t.Context(), rdb, "spring", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if r.Calls != (Rate{4, 2}) || r.Failed != 1 || len(r.ByAttempt) != 2 || r.ByAttempt[0] != (Rate{3, 1}) || r.ByAttempt[1] != (Rate{1, 1}) {
		t.Errorf("report %+v", r)
	}
	if len(r.Lines) != 2 || r.Lines[0].Name != "alice" || r.Lines[0].Calls != 2 || r.Lines[1].Failed != 1 {
		t.Errorf("lines %+v", r.Lines)
	}
	hours := Rate{}
	for _, h := range r.ByHour {
		hours.Calls += h.Calls
		hours.Answered += h.Answered
	}
	if hours != r.Calls || len(r.Timeline.Buckets) == 0 {
		t.Errorf("by hour %+v, timeline %+v", hours, r.Timeline)
	}
	src, err := json.Marshal(r)
	if err != nil || bytes.Contains(src, []byte("Secret")) || bytes.Contains(src, []byte("5550")) {
		t.Errorf("%s, %v", src, err)
	}
}
