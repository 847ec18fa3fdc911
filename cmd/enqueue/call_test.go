package main

import (
	"strings"
	"testing"
)

func TestCall(t *testing.T) {
	r := newRig(t)
	call := func(number, want string) {
		t.Helper()
		got := r.must("call", "--campaign", "a.yaml", "--to", number, "--name", "Ada Example")
		if got.out != "" || !strings.Contains(got.err, want) || strings.Contains(got.err, "2122000") {
			t.Errorf("call %s says %q %q, want %q", number, got.out, got.err, want)
		}
	}
	call("(212) 200-0030", "campaign a: …0030 will be called")
	call("+12122000030", "is in the campaign already and is not called again")
	r.must("dnc", "add", "2122000130")
	call("2122000130", "is on the do-not-call list and is not called")
	if ids := r.pending("a"); len(ids) != 1 {
		t.Errorf("tasks %v, want one", ids)
	}
	// A list knows whom a single call has brought in, and the other way round.
	got := r.summary(r.must("csv", "people.csv", "--campaign", "a.yaml", "--json").out)
	if got.Added != 2 || got.Duplicates != 3 {
		t.Errorf("summary %+v", got)
	}
	call("212-200-0330", "is in the campaign already")
	r.file("h.yaml", "name: h\n")
	if got := r.must("call", "--campaign", "h.yaml", "--to", "+80012345678"); !strings.Contains(got.err, "will be called later: time zone unknown") {
		t.Errorf("says %s", got.err)
	}
}
