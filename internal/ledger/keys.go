package ledger

// All keys of the ledger share one hash tag: the do-not-call list and, later, caps over all campaigns are checked in the
// same script that claims an attempt, so they must live in one slot of a Redis Cluster. docs/redis-keys.md lists them.
const (
	keyCampaigns  = "ringqueue:{ledger}:campaigns"
	keyOpen       = "ringqueue:{ledger}:open" // scripts/lib.lua has it too
	keyEnded      = "ringqueue:{ledger}:ended"
	keyDeleted    = "ringqueue:{ledger}:deleted"
	keyDNC        = "ringqueue:{ledger}:dnc"
	keyDNCDetails = "ringqueue:{ledger}:dnc:details"
	keyDNCEnds    = "ringqueue:{ledger}:dnc:ends"
	keyIDKey      = "ringqueue:{ledger}:id-key"
	keyDue        = "ringqueue:{ledger}:due"
	keyWakeTurn   = "ringqueue:{ledger}:wake-turn"
	keyWakes      = "ringqueue:{ledger}:wakes"
)

func keyCampaign(name string) string    { return "ringqueue:{ledger}:campaign:" + name }
func keyOrder(name string) string       { return "ringqueue:{ledger}:contacts:" + name }
func keyNumbers(name string) string     { return "ringqueue:{ledger}:numbers:" + name }
func keyEvents(name string) string      { return "ringqueue:{ledger}:events:" + name }
func keyContact(name, id string) string { return "ringqueue:{ledger}:contact:" + name + ":" + id }
func keyListed(name, token string) string {
	return "ringqueue:{ledger}:listed:" + name + ":" + token
}

// LineKey is the key of a line's record, which package line keeps. It is in the ledger's slot, since a claim and the line's
// occupancy must not be lost apart from each other.
func LineKey(number string) string { return "ringqueue:{ledger}:line:" + number }
