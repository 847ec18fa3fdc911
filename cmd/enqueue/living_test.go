package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testdata reads a file before the test's own folder is entered.
func testdata(t *testing.T, name string) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// TestSharedCustomerNumber has one customer number for several people: all of them are called, and each keeps its id when the
// list comes again.
func TestSharedCustomerNumber(t *testing.T) {
	src := testdata(t, "06-shared-customer-number.csv")
	r := newRig(t)
	r.file("k.csv", src)
	for i, args := range [][]string{{"--dry-run"}, {}, {}, {"--known", "update", "--remove-missing"}} {
		got := r.must(append([]string{"csv", "k.csv", "--campaign", "a.yaml"}, args...)...)
		if want := "2  have an id that others of the list have too"; !strings.Contains(got.err, want) {
			t.Errorf("import %d does not say %q:\n%s", i, want, got.err)
		}
		if want := []string{"4  would be imported", "4  imported", "4  imported before", "4  unchanged"}[i]; !strings.Contains(got.err, want) {
			t.Errorf("import %d does not say %q:\n%s", i, want, got.err)
		}
	}
	ids := r.pending("a")
	if len(ids) != 4 || ids[0] != "K-1001" || !strings.HasPrefix(ids[1], "K-1001-") || !strings.HasPrefix(ids[2], "K-1001-") || ids[3] != "K-1002" {
		t.Errorf("tasks %v", ids)
	}
}

func TestKnown(t *testing.T) {
	r := newRig(t)
	r.must("csv", "people.csv", "--campaign", "a.yaml")
	r.file("next.csv", "id,name,phone,city\nc1,Ada,212-200-0031,Ulm\nc2,Bo,+1 212 200 0130,Rom\nc3,Cy,12,Bonn\nc7,Flo,212-200-0730,\n")
	got := r.must("csv", "next.csv", "--campaign", "a.yaml")
	for _, want := range []string{"1  imported", "1  same id, other number: the contact keeps", "1  imported before"} {
		if !strings.Contains(got.err, want) {
			t.Errorf("does not say %q:\n%s", want, got.err)
		}
	}
	args := []string{"csv", "next.csv", "--campaign", "a.yaml", "--known", "update", "--remove-missing", "--json"}
	dry := r.summary(r.must(append(args, "--dry-run")...).out)
	real := r.summary(r.must(args...).out)
	dry.DryRun, dry.Files, real.Files = false, nil, nil
	if dry.Changed != 1 || dry.Removed != 2 || dry.Known != 2 || dry.Rejected != 1 || real.Changed != 1 || real.Removed != 2 || real.Known != 2 {
		t.Errorf("dry run %+v\nimport  %+v", dry, real)
	}
	text := r.must("csv", "next.csv", "--campaign", "a.yaml", "--known", "update", "--remove-missing").err
	for _, want := range []string{"0  imported", "0  changed", "3  unchanged", "0  removed"} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
	// They come back, but who is done needs to be asked for.
	if s := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--known", "update", "--json").out); s.Closed != 2 || s.Changed != 1 {
		t.Errorf("without --reopen: %+v", s)
	}
	if s := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--known", "update", "--reopen", "--json").out); s.Reopened != 2 {
		t.Errorf("with --reopen: %+v", s)
	}
	r.refused(2, []string{"--known", "skip or update"}, "csv", "people.csv", "--campaign", "a.yaml", "--known", "all")
	r.refused(2, []string{"--reopen goes with --known update"}, "csv", "people.csv", "--campaign", "a.yaml", "--reopen")
}

// TestRejectsFiles has rejects files that must not lose anything: one a list, never one of the lists itself or somebody else's
// file, and none that is stale.
func TestRejectsFiles(t *testing.T) {
	r := newRig(t)
	r.file("leads.2024", "id,phone\n1,bad1\n2,650-555-0123\n")
	r.file("leads.2025", "id,phone\n3,bad2\n4,650-555-0126\n")
	r.file("own.csv", "id,phone\n20,bad\n21,650-555-0150\n")
	r.file("notes.csv", "my,notes\n")
	campaign := []string{"--campaign", "a.yaml"}
	csv := func(args ...string) []string { return append(append([]string{"csv"}, args...), campaign...) }

	r.refused(2, []string{"own.csv", "is itself what is read"}, csv("own.csv", "--rejects", "own.csv")...)
	r.refused(2, []string{"a.yaml", "is itself what is read"}, csv("own.csv", "--rejects", "a.yaml")...)
	r.refused(2, []string{"notes.csv", "was not written as a rejects file"}, csv("own.csv", "--rejects", "notes.csv")...)
	r.refused(2, []string{"nowhere/r.csv", "cannot be written"}, csv("own.csv", "--rejects", "nowhere/r.csv")...)
	if keys := r.keys(); len(keys) != 0 {
		t.Errorf("stored %v", keys)
	}
	got := r.summary(r.must(csv("leads.2024", "leads.2025", "./leads.2024", "--json")...).out)
	var files []string
	for _, f := range got.Files {
		files = append(files, f.Rejects)
	}
	if want := []string{"leads.2024.rejects.csv", "leads.2025.rejects.csv", "./leads.2024-2.rejects.csv"}; !slices.Equal(files, want) {
		t.Errorf("rejects files %v, want %v", files, want)
	}
	if a, b := r.read("leads.2024.rejects.csv"), r.read("leads.2025.rejects.csv"); !strings.Contains(a, "bad1") || !strings.Contains(b, "bad2") {
		t.Errorf("rejects files:\n%s\n%s", a, b)
	}
	// Corrected and imported again; then the list itself, which leaves no stale file.
	r.file("leads.2024.rejects.csv", strings.ReplaceAll(r.read("leads.2024.rejects.csv"), "bad1", "650-555-0124"))
	if s := r.summary(r.must(csv("leads.2024.rejects.csv", "--json")...).out); s.Added != 1 || s.Rejected != 0 {
		t.Errorf("the corrected rejects: %+v", s)
	}
	r.file("leads.2024", "id,phone\n1,650-555-0124\n2,650-555-0123\n")
	if got := r.must(csv("leads.2024")...); !strings.Contains(got.err, "the rejects file of an earlier import of leads.2024 was removed") {
		t.Errorf("says:\n%s", got.err)
	}
	if _, err := os.Stat("leads.2024.rejects.csv"); !os.IsNotExist(err) {
		t.Errorf("a stale rejects file is left: %v", err)
	}
	// A separator that nobody would find out.
	r.file("sep.csv", "sep=^\nid^phone^note\n31^bad^x\n32^650-555-0132^y\n")
	r.must(csv("sep.csv")...)
	r.file("sep.rejects.csv", strings.ReplaceAll(r.read("sep.rejects.csv"), "^bad^", "^650-555-0131^"))
	if s := r.summary(r.must(csv("sep.rejects.csv", "--json")...).out); s.Added != 1 || s.Files[0].Mapping["phone"] != "phone" {
		t.Errorf("the corrected rejects with a separator: %+v", s)
	}
	if left, _ := filepath.Glob("*.partial"); left != nil {
		t.Errorf("left are %v", left)
	}
}

// TestTerminal has a list whose names and headers steer a terminal.
func TestTerminal(t *testing.T) {
	r := newRig(t)
	r.file("esc.csv", "id,name\x1b[2J,phone,Full \x1b]0;hello\a Name\n1,\x1b[31mAda\u202e,650-555-0123,Ada \x1b[2J\u009b1m\n")
	for _, args := range [][]string{{"--dry-run"}, {}, {"--column", "phone=no\x1b[2J"}} {
		got := r.run(append([]string{"csv", "esc.csv", "--campaign", "a.yaml", "--column", "name=Full \x1b]0;hello\a Name"}, args...)...)
		if strings.ContainsAny(got.err, "\x1b\a\u009b\u202e") {
			t.Errorf("%v: what is said steers a terminal: %q", args, got.err)
		}
	}
}

// TestHashedID says that an id was replaced.
func TestHashedID(t *testing.T) {
	r := newRig(t)
	r.file("mail.csv", "id,phone\nada@example.com,650-555-0123\n7,650-555-0124\n")
	if got := r.must("csv", "mail.csv", "--campaign", "a.yaml"); !strings.Contains(got.err, "1  have an id that is a phone number or an address") {
		t.Errorf("says:\n%s", got.err)
	}
}

// TestErrorOnce has a Redis that stores nothing more in the middle of an import.
func TestErrorOnce(t *testing.T) {
	r := newRig(t)
	if err := r.rdb.ConfigSet(t.Context(), "maxmemory", "1kb").Err(); err != nil {
		t.Fatal(err)
	}
	got := r.run("csv", "people.csv", "--campaign", "a.yaml")
	if got.code != 1 || strings.Contains(got.err, "enqueue: enqueue") || !strings.Contains(got.err, "out of memory") {
		t.Errorf("status %d: %s", got.code, got.err)
	}
}
