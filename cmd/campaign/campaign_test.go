package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/dial"
	"github.com/ringqueue/ringqueue/internal/ledger"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/tasks"
)

type result struct {
	code     int
	out, err string
}

// run runs a command in this process.
func run(args ...string) result {
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	code := cli.Run(context.Background(), root)
	return result{code, out.String(), errs.String()}
}

func must(t *testing.T, args ...string) result {
	t.Helper()
	r := run(args...)
	if r.code != 0 {
		t.Fatalf("campaign %v ended with status %d: %s", args, r.code, r.err)
	}
	return r
}

// setup makes a campaign of three contacts, of whom the first is unconfirmed.
func setup(t *testing.T) *ledger.Ledger {
	t.Helper()
	server := redistest.Start(t)
	t.Chdir(t.TempDir())
	t.Setenv("REDIS_URL", server.URL())
	l := ledger.New(server.Client(t))
	rules := campaign.Default("spring")
	rules.CallingHours = campaign.Hours{Always: true}
	if err := l.Create(t.Context(), rules, false); err != nil {
		t.Fatal(err)
	}
	var entries []ledger.Entry
	for i, id := range []string{"c1", "c2", "c3"} {
		entries = append(entries, ledger.Entry{Due: time.Now(), Contact: campaign.Contact{
			ID: id, Row: i + 2, Name: "Name " + id, Numbers: []string{"+121220000" + id[1:] + "0"},
		}})
	}
	if _, err := l.Add(t.Context(), "spring", []byte("key"), entries); err != nil {
		t.Fatal(err)
	}
	ref := campaign.Ref{Campaign: "spring", Contact: "c1", Token: "token"}
	if _, err := l.Claim(t.Context(), ledger.Claim{Ref: ref, Round: 1, Number: "+12122000010", Line: "alice", SendWithin: time.Second}); err != nil {
		t.Fatal(err)
	}
	doubt := campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: "the answer was lost"}
	if _, err := dial.NewBook(l, tasks.NewProducer(server.Client(t)), time.Now).Settle(t.Context(), ref, doubt, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestStatusContract checks the keys and types that scripts rely on.
func TestStatusContract(t *testing.T) {
	setup(t)
	one := must(t, "status", "spring", "--json")
	all := must(t, "list", "--json")
	var status map[string]any
	var list []map[string]any
	if err := json.Unmarshal([]byte(one.out), &status); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(all.out), &list); err != nil || len(list) != 1 {
		t.Fatalf("%v: %s", err, all.out)
	}
	for _, s := range []map[string]any{status, list[0]} {
		if s["name"] != "spring" || s["state"] != "running" {
			t.Errorf("name and state: %v", s)
		}
		for key, want := range map[string]float64{"total": 3, "waiting": 2, "live": 0, "done": 0, "unconfirmed": 1} {
			if got, ok := s[key].(float64); !ok || got != want {
				t.Errorf("%s is %v, want %v", key, s[key], want)
			}
		}
		if outcomes, ok := s["outcomes"].(map[string]any); !ok || len(outcomes) != 0 {
			t.Errorf("outcomes is %v", s["outcomes"])
		}
		if blocked, ok := s["blocked_by"].([]any); !ok || len(blocked) != 1 || blocked[0] != `no worker has a line of team "default"` {
			t.Errorf("blocked_by is %v", s["blocked_by"])
		}
	}
	if one.err != "" || all.err != "" {
		t.Errorf("standard error: %q %q", one.err, all.err)
	}
	if r := must(t, "status", "spring"); !strings.Contains(r.out, "total 3: 2 waiting, 0 live, 0 done, 1 unconfirmed") {
		t.Errorf("status says\n%s", r.out)
	}
	if r := must(t, "list"); !strings.Contains(r.out, "spring") || !strings.Contains(r.out, "CAMPAIGN") {
		t.Errorf("list says\n%s", r.out)
	}
}

func TestUnconfirmed(t *testing.T) {
	l := setup(t)
	var held []map[string]any
	if err := json.Unmarshal([]byte(must(t, "unconfirmed", "list", "spring", "--json").out), &held); err != nil {
		t.Fatal(err)
	}
	if len(held) != 1 || held[0]["contact_id"] != "c1" || held[0]["line"] != "alice" || held[0]["detail"] != "the answer was lost" || held[0]["row"] != 2.0 {
		t.Errorf("held %v", held)
	}
	if r := must(t, "unconfirmed", "list", "spring"); !strings.Contains(r.out, "the answer was lost") {
		t.Errorf("list says %q %q", r.out, r.err)
	}
	for _, args := range [][]string{
		{"spring", "c1"}, {"spring", "c1", "--called", "answered", "--not-called"}, {"spring", "c1", "--called", "perhaps"}, {"spring"},
	} {
		if r := run(append([]string{"unconfirmed", "resolve"}, args...)...); r.code != 2 || r.out != "" {
			t.Errorf("resolve %v: status %d, %q", args, r.code, r.out)
		}
	}
	if r := run("unconfirmed", "resolve", "spring", "c2", "--not-called"); r.code != 1 || !strings.Contains(r.err, "not unconfirmed") {
		t.Errorf("a contact that waits: status %d: %s", r.code, r.err)
	}
	if r := run("unconfirmed", "resolve", "spring", "c9", "--not-called"); r.code != 1 || !strings.Contains(r.err, "no such contact: c9 in spring") {
		t.Errorf("no such contact: status %d: %s", r.code, r.err)
	}
	must(t, "unconfirmed", "resolve", "spring", "c1", "--called", "answered")
	rec, err := l.Contact(t.Context(), "spring", "c1")
	if err != nil || rec.State != campaign.Done || rec.Outcome != campaign.Answered {
		t.Errorf("contact %+v, %v", rec, err)
	}
	if r := must(t, "unconfirmed", "list", "spring", "--json"); strings.TrimSpace(r.out) != "[]" {
		t.Errorf("still held: %s", r.out)
	}
	if r := must(t, "unconfirmed", "list", "spring"); r.out != "" || r.err != "none\n" {
		t.Errorf("list says %q %q", r.out, r.err)
	}
}

func TestRetryAndDelete(t *testing.T) {
	l := setup(t)
	must(t, "unconfirmed", "resolve", "spring", "c1", "--called", "rejected")
	if r := must(t, "retry", "spring", "--outcome", "rejected,busy"); r.err != "spring: 1 contact to be called again\n" {
		t.Errorf("retry says %q", r.err)
	}
	if r := must(t, "retry", "spring", "--outcome", "rejected", "--json"); !strings.Contains(r.out, `"retried": 0`) {
		t.Errorf("retry again says %q", r.out)
	}
	rec, err := l.Contact(t.Context(), "spring", "c1")
	if err != nil || rec.State != campaign.Waiting || rec.Round != 2 {
		t.Errorf("c1 is %+v, %v", rec, err)
	}
	must(t, "cancel", "spring")
	if r := run("retry", "spring", "--outcome", "busy"); r.code != 1 || !strings.Contains(r.err, "spring is cancelled") {
		t.Errorf("retry of a cancelled campaign: status %d, %q", r.code, r.err)
	}
	if r := must(t, "delete", "spring", "--yes"); r.err != "spring is deleted, with 3 contacts\n" {
		t.Errorf("delete says %q", r.err)
	}
	if r := must(t, "list", "--json"); strings.TrimSpace(r.out) != "[]" {
		t.Errorf("list says %q", r.out)
	}
}

func TestLines(t *testing.T) {
	t.Chdir(t.TempDir())
	server := redistest.Start(t)
	t.Setenv("REDIS_URL", server.URL())
	rdb := server.Client(t)
	if r := must(t, "lines"); r.out != "" || !strings.Contains(r.err, "no lines yet") {
		t.Errorf("lines says %q %q", r.out, r.err)
	}
	if r := run("lines", "pause", "alice"); r.code != 1 || !strings.Contains(r.err, "no worker has published a line yet") {
		t.Errorf("pause says %d %q", r.code, r.err)
	}
	rdb.SAdd(t.Context(), "ringqueue:{ledger}:lines", "+16505550001")
	rdb.HSet(t.Context(), "ringqueue:{ledger}:line:+16505550001", "name", "alice", "team", "sales", "owner", "w1", "lease", time.Now().Add(time.Hour).UnixMilli())
	must(t, "lines", "pause", "alice")
	var lines []map[string]any
	if err := json.Unmarshal([]byte(must(t, "lines", "--json").out), &lines); err != nil || len(lines) != 1 {
		t.Fatal(err)
	}
	if l := lines[0]; l["name"] != "alice" || l["number"] != "…0001" || l["state"] != "free" || l["paused"] != true || !strings.HasPrefix(l["doing"].(string), "on a break since") {
		t.Errorf("line is %v", l)
	}
	must(t, "lines", "resume", "sales/alice")
	if r := must(t, "lines"); !strings.Contains(r.out, "alice  sales  …0001   free") {
		t.Errorf("lines says\n%s", r.out)
	}
	if r := run("lines", "unblock", "alice"); r.code != 1 || !strings.Contains(r.err, "alice is free") {
		t.Errorf("unblock of a free line says %d %q", r.code, r.err)
	}
	rdb.HSet(t.Context(), "ringqueue:{ledger}:line:+16505550001", "state", "blocked", "token", "t1", "why", "nobody knows")
	if r := must(t, "lines"); !strings.Contains(r.out, "nobody knows") {
		t.Errorf("lines of a blocked line says\n%s", r.out)
	}
	must(t, "lines", "unblock", "alice")
	if r := must(t, "lines"); !strings.Contains(r.out, "alice  sales  …0001   free") {
		t.Errorf("lines after unblock says\n%s", r.out)
	}
}

// TestCompletion asks as the shell does.
func TestCompletion(t *testing.T) {
	setup(t)
	for _, tt := range []struct{ typed, want string }{
		{"status ", "spring"},
		{"unconfirmed resolve ", "spring"},
		{"results spring --outcome busy,", "busy,no_answer"},
		{"results spring --format ", "jsonl"},
		{"", "watch\tFollow a campaign until it is done"},
	} {
		args := append([]string{"__complete"}, strings.Split(tt.typed, " ")...)
		if r := must(t, args...); !strings.Contains("\n"+r.out, "\n"+tt.want+"\n") {
			t.Errorf("campaign %s<TAB> offers\n%s; want %s", tt.typed, r.out, tt.want)
		}
	}
	if r := must(t, "completion", "bash"); !strings.Contains(r.out, "__start_campaign") {
		t.Error("no script for bash")
	}
}

func TestReport(t *testing.T) {
	setup(t)
	if r := must(t, "report", "spring"); !strings.Contains(r.out, "spring: running, 0 of 3 contacts done, 1 calls") {
		t.Errorf("report says\n%s", r.out)
	}
	if r := must(t, "report", "spring", "--html", "spring.html"); r.out != "" || r.err != "report written to spring.html\n" {
		t.Errorf("report says %q %q", r.out, r.err)
	}
	src, err := os.ReadFile("spring.html")
	if err != nil || !strings.Contains(string(src), "<h1>spring</h1>") || !strings.HasSuffix(strings.TrimSpace(string(src)), "</html>") {
		t.Errorf("the page is %q, %v", src, err)
	}
	if r := run("report", "spring", "--html", "no/such/folder/x.html"); r.code != 2 || !strings.Contains(r.err, "--html: ") {
		t.Errorf("status %d, %q", r.code, r.err)
	}
	var model map[string]any
	if err := json.Unmarshal([]byte(must(t, "report", "spring", "--json").out), &model); err != nil || model["calls"] == nil {
		t.Errorf("%v, %v", model, err)
	}
}

func TestEvents(t *testing.T) {
	setup(t)
	var events []map[string]any
	if err := json.Unmarshal([]byte(must(t, "events", "spring", "--json").out), &events); err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0]["kind"] != "claimed" || events[1]["kind"] != "settled" || events[1]["contact_id"] != "c1" || events[1]["line"] != "alice" {
		t.Errorf("events are %v", events)
	}
	if r := must(t, "events", "spring", "--last", "1"); strings.Count(r.out, "\n") != 1 || !strings.Contains(r.out, "  contact c1, attempt 1 on alice: settled unconfirmed\n") {
		t.Errorf("events says %q", r.out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"events", "spring", "--follow", "--json"})
	root.SetOut(writerFunc(func(p []byte) (int, error) {
		if strings.Count(out.String()+string(p), "\n") == 2 {
			cancel() // by hand
		}
		return out.Write(p)
	}))
	if code := cli.Run(ctx, root); code != 0 || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("status %d, %q", code, out.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNoCampaigns(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	if r := must(t, "list"); r.out != "" || !strings.Contains(r.err, "enqueue csv") {
		t.Errorf("list says %q %q", r.out, r.err)
	}
	if r := must(t, "list", "--json"); strings.TrimSpace(r.out) != "[]" {
		t.Errorf("list --json says %q", r.out)
	}
}

func TestBadInput(t *testing.T) {
	setup(t)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{1, "no such campaign: nope; `campaign list` shows", []string{"status", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"status", "nope", "--json"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"watch", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"pause", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"resume", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"cancel", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"results", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"unconfirmed", "list", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"delete", "nope"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"retry", "nope", "--outcome", "busy"}},
		{2, "there is nobody to ask: --yes goes ahead", []string{"delete", "spring"}},
		{2, `required flag(s) "outcome" not set`, []string{"retry", "spring"}},
		{2, `--outcome "unconfirmed": it takes one or more of answered, busy, no_answer`, []string{"retry", "spring", "--outcome", "busy,unconfirmed"}},
		{2, `--format "xml": it takes csv, json or jsonl`, []string{"results", "spring", "--format", "xml"}},
		{2, "--follow prints rows as they come: it takes --format csv or jsonl", []string{"results", "spring", "--follow", "--format", "json"}},
		{2, `--since "soon": it takes a duration such as 24h`, []string{"results", "spring", "--since", "soon"}},
		{2, `--outcome "lost": it takes one or more of answered`, []string{"results", "spring", "--outcome", "lost"}},
		{1, "no such campaign: nope; `campaign list` shows", []string{"events", "nope"}},
		{2, "campaign status NAME: accepts 1 arg(s), received 0 (campaign status --help says more)", []string{"status"}},
		{2, `unknown command "frob" for "campaign" (campaign --help says more)`, []string{"frob"}},
		{2, `unknown command "stauts" for "campaign" Did you mean this? status`, []string{"stauts"}},
		{2, "unknown flag: --jsno (campaign list --help says more)", []string{"list", "--jsno"}},
		{2, "unknown command", []string{"list", "extra"}},
		{2, "unknown command", []string{"unconfirmed", "frob"}},
	} {
		r := run(c.args...)
		if r.code != c.code || r.out != "" || strings.Count(r.err, "\n") != 1 || !strings.HasPrefix(r.err, "campaign: ") || !strings.Contains(r.err, c.says) {
			t.Errorf("campaign %v: status %d, standard output %q, standard error %q; want %d, %q", c.args, r.code, r.out, r.err, c.code, c.says)
		}
	}
	for _, group := range [][]string{nil, {"unconfirmed"}, {"--help"}} {
		if r := run(group...); r.code != 0 || !strings.Contains(r.out, "Usage:") {
			t.Errorf("campaign %v: status %d, %q", group, r.code, r.out)
		}
	}
}

// TestTerminal has a contact whose name and id steer a terminal.
func TestTerminal(t *testing.T) {
	l := setup(t)
	const esc = "\x1b]0;hello\a\x1b[2J\u009b1m\u202e"
	entry := ledger.Entry{Due: time.Now(), Contact: campaign.Contact{ID: "c9" + esc, Row: 9, Name: "Ada" + esc, Numbers: []string{"+12122000990"}}}
	if _, err := l.Add(t.Context(), "spring", []byte("key"), []ledger.Entry{entry}); err != nil {
		t.Fatal(err)
	}
	ref := campaign.Ref{Campaign: "spring", Contact: entry.Contact.ID, Token: "other"}
	claim := ledger.Claim{Ref: ref, Round: 1, Number: "+12122000990", Line: "bob" + esc, SendWithin: time.Second}
	if _, err := l.Claim(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	doubt := campaign.Verdict{Ended: true, Outcome: campaign.Unconfirmed, Rang: true, Detail: "lost" + esc}
	o, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	if _, err := dial.NewBook(l, tasks.NewProducer(rdb), time.Now).Settle(t.Context(), ref, doubt, campaign.Seen{}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"unconfirmed", "list", "spring"},
		{"events", "spring"},
		{"status", "spring"},
		{"report", "spring"},
		{"list"},
		{"status", "no" + esc},
		{"unconfirmed", "resolve", "spring", "no" + esc, "--not-called"},
	} {
		if r := run(args...); strings.ContainsAny(r.out+r.err, "\x1b\a\u009b\u202e") {
			t.Errorf("%q steers a terminal: %q", args, r.out+r.err)
		}
	}
}
