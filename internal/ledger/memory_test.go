package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ringqueue/ringqueue/campaign"
)

// maxBytesPerContact is what docs and sizing rest on: a million waiting contacts in 900 MB.
const maxBytesPerContact = 900

func TestMemoryPerWaitingContact(t *testing.T) {
	b := newBench(t)
	used := func() int {
		t.Helper()
		// What is freed lazily would be counted twice.
		if err := b.rdb.Do(b.ctx(), "MEMORY", "PURGE").Err(); err != nil {
			t.Fatal(err)
		}
		info, err := b.rdb.InfoMap(b.ctx(), "memory").Result()
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(info["Memory"]["used_memory"])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const contacts, page = 20_000, 500
	row := func(i int) Entry {
		number := fmt.Sprintf("+1415%07d", i)
		values := []string{
			fmt.Sprintf("C-%06d", i), "Margarethe", "Hollingsworth-Ray", number, fmt.Sprintf("m.hollingsworth%d@example.com", i),
			"San Francisco", "CA", "2026-11-30", "Gold plan",
		}
		e := person(values[0], i+2, number)
		e.Contact.Name, e.Contact.Values = values[1]+" "+values[2], values
		e.Reason = campaign.OutsideHours
		return e
	}
	if n := len(strings.Join(row(12345).Contact.Values, ",")); n < 110 || n > 130 {
		t.Fatalf("the row has %d bytes, want about 120", n)
	}
	b.add(row(contacts)) // the scripts and the connection are there before it is measured
	before := used()
	for from := 0; from < contacts; from += page {
		entries := make([]Entry, page)
		for i := range entries {
			entries[i] = row(from + i)
		}
		if _, err := b.Add(b.ctx(), camp, b.idKey, entries); err != nil {
			t.Fatal(err)
		}
	}
	per := (used() - before) / contacts
	key, err := b.rdb.MemoryUsage(b.ctx(), keyContact(camp, row(1).Contact.ID), 0).Result()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes per waiting contact, %d of them the contact's own key", per, key)
	if per > maxBytesPerContact {
		t.Errorf("%d bytes per waiting contact, want at most %d", per, maxBytesPerContact)
	}
}
