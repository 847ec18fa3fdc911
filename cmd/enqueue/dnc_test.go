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
		got := strings.Fields(r.must("dnc", "list").out)
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
	says("2 added, 1 were on the list already", "import", "plain.txt")
	list("+12122000030", "+12122000130", "+12122000330", "+12122000430")

	// Rows without a number are said after the others are on the list: nobody who asked for it is lost in silence.
	r.file("bad.csv", "name,phone\nAda,2122000530\nBo,12\nCy,\nDi,2122000630\n")
	got := r.run("dnc", "import", "bad.csv")
	if got.code != 2 || got.out != "" || !strings.Contains(got.err, "2 added") ||
		!strings.Contains(got.err, "bad.csv: 2 rows have no valid number and are NOT on the list, the first at line 3") {
		t.Errorf("status %d: %q %s", got.code, got.out, got.err)
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
