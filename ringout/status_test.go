package ringout

import (
	"strings"
	"testing"
)

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in    string
		want  Status
		known bool
	}{
		{"InProgress", InProgress, true},
		{"In Progress", InProgress, true},
		{"in_progress", InProgress, true},
		{"IN-PROGRESS", InProgress, true},
		{" inprogress\n", InProgress, true},
		{"NosuchUser", NoSuchUser, true},
		{"No Answer", NoAnswer, true},
		{"no answering machine", NoAnsweringMachine, true},
		{"ERROR", StatusError, true},
		{"unknown", StatusUnknown, true},
		{"ringoutfromthisnumberisnotsupported", RingOutFromThisNumberIsNotSupported, true},
		{"", "", false},
		{"Parked", "Parked", false},
		{" Par ked ", " Par ked ", false},
		{"Success!", "Success!", false},
	} {
		got := ParseStatus(test.in)
		if got != test.want || got.Known() != test.known {
			t.Errorf("ParseStatus(%q) = %q, known %t; want %q, known %t", test.in, got, got.Known(), test.want, test.known)
		}
	}
	if Status("in progress").Known() {
		t.Error(`Status("in progress").Known() = true, want false: it is not the canonical spelling`)
	}
}

func FuzzParseStatus(f *testing.F) {
	for _, seed := range []string{"", "InProgress", "no such user", "NO_SESSION-FOUND", "Parked", "\xff", "K\u212a", "-_ "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ParseStatus(s)
		if again := ParseStatus(string(got)); again != got {
			t.Errorf("ParseStatus(%q) = %q, but parsed again %q", s, got, again)
		}
		if !got.Known() && string(got) != s {
			t.Errorf("ParseStatus(%q) = %q, want an unknown value unchanged", s, got)
		}
		if swapped := swapCase(s); got.Known() && ParseStatus(swapped) != got {
			t.Errorf("ParseStatus(%q) = %q, but %q for %q", s, got, ParseStatus(swapped), swapped)
		}
	})
}

// swapCase changes the case of every ASCII letter.
func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}
