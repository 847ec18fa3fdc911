package campaignfile

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/yamlfile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestParseDesign(t *testing.T) {
	t.Parallel()
	got := parseFile(t, "testdata/design.yaml")
	if back := roundTrip(t, got); !reflect.DeepEqual(back, got) {
		t.Errorf("stored and read again it is %+v", back)
	}
	morning, afternoon := campaign.Span{From: 540, To: 720}, campaign.Span{From: 780, To: 1200}
	want := campaign.Rules{
		Name: "renewals", Team: "sales", CallerID: "+16505550100", PlayPrompt: true, Region: "US",
		CallingHours: campaign.Hours{Zone: "contact", Holidays: []campaign.Date{{Year: 2026, Month: 12, Day: 25}}},
		Retry: campaign.Retry{
			MaxAttempts: 3, Busy: campaign.Delay(15 * time.Minute), NoAnswer: campaign.Delay(4 * time.Hour),
			Rejected: campaign.Never, Unreachable: campaign.Delay(30 * time.Minute),
		},
		WrapUp: 20 * time.Second, RingLimit: time.Minute, LongestCall: 4 * time.Hour,
		Ends: time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC), Priority: 1,
	}
	for d := time.Monday; d <= time.Friday; d++ {
		want.CallingHours.Days[d] = []campaign.Span{morning, afternoon}
	}
	want.CallingHours.Days[time.Saturday] = []campaign.Span{{From: 600, To: 960}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The reference file gives every default in writing, so that it must be what campaign.Default is, and what a file
// with nothing but a name is.
func TestReferenceFileIsDefault(t *testing.T) {
	t.Parallel()
	want := campaign.Default("renewals")
	if got := parseFile(t, "../../examples/renewals.yaml"); !reflect.DeepEqual(got, want) {
		t.Errorf("examples/renewals.yaml: got  %+v\nwant %+v", got, want)
	}
	got, err := Parse("f", []byte("name: renewals"))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("name only: got  %+v, %v\nwant %+v", got, err, want)
	}
	if text := want.CallingHours.String(); text != "contact: mon-sat 09:00-20:00" {
		t.Errorf("default hours = %q", text)
	}
	// Every field of the format stands in the reference, the optional ones as comments.
	src, err := os.ReadFile("../../examples/renewals.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range campaign.FieldNames() {
		name := f[strings.LastIndexByte(f, '.')+1:]
		if !strings.Contains(string(src), name+":") {
			t.Errorf("examples/renewals.yaml does not show %s", f)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, src string
		want      func(*campaign.Rules)
	}{
		{"always", "calling_hours: always", func(r *campaign.Rules) { r.CallingHours = campaign.Hours{Always: true} }},
		{"number without quotes", "caller_id: +16505550100", func(r *campaign.Rules) { r.CallerID = "+16505550100" }},
		{"fixed zone keeps default days", "calling_hours: {timezone: Europe/Berlin}", func(r *campaign.Rules) { r.CallingHours.Zone = "Europe/Berlin" }},
		{"holidays keep default days", "calling_hours: {holidays: [2027-01-01, 2026-12-25, 2027-01-01]}", func(r *campaign.Rules) {
			r.CallingHours.Holidays = []campaign.Date{{Year: 2026, Month: 12, Day: 25}, {Year: 2027, Month: 1, Day: 1}}
		}},
		{"day list, wrap, single span, midnight", "calling_hours:\n  mon,Wed: 9:00-24:00\n  sat-sun: [\"12:00-13:00\", \"00:00-12:00\"]", func(r *campaign.Rules) {
			r.CallingHours.Days = [7][]campaign.Span{0: {{From: 0, To: 720}, {From: 720, To: 780}}, 1: {{From: 540, To: 1440}}, 3: {{From: 540, To: 1440}}, 6: {{From: 0, To: 720}, {From: 720, To: 780}}}
		}},
		{"range round the week's end", "calling_hours: {sunday-monday: [\"09:00-10:00\"], tue: []}", func(r *campaign.Rules) {
			r.CallingHours.Days = [7][]campaign.Span{0: {{From: 540, To: 600}}, 1: {{From: 540, To: 600}}}
		}},
		{"days in durations", "retry: {no_answer: 1d12h, busy: 90d, unreachable: 1s}", func(r *campaign.Rules) {
			r.Retry.NoAnswer, r.Retry.Busy, r.Retry.Unreachable = campaign.Delay(36*time.Hour), campaign.Delay(90*day), campaign.Delay(time.Second)
		}},
		{"scaled times", "wrap_up: 0\nring_limit: 100ms\nlongest_call: 1s", func(r *campaign.Rules) {
			r.WrapUp, r.RingLimit, r.LongestCall = 0, 100*time.Millisecond, time.Second
		}},
		{"end in another zone", "ends: 2026-12-31T18:00:00+01:00", func(r *campaign.Rules) { r.Ends = time.Date(2026, 12, 31, 17, 0, 0, 0, time.UTC) }},
		{"region in small letters", "region: de", func(r *campaign.Rules) { r.Region = "DE" }},
		{"no prompt, priority", "play_prompt: false\npriority: 100", func(r *campaign.Rules) { r.PlayPrompt, r.Priority = false, 100 }},
		{"byte-order mark and Windows lines", "team: a-1_b\r\npriority: 2\r\n", func(r *campaign.Rules) { r.Team, r.Priority = "a-1_b", 2 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := campaign.Default("x")
			tt.want(&want)
			got, err := Parse("f.yaml", []byte("\ufeffname: x\n"+tt.src+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestParseErrors compares what is said of each bad file with the golden file beside it.
func TestParseErrors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Parse("renewals.yaml", src)
			if err == nil {
				t.Fatalf("accepted: %+v", r)
			}
			if !reflect.DeepEqual(r, campaign.Rules{}) {
				t.Errorf("rules with an error: %+v", r)
			}
			checkProblems(t, err)
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err2 := os.ReadFile(golden)
			if err2 != nil {
				t.Fatal(err2)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestParseTooLarge(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"large":    "name: x\n# " + strings.Repeat("x", yamlfile.MaxFileBytes),
		"brackets": strings.Repeat("[", yamlfile.MaxFileBytes),
		"nested":   "name: " + strings.Repeat("{a: ", yamlfile.MaxFileBytes/8),
	} {
		if _, err := Parse("f.yaml", []byte(src)); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			checkProblems(t, err)
		}
	}
}

// checkProblems fails unless the error is a Problems that a person can read: few lines, each naming the
// file, none holding a phone number.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems yamlfile.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("got %T %q, want Problems", err, err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) > 10 {
		t.Errorf("%d lines:\n%s", len(lines), err)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, problems[0].File+":") {
			t.Errorf("line does not name the file: %q", line)
		}
		if strings.Contains(line, "6505550100;") || len(line) > 2000 {
			t.Errorf("bad line: %q", line)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/design.yaml", "../../examples/renewals.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("name: x\nname"))
	f.Add([]byte("? {a: 1}\n: b"))
	f.Add([]byte("name: |\n  x\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Parse("f.yaml", src)
		if err != nil {
			checkProblems(t, err)
			return
		}
		if !campaign.ValidName(r.Name) || !campaign.ValidName(r.Team) || r.CallingHours.Empty() ||
			r.Retry.MaxAttempts < 1 || r.Priority < 1 || r.LongestCall < r.RingLimit ||
			r.CallerID != "" && !campaign.E164(r.CallerID) {
			t.Fatalf("accepted %+v", r)
		}
		if back := roundTrip(t, r); len(r.Diff(back)) > 0 || !reflect.DeepEqual(back, r) {
			t.Fatalf("JSON: got %+v, want %+v", back, r)
		}
	})
}

func roundTrip(t *testing.T, r campaign.Rules) campaign.Rules {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back campaign.Rules
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return back
}

func parseFile(t *testing.T, file string) campaign.Rules {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse(file, src)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
