package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestDryRunStoresNothing(t *testing.T) {
	r := newRig(t)
	got := r.must("csv", "people.csv", "--campaign", "a.yaml", "--dry-run")
	for _, want := range []string{
		"phone = phone", "name = name", "id = id", "row 2: Ada, +12122000030, America/New_York", "row 3: Bo, ", "row 5: Di, ",
		"6 rows read", "4  would be imported (dry run: nothing is)", "1  duplicates", "1  rejected",
	} {
		if !strings.Contains(got.err, want) {
			t.Errorf("does not say %q:\n%s", want, got.err)
		}
	}
	if strings.Contains(got.err, "row 7") || strings.Contains(got.err, "warning") || got.out != "" {
		t.Errorf("says too much: %q\n%s", got.out, got.err)
	}
	if keys := r.keys(); len(keys) != 0 {
		t.Errorf("stored %v", keys)
	}
	if _, err := os.Stat("people.rejects.csv"); !os.IsNotExist(err) {
		t.Errorf("a rejects file was written: %v", err)
	}
	// The counts are those of the real import, then and afterwards.
	for range 2 {
		dry := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--dry-run", "--json").out)
		real := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--json").out)
		if dry.Added != real.Added || dry.Known != real.Known || dry.Duplicates != real.Duplicates || dry.Rejected != real.Rejected || dry.Rows != real.Rows {
			t.Errorf("dry run says %+v, the import %+v", dry, real)
		}
		if len(dry.Files) != 1 || len(dry.Files[0].Sample) != 3 || dry.Files[0].Mapping["phone"] != "phone" {
			t.Errorf("dry run: %+v", dry.Files)
		}
	}
}

func TestImport(t *testing.T) {
	r := newRig(t)
	got := r.must("csv", "people.csv", "--campaign", "a.yaml")
	if got.out != "" || !strings.Contains(got.err, "4  imported") || !strings.Contains(got.err, `warning: no worker has published a line of team "default"`) {
		t.Errorf("says %q\n%s", got.out, got.err)
	}
	if ids := r.pending("a"); !slices.Equal(ids, []string{"c1", "c2", "c4", "c6"}) {
		t.Errorf("tasks %v", ids)
	}
	rejects := r.read("people.rejects.csv")
	if want := "id,name,phone,city,ringqueue_line,ringqueue_reason\nc3,Cy,12,Bonn,4,"; !strings.HasPrefix(rejects, want) || strings.Count(rejects, "\n") != 2 {
		t.Errorf("rejects file:\n%s", rejects)
	}
	again := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--json").out)
	if again.Added != 0 || again.Known != 4 || again.Duplicates != 1 || again.Rejected != 1 {
		t.Errorf("second import: %+v", again)
	}
	if ids := r.pending("a"); len(ids) != 4 {
		t.Errorf("tasks after the second import: %v", ids)
	}
}

// TestImportKeepsOrder has more rows than a batch, on a Redis that has seen none of Asynq's scripts.
func TestImportKeepsOrder(t *testing.T) {
	r := newRig(t)
	var list strings.Builder
	list.WriteString("id,phone\n")
	var want []string
	for i := range 700 {
		fmt.Fprintf(&list, "c%d,+1212%07d\n", i, 2000000+i)
		want = append(want, fmt.Sprintf("c%d", i))
	}
	r.file("long.csv", list.String())
	r.must("csv", "long.csv", "--campaign", "a.yaml")
	if got := r.pending("a"); !slices.Equal(got, want) {
		t.Errorf("tasks %v …", got[:20])
	}
}

func TestImportFromStandardInput(t *testing.T) {
	r := newRig(t)
	r.stdin = "Mobile\tWho\n2122000030\tAda\nx\tBo\n"
	got := r.summary(r.must("csv", "-", "--campaign", "a.yaml", "--json").out)
	if got.Added != 1 || got.Rejected != 1 || got.Files[0].Rejects != "a.rejects.csv" {
		t.Errorf("summary %+v", got)
	}
	if rejects := r.read("a.rejects.csv"); !strings.Contains(rejects, "x\tBo\t3\t") {
		t.Errorf("rejects file:\n%s", rejects)
	}
}

func TestColumnAndRejectsFlags(t *testing.T) {
	r := newRig(t)
	r.file("odd.csv", "who,phone,backup line\nAda,2122000030,2122000130\nBo,,no\n")
	got := r.summary(r.must("csv", "odd.csv", "--campaign", "a.yaml", "--column", "phone=backup line", "--column", "name=who", "--rejects", "bad.csv", "--json").out)
	if got.Added != 1 || got.Rejected != 1 || got.Files[0].Mapping["phone"] != "backup line" || got.Files[0].Rejects != "bad.csv" {
		t.Errorf("summary %+v", got)
	}
	dry := r.summary(r.must("csv", "odd.csv", "--campaign", "a.yaml", "--column", "phone=backup line", "--column", "name=who", "--dry-run", "--json").out)
	if s := dry.Files[0].Sample; len(s) != 1 || s[0].Name != "Ada" || s[0].Number != "+12122000130" {
		t.Errorf("sample %+v", s)
	}
	r.refused(2, []string{"--rejects takes one call list at a time"}, "csv", "odd.csv", "people.csv", "--campaign", "a.yaml", "--rejects", "bad.csv")
}

func TestSeveralLists(t *testing.T) {
	r := newRig(t)
	r.file("more.csv", "id,phone\nm1,2122000630\nc1,2122000730\n")
	got := r.summary(r.must("csv", "people.csv", "more.csv", "--campaign", "a.yaml", "--json").out)
	if got.Rows != 8 || got.Added != 5 || got.Duplicates != 1 || got.OtherNumber != 1 || len(got.Files) != 2 {
		t.Errorf("summary %+v", got)
	}
}

func TestChangedCampaignFile(t *testing.T) {
	r := newRig(t)
	r.must("csv", "people.csv", "--campaign", "a.yaml")
	r.file("b.yaml", "name: a\ncalling_hours: always\nwrap_up: 5s\n")
	r.file("more.csv", "id,phone\nm1,2122000630\n")
	for _, args := range [][]string{
		{"csv", "more.csv", "--campaign", "b.yaml"},
		{"call", "--to", "2122000630", "--campaign", "b.yaml"},
	} {
		got := r.run(args...)
		if got.code != 2 || !strings.Contains(got.err, "--update") || !strings.Contains(got.err, "wrap_up: 20s → 5s") {
			t.Errorf("%v: status %d: %s", args, got.code, got.err)
		}
	}
	if ids := r.pending("a"); len(ids) != 4 {
		t.Errorf("tasks %v: something was imported", ids)
	}
	if got := r.summary(r.must("csv", "more.csv", "--campaign", "b.yaml", "--update", "--json").out); got.Added != 1 {
		t.Errorf("summary %+v", got)
	}
	r.must("csv", "more.csv", "--campaign", "b.yaml") // the new rules are in force
	r.file("a.yaml", "name: a\ncalling_hours: always\n")
	r.must("call", "--to", "2122000930", "--campaign", "a.yaml", "--update")
}

func TestBadInput(t *testing.T) {
	r := newRig(t)
	r.file("unknown.yaml", "name: a\nfoo: 1\n")
	r.file("bad.yaml", "name: a\nwrap_up: soon\n")
	r.file("ended.yaml", "name: a\nends: 2020-01-01T00:00:00Z\n")
	r.file("empty.csv", "")
	r.file("header.csv", "id,phone\n")
	r.file("cities.csv", "id,city\n1,Ulm\n")
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says []string
		args []string
	}{
		{[]string{"missing.csv", "no such file"}, []string{"csv", "missing.csv", "--campaign", "a.yaml"}},
		{[]string{"folder is a folder"}, []string{"csv", "folder", "--campaign", "a.yaml"}},
		{[]string{"empty.csv", "the list is empty"}, []string{"csv", "empty.csv", "--campaign", "a.yaml"}},
		{[]string{"header.csv", "a header and no rows"}, []string{"csv", "header.csv", "--campaign", "a.yaml"}},
		{[]string{"header.csv", "a header and no rows"}, []string{"csv", "header.csv", "--campaign", "a.yaml", "--dry-run"}},
		{[]string{"cities.csv", "no column of phone numbers", `"city"`, "--column phone="}, []string{"csv", "cities.csv", "--campaign", "a.yaml"}},
		{[]string{"cities.csv", "no column of phone numbers"}, []string{"csv", "people.csv", "cities.csv", "--campaign", "a.yaml"}},
		{[]string{"--column", "phone=Mobile"}, []string{"csv", "people.csv", "--campaign", "a.yaml", "--column", "phone"}},
		{[]string{"fone", "phone, name, id, timezone"}, []string{"csv", "people.csv", "--campaign", "a.yaml", "--column", "fone=phone"}},
		{[]string{`"Mobile"`, `"city"`}, []string{"csv", "people.csv", "--campaign", "a.yaml", "--column", "phone=Mobile"}},
		{[]string{"missing.yaml", "no such file"}, []string{"csv", "people.csv", "--campaign", "missing.yaml"}},
		{[]string{"unknown.yaml:2: foo: unknown field; takes caller_id"}, []string{"csv", "people.csv", "--campaign", "unknown.yaml"}},
		{[]string{"bad.yaml:2: wrap_up", "takes a duration"}, []string{"csv", "people.csv", "--campaign", "bad.yaml"}},
		{[]string{"ended.yaml", "has passed"}, []string{"csv", "people.csv", "--campaign", "ended.yaml"}},
		{[]string{"campaign", "--help"}, []string{"csv", "people.csv"}},
		{[]string{"FILE", "--help"}, []string{"csv", "--campaign", "a.yaml"}},
		{[]string{`unknown command "cvs"`, "csv", "--help"}, []string{"cvs"}},
		{[]string{`unknown command "ad"`, "--help"}, []string{"dnc", "ad"}},
		{[]string{"unknown flag: --nope", "--help"}, []string{"csv", "people.csv", "--campaign", "a.yaml", "--nope"}},
		{[]string{"--to", "not a valid number"}, []string{"call", "--campaign", "a.yaml", "--to", "123"}},
		{[]string{"--to", "empty"}, []string{"call", "--campaign", "a.yaml", "--to", ""}},
		{[]string{"number 2 of 2", "not a valid number", "nothing was changed"}, []string{"dnc", "add", "2122000030", "123"}},
		{[]string{"folder is a folder"}, []string{"dnc", "import", "folder"}},
		{[]string{"missing.csv", "no such file"}, []string{"dnc", "import", "missing.csv"}},
		{[]string{"the list is empty"}, []string{"dnc", "import", "empty.csv"}},
	} {
		r.refused(2, c.says, c.args...)
	}
	if keys := r.keys(); len(keys) != 0 {
		t.Errorf("stored %v", keys)
	}
}

func TestAllRowsRejected(t *testing.T) {
	r := newRig(t)
	r.file("all.csv", "id,phone\n1,12\n2,abc\n")
	got := r.must("csv", "all.csv", "--campaign", "a.yaml")
	if !strings.Contains(got.err, "0  imported") || !strings.Contains(got.err, "2  rejected") || strings.Contains(got.err, "warning") {
		t.Errorf("says:\n%s", got.err)
	}
	if keys := r.keys(); len(keys) != 0 {
		t.Errorf("stored %v", keys)
	}
}

func TestRedisAway(t *testing.T) {
	r := newRig(t)
	list := []string{"csv", "people.csv", "--campaign", "a.yaml"}
	t.Setenv("REDIS_URL", "http://127.0.0.1:6379")
	r.refused(2, []string{"REDIS_URL", "redis://[user:password@]host:port/db"}, list...)
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1/0")
	r.refused(1, []string{"127.0.0.1:1", "does not answer", "is it running, and is REDIS_URL right?"}, list...)
	if err := r.rdb.ConfigSet(context.Background(), "requirepass", "sesame").Err(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REDIS_URL", r.server.URL())
	r.refused(2, []string{"REDIS_URL", "wants a password"}, list...)
	t.Setenv("REDIS_URL", "redis://:wrong-secret@"+r.server.Addr()+"/0")
	r.refused(2, []string{"REDIS_URL", "wants a password"}, list...)
	if got := r.run(list...); strings.Contains(got.err, "wrong-secret") {
		t.Errorf("the password is said: %s", got.err)
	}
	t.Setenv("REDIS_URL", "redis://:sesame@"+r.server.Addr()+"/99")
	r.refused(1, []string{"refuses", "DB index"}, list...)
	t.Setenv("REDIS_URL", "redis://:sesame@"+r.server.Addr()+"/0")
	r.must(list...)
}
