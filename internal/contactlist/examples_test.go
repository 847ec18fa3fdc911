package contactlist

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// The sample list is what people see first: what it promises in its last column must hold as far as reading goes.
func TestExampleContacts(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join("..", "..", "examples", "contacts.csv"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	r, err := Open(file, Options{IDKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := rolesOf(r), "phone=phone phone=mobile name=name id=id timezone=timezone"; got != want {
		t.Errorf("roles: got %s, want %s", got, want)
	}
	contacts, rejected := rest(t, r)
	expect := len(r.Header()) - 1
	if r.Header()[expect] != "expect" {
		t.Fatalf("last column is %s", r.Header()[expect])
	}
	outcomes, seen := make(map[string]int), make(map[string]bool)
	for _, c := range contacts {
		want := c.Values[expect]
		if duplicate := seen[c.ID]; duplicate != (want == "duplicate") {
			t.Errorf("line %d: is a duplicate: %t, expect says %q", c.Row, duplicate, want)
		}
		if seen[c.Number()] != seen[c.ID] {
			t.Errorf("line %d: id and number disagree about being a duplicate", c.Row)
		}
		seen[c.ID], seen[c.Number()] = true, true
		outcomes[want]++
		number, err := phonenumbers.Parse(c.Number(), "")
		if err != nil {
			t.Fatal(err)
		}
		zones, err := phonenumbers.GetTimezonesForNumber(number)
		if err != nil {
			t.Fatal(err)
		}
		unknown := c.Zone == "" && strings.Join(zones, " ") == "Etc/Unknown"
		if unknown != (want == "cancelled") {
			t.Errorf("line %d: zone unknown is %t (%v), expect says %q", c.Row, unknown, zones, want)
		}
	}
	for outcome, want := range map[string]int{
		"answered": 21, "busy": 3, "no_answer": 3, "rejected": 2, "unreachable": 2, "suppressed": 2, "cancelled": 2,
		"blocked": 1, "invalid_number": 1, "line_unavailable": 1, "expired": 1, "unconfirmed": 1, "duplicate": 2,
	} {
		if outcomes[outcome] != want {
			t.Errorf("%s: got %d rows, want %d", outcome, outcomes[outcome], want)
		}
		delete(outcomes, outcome)
	}
	if len(outcomes) > 0 {
		t.Errorf("rows with other outcomes: %v", outcomes)
	}
	if len(rejected) != 5 {
		t.Errorf("got %d rejected rows, want 5", len(rejected))
	}
	for _, row := range rejected {
		if !strings.HasPrefix(row.Record[expect], "bad row") {
			t.Errorf("%v, but expect says %q", row, row.Record[expect])
		}
	}
}
