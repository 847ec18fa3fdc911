package e2e

import (
	"encoding/csv"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// TestCampaign is a day's work: a list goes in, phones ring, every outcome comes out.
func TestCampaign(t *testing.T) {
	t.Parallel()
	// The agent is still on the line when the contact declines: without that it would look as if the agent had hung up.
	w := newWorld(t, ringouttest.Config{Endings: map[string][]ringouttest.Ending{
		"+14155552604": {{Name: ringouttest.Rejected, Talk: 30 * time.Second}},
	}})
	file := w.campaign("spring", "caller_id: \"+16505550100\"")
	// The last two digits say how a number ends. The list has columns of its own, one of which is named as one of ours.
	w.file("people.csv", strings.Join([]string{
		"id;name;Mobile;city;line;note",
		`C-1;Ada Example;(415) 555-2630;"Paris; Texas";A;"says ""hi"""`,
		"C-2;Bo Busy;415 555 2601;Ulm;B;", // engaged twice
		"C-3;Cy No;415 555 2603;;C;",
		"C-4;Di Declines;415 555 2604;;D;",
		"C-5;Ed Later;415 555 2621;;E;", // engaged, then answers
		"C-6;Flo Gone;415 555 2615;;F;", // RingCentral does not take the number
		"C-7;Again Ada;+14155552630;;G;",
		"C-8;No Number;12;;H;",
		"C-9;Gus Agent;415 555 2623;;I;", // the agent does not answer, then the contact does
	}, "\n")+"\n")

	imported := w.must("enqueue", "csv", "people.csv", "--campaign", file)
	if imported.out != "" {
		t.Errorf("people's text on standard output: %q", imported.out)
	}
	for _, want := range []string{"phone = Mobile", "9 rows read", "7  imported", "1  duplicates", "1  rejected", "people.rejects.csv", `no worker has published a line of team "default"`} {
		if !strings.Contains(imported.err, want) {
			t.Errorf("the import does not say %q:\n%s", want, imported.err)
		}
	}
	if s := w.status("spring"); s.State != "running" || s.Total != 7 || s.Waiting != 7 ||
		!reflect.DeepEqual(s.BlockedBy, []string{`no worker has a line of team "default"`}) {
		t.Errorf("status before the worker: %+v", s)
	}

	watch := w.start("campaign", "watch", "spring")
	worker := w.worker(alice, bob)
	if code := watch.ends(patience); code != 0 {
		t.Errorf("watch ended with status %d: %s", code, watch.err.String())
	}
	if watched := watch.out.String(); strings.Contains(watched, "\x1b") || strings.Contains(watched, "415555") ||
		!strings.Contains(watched, "spring: 7 of 7 done") || !strings.Contains(watched, "contact C-2, attempt 2 on ") {
		t.Errorf("watch:\n%s", watched)
	}
	w.done("spring")
	var s status.Status
	w.decode(w.must("campaign", "status", "spring", "--json").out, &s)
	want := map[campaign.Outcome]int{"answered": 3, "busy": 1, "no_answer": 1, "rejected": 1, "invalid_number": 1}
	if s.State != "done" || s.Done != 7 || !maps.Equal(s.Outcomes, want) || len(s.BlockedBy) != 0 {
		t.Errorf("status: %+v, want outcomes %v", s, want)
	}

	truth := w.honest()
	phones := map[string]int{
		"+14155552630": 1, "+14155552601": 2, "+14155552603": 2, "+14155552604": 1, "+14155552621": 2, "+14155552623": 2,
	}
	if got := dialled(truth); !maps.Equal(got, phones) {
		t.Errorf("dialled %v, want %v", got, phones)
	}
	ids := map[string]ringouttest.Dial{}
	for _, d := range truth.Dials {
		ids[d.ID] = d
		if d.CallerID != "+16505550100" || !d.PlayPrompt || (d.From != alice.number && d.From != bob.number) {
			t.Errorf("dial from %s as %s, prompt %v", d.From, d.CallerID, d.PlayPrompt)
		}
	}

	checkResults(t, w, ids)
	checkAttempts(t, w, ids)

	// Once more, nothing new: nobody is enqueued, nobody is called.
	if r := w.must("enqueue", "csv", "people.csv", "--campaign", file); !strings.Contains(r.err, "0  imported") || !strings.Contains(r.err, "7  imported before") {
		t.Errorf("the second import says:\n%s", r.err)
	}
	if s := w.status("spring"); s.Total != 7 || s.State != "done" {
		t.Errorf("after the second import: %+v", s)
	}
	worker.signal(terminate)
	if code := worker.ends(patience); code != 0 {
		t.Errorf("worker ended with status %d", code)
	}
	if n := len(w.sim.Truth().Dials); n != len(truth.Dials) {
		t.Errorf("%d dials after the second import, %d before", n, len(truth.Dials))
	}
}

func checkResults(t *testing.T, w *world, ids map[string]ringouttest.Dial) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(w.must("campaign", "results", "spring").out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	header := []string{
		"contact_id", "row", "number", "name", "outcome", "attempts", "last_attempt_at", "line", "duration_s", "ringout_id",
		"id", "list_name", "Mobile", "city", "list_line", "note",
	}
	if !slices.Equal(records[0], header) {
		t.Errorf("header %v, want %v", records[0], header)
	}
	want := [][]string{
		{"C-1", "2", "+14155552630", "Ada Example", "answered", "1", "(415) 555-2630", "Paris; Texas", "A", `says "hi"`},
		{"C-2", "3", "+14155552601", "Bo Busy", "busy", "2", "415 555 2601", "Ulm", "B", ""},
		{"C-3", "4", "+14155552603", "Cy No", "no_answer", "2", "415 555 2603", "", "C", ""},
		{"C-4", "5", "+14155552604", "Di Declines", "rejected", "1", "415 555 2604", "", "D", ""},
		{"C-5", "6", "+14155552621", "Ed Later", "answered", "2", "415 555 2621", "", "E", ""},
		{"C-6", "7", "+14155552615", "Flo Gone", "invalid_number", "1", "415 555 2615", "", "F", ""},
		{"C-9", "10", "+14155552623", "Gus Agent", "answered", "2", "415 555 2623", "", "I", ""},
	}
	if len(records) != len(want)+1 {
		t.Fatalf("%d rows, want %d", len(records)-1, len(want))
	}
	objects := w.results("spring")
	for i, r := range records[1:] {
		got := append(slices.Clone(r[:6]), r[12], r[13], r[14], r[15])
		if !slices.Equal(got, want[i]) {
			t.Errorf("row %v, want %v", got, want[i])
		}
		if d, rang := ids[r[9]]; rang != (r[4] != "invalid_number") || rang && (d.To != r[2] || !strings.Contains(alice.name+alice.number+bob.name+bob.number, r[7]+d.From)) {
			t.Errorf("%s: call %s on line %s, in truth to %s from %s", r[0], r[9], r[7], d.To, d.From)
		}
		if talked := r[8] != "0"; talked && r[4] != "answered" {
			t.Errorf("%s: %s and talked for %s s", r[0], r[4], r[8])
		}
		// The JSON has the same keys and values.
		if len(objects[i]) != len(header) {
			t.Errorf("JSON row has %d keys, want %d: %v", len(objects[i]), len(header), objects[i])
		}
		for j, key := range header {
			switch v := objects[i][key].(type) {
			case string:
				if v != r[j] {
					t.Errorf("JSON %s is %q, CSV %q", key, v, r[j])
				}
			case float64:
				if !slices.Contains([]string{"row", "attempts", "duration_s"}, key) {
					t.Errorf("JSON %s is a number", key)
				}
			default:
				t.Errorf("JSON %s is %T", key, v)
			}
		}
	}
}

func checkAttempts(t *testing.T, w *world, ids map[string]ringouttest.Dial) {
	t.Helper()
	attempts := w.results("spring", "--attempts")
	outcomes := map[string][]string{}
	for _, a := range attempts {
		id, _ := a["contact_id"].(string)
		outcome, _ := a["outcome"].(string)
		if n, _ := a["attempt"].(float64); int(n) != len(outcomes[id])+1 {
			t.Errorf("%s: attempt %v after %v", id, a["attempt"], outcomes[id])
		}
		if charged, _ := a["charged"].(bool); charged != (outcome != "" && outcome != "invalid_number") {
			t.Errorf("%s: %q charged %v (%v)", id, outcome, charged, a["detail"])
		}
		outcomes[id] = append(outcomes[id], outcome)
		if call, _ := a["ringout_id"].(string); call != "" {
			if _, ok := ids[call]; !ok {
				t.Errorf("%s: call %s is not in the truth, or twice here", id, call)
			}
			delete(ids, call)
		}
	}
	if len(ids) > 0 {
		t.Errorf("calls without an attempt: %v", ids)
	}
	want := map[string][]string{
		"C-1": {"answered"}, "C-2": {"busy", "busy"}, "C-3": {"no_answer", "no_answer"}, "C-4": {"rejected"},
		"C-5": {"busy", "answered"}, "C-6": {"invalid_number"}, "C-9": {"", "answered"},
	}
	if !reflect.DeepEqual(outcomes, want) {
		t.Errorf("attempts %v, want %v", outcomes, want)
	}
}
