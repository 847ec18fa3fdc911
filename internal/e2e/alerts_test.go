package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAlertsOnARunningWorker fires the alerts on the series that a worker exposes, as they are and with one of them going on as
// it would if something were wrong.
func TestAlertsOnARunningWorker(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("there is no promtool; `make setup` installs it")
	}
	rules, err := filepath.Abs("../../deploy/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, talking(30*time.Second))
	w.list("people.csv", numbers(3)...)
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("staffed"))
	w.must("enqueue", "csv", "people.csv", "--campaign", w.campaign("alone", "team: support"))
	w.must("enqueue", "schedule", "add", "nightly", "--cron", "0 3 * * *", "--timezone", "UTC", "--csv", filepath.Join(w.dir, "people.csv"), "--campaign", w.campaign("night"))
	base := consoleOf(w, w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice)))
	w.eventually("somebody talks", func() bool { return talkers(w) == 1 })

	var series []string
	w.eventually("the worker exposes a live call", func() bool {
		resp, err := http.Get(base + "/metrics")
		if err != nil {
			return false
		}
		src, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			return false
		}
		series = nil
		for l := range strings.Lines(string(src)) {
			if strings.HasPrefix(l, "ringqueue_") {
				series = append(series, strings.TrimSpace(l))
			}
		}
		return strings.Contains(string(src), `ringqueue_live_calls{team="default"} 1`)
	})
	firing := func(change map[string]string) string {
		t.Helper()
		var b strings.Builder
		fmt.Fprintf(&b, "rule_files: [%s]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n", rules)
		for _, l := range append(series, "up 1") {
			at := strings.LastIndexByte(l, ' ')
			name, value := l[:at], l[at+1:]
			bare, labels, _ := strings.Cut(name, "{")
			values := value + "x600"
			if to, ok := change[bare]; ok {
				values = to
			}
			if labels = strings.TrimSuffix(labels, "}"); labels != "" {
				labels = "," + labels
			}
			fmt.Fprintf(&b, "      - {series: '%s{job=\"ringqueue\",instance=\"a\"%s}', values: '%s'}\n", bare, labels, values)
		}
		b.WriteString("    promql_expr_test:\n      - expr: count by (alertname, campaign, team, schedule) (ALERTS{alertstate=\"firing\"})\n        eval_time: 9h\n        exp_samples: []\n")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "test.yaml"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", filepath.Join(dir, "test.yaml")).CombinedOutput()
		if err == nil {
			return ""
		}
		_, got, ok := strings.Cut(string(out), "got:") // it lists what it did not expect
		if !ok {
			t.Fatalf("promtool: %s", out)
		}
		return strings.Join(regexp.MustCompile(`\{[^{}]*\}`).FindAllString(got, -1), " ")
	}
	const noLines = `alertname="NoLines", campaign="alone", team="support"`
	for what, tt := range map[string]struct {
		change map[string]string
		fires  string // next to NoLines of the team that has none
	}{
		"as it is":                  {nil, ""},
		"a call that does not end":  {map[string]string{"ringqueue_oldest_call_seconds": "0+60x600"}, `alertname="CallsStuck", team="default"`},
		"a run that is not started": {map[string]string{"ringqueue_schedule_overdue_seconds": "0+60x600"}, `alertname="ScheduleLate", schedule="nightly"`},
		"one that was started late": {map[string]string{"ringqueue_schedule_lateness_seconds": "660x600"}, ""},
	} {
		got := firing(tt.change)
		if !strings.Contains(got, noLines) || strings.Contains(got, `campaign="staffed"`) || !strings.Contains(got, tt.fires) ||
			strings.Count(got, "alertname") != strings.Count(noLines+tt.fires, "alertname") {
			t.Errorf("%s: %s", what, got)
		}
	}
}
