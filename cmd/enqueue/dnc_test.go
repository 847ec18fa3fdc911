package main

import (
	"slices"
	"strings"
	"testing"
)

func TestDoNotCallList(t *testing.T) {
	r := newRig(t)
	says := func(want string, args ...string) {
		t.Helper()
		if got := r.must(append([]string{"dnc"}, args...)...); got.out != "" || strings.TrimSpace(got.err) != want {
			t.Errorf("dnc %v says %q %q, want %q", args, got.out, got.err, want)
		}
	}
	list := func(want ...string) {
		t.Helper()
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(r.must("dnc", "list").out), "\n")[1:] {
			number, _, _ := strings.Cut(line, ",")
			got = append(got, number)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the list has %v, want %v", got, want)
		}
	}
	list()
	says("2 added, 0 were on the list already", "add", "(212) 200-0030", "+12122000130")
	says("1 added, 1 were on the list already", "add", "+1 212 200 0030", "030 23125001", "--region", "DE")
	list("+12122000030", "+12122000130", "+493023125001")
	says("1 removed, 1 were not on the list", "remove", "+493023125001", "+12122009930")
	list("+12122000030", "+12122000130")

	r.file("plain.txt", "2122000330\n2122000430\n2122000030\n")
	r.refused(2, []string{"plain.txt: line 1", "--region US"}, "dnc", "import", "plain.txt")
	says("2 added, 1 were on the list already", "import", "plain.txt", "--region", "US")
	list("+12122000030", "+12122000130", "+12122000330", "+12122000430")

	// What cannot be read is said after the others are on the list: nobody who asked for it is lost in silence.
	r.file("bad.csv", "name,phone,mobile\nAda,2122000530,415-555-0199 x2\nBo,12,\nCy,,\nDi,\"2122000630 / 415-555-019\",\n")
	got := r.run("dnc", "import", "bad.csv", "--region", "US")
	if got.code != 1 || got.out != "" || !strings.Contains(got.err, "2 added") ||
		!strings.Contains(got.err, "bad.csv: 4 lines have numbers that could not be read and are NOT on the list, the first is line 2") {
		t.Errorf("status %d: %q %s", got.code, got.out, got.err)
	}
	for _, line := range []string{"line 2: ", "line 3: ", "line 4: ", "line 5: "} {
		if !strings.Contains(got.err, line) || strings.Contains(got.err, "5550199") {
			t.Errorf("does not say %s, or too much: %s", line, got.err)
		}
	}
	r.file("none.csv", "phone\n12\n13\n")
	if got := r.run("dnc", "import", "none.csv", "--region", "US"); got.code != 2 || !strings.Contains(got.err, "NOTHING of it is on the list") {
		t.Errorf("status %d: %s", got.code, got.err)
	}
	list("+12122000030", "+12122000130", "+12122000330", "+12122000430", "+12122000530", "+12122000630")

	imported := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--json").out)
	if imported.Suppressed != 4 || imported.Added != 0 {
		t.Errorf("summary %+v", imported)
	}
	if ids := r.pending("a"); len(ids) != 0 {
		t.Errorf("tasks %v for numbers on the list", ids)
	}
}

// TestNationalList imports the US national file, whose area codes have a column of their own, in its variants.
func TestNationalList(t *testing.T) {
	plain, calls := testdata(t, "20a-national-dnc.txt"), testdata(t, "20b-calls.csv")
	r := newRig(t)
	r.file("20b-calls.csv", calls)
	for name, text := range map[string]string{
		"plain": plain, "semicolon": strings.ReplaceAll(plain, ",", ";"), "tab": strings.ReplaceAll(plain, ",", "\t"),
		"header":        "Area Code,Phone Number\n" + plain,
		"date":          strings.ReplaceAll(plain, "\n", ",2026-11-01\n"),
		"header+date":   "area_code;phone;date\n" + strings.ReplaceAll(strings.ReplaceAll(plain, ",", ";"), "\n", ";11/01/2026\n"),
		"with a region": plain,
	} {
		if err := r.rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		r.file("national.txt", text)
		args := []string{"dnc", "import", "national.txt"}
		if name == "with a region" {
			args = append(args, "--region", "US")
		}
		got := r.run(args...)
		if got.code != 0 || strings.TrimSpace(got.err) != "3 added, 0 were on the list already" {
			t.Errorf("%s: status %d: %s", name, got.code, got.err)
			continue
		}
		if list := r.must("dnc", "list").out; !strings.Contains(list, "+12125550101,") || !strings.Contains(list, "+16502530102,") {
			t.Errorf("%s: the list is\n%s", name, list)
		}
		if s := r.summary(r.must("csv", "20b-calls.csv", "--campaign", "a.yaml", "--json").out); s.Suppressed != 1 || s.Added != 2 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestDoNotCallDetails lists why, from where, since when and until when, and takes it back from such a list.
func TestDoNotCallDetails(t *testing.T) {
	r := newRig(t)
	r.must("dnc", "add", "+12122000030", "--reason", "asked, on the phone", "--source", "support")
	r.must("dnc", "add", "+12122000130", "--expires", "90d")
	r.must("dnc", "add", "+12122000230", "--expires", "2099-12-31")
	r.file("gone.csv", "Telefon;Mobil\n030 23125101;0171 3920001\n")
	r.must("dnc", "import", "gone.csv", "--region", "DE", "--reason", "left us")
	r.refused(2, []string{"--expires", "time to come"}, "dnc", "add", "+12122000330", "--expires", "2020-01-01")
	r.refused(2, []string{"--expires", "90d"}, "dnc", "add", "+12122000330", "--expires", "soon")
	before := r.must("dnc", "list").out
	for _, want := range []string{
		"number,reason,source,added_at,expires_at\n", "+12122000030,\"asked, on the phone\",support,20", ",2100-01-01T00:00:00Z\n",
		"+493023125101,left us,gone.csv,", "+491713920001,left us,gone.csv,",
	} {
		if !strings.Contains(before, want) {
			t.Errorf("the list lacks %q:\n%s", want, before)
		}
	}
	if got := r.must("dnc", "list", "--json").out; !strings.Contains(got, `"reason": "asked, on the phone"`) || !strings.Contains(got, `"expires_at": "2100-01-01T00:00:00Z"`) {
		t.Errorf("the list as JSON is\n%s", got)
	}
	if err := r.rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.file("list.csv", before)
	r.must("dnc", "import", "list.csv")
	sorted := func(text string) []string {
		lines := strings.Split(text, "\n")
		slices.Sort(lines)
		return lines
	}
	if after := r.must("dnc", "list").out; !slices.Equal(sorted(after), sorted(before)) {
		t.Errorf("the list came back as\n%s\nwant\n%s", after, before)
	}
}

// TestDoNotCallInTheList suppresses whom the list itself says not to call.
func TestDoNotCallInTheList(t *testing.T) {
	src := testdata(t, "04-do-not-call-column.csv")
	r := newRig(t)
	r.file("crm.csv", src)
	for range 2 {
		r.must("csv", "crm.csv", "--campaign", "a.yaml")
		for _, id := range r.pending("a") {
			if id == "zcrm_2" || id == "zcrm_3" || id == "zcrm_5" {
				t.Errorf("%s is called", id)
			}
		}
	}
	if got := r.must("csv", "crm.csv", "--campaign", "a.yaml", "--known", "update", "--json"); r.summary(got.out).Changed != 0 {
		t.Errorf("says %s", got.out)
	}
}
