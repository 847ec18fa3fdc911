package campaign

import (
	"slices"
	"time"
)

// Contact is one row of a call list.
type Contact struct {
	ID      string   `json:"-"`           // the list's id column, else a keyed hash of the number
	Row     int      `json:"r"`           // line of the list on which the row starts, from 1
	Numbers []string `json:"n"`           // E.164; the first one is dialled
	Name    string   `json:"m,omitempty"` // as in the list
	Zone    string   `json:"z,omitempty"` // IANA name from the list's column, or several with commas, all of which must be open; empty: by number
	List    int      `json:"l,omitempty"` // which of the campaign's imported headers Values belongs to
	Values  []string `json:"v,omitempty"` // the row's cells as they were, in the header's order

	// What the list's own columns ask for; zero where they do not.
	Priority  int       `json:"p,omitempty"` // higher goes first
	Line      string    `json:"o,omitempty"` // the line that the contact belongs to
	NotBefore time.Time `json:"nb,omitzero"` // not called before it
	NotAfter  time.Time `json:"na,omitzero"` // not called after it
	Stop      Outcome   `json:"x,omitempty"` // ends with it instead of another call: the list says so
	DoNotCall string    `json:"-"`           // why the list itself says that this contact is not to be called: column and value
}

// Number is the number that is dialled, or "" where there is none.
func (c Contact) Number() string {
	if len(c.Numbers) == 0 {
		return ""
	}
	return c.Numbers[0]
}

// ended reports whether the contact's own end has come.
func (c Contact) ended(now time.Time) bool { return !c.NotAfter.IsZero() && !now.Before(c.NotAfter) }

// Same reports whether two rows say the same of a contact, wherever in a list they stand. The lists' headers are the
// caller's to compare.
func (c Contact) Same(other Contact) bool {
	return c.ID == other.ID && slices.Equal(c.Numbers, other.Numbers) && slices.Equal(c.Values, other.Values) &&
		c.Name == other.Name && c.Zone == other.Zone && c.Line == other.Line && c.Priority == other.Priority &&
		c.Stop == other.Stop && c.NotBefore.Equal(other.NotBefore) && c.NotAfter.Equal(other.NotAfter)
}

// ContactState says where a contact stands.
type ContactState string

// A contact is in exactly one of these states. Placing counts as live.
const (
	Waiting         ContactState = "waiting"     // due now or later
	Placing         ContactState = "placing"     // claimed: a POST may be on its way
	Live            ContactState = "live"        // RingCentral has the call
	Done            ContactState = "done"        // ended with an outcome
	UnconfirmedHeld ContactState = "unconfirmed" // held for a person's decision
)

// Attempt is one RingOut placed for a contact.
type Attempt struct {
	N          int       `json:"n"`           // from 1
	Round      int       `json:"round"`       // the round in which it was placed
	Token      string    `json:"token"`       // the line's occupancy
	Line       string    `json:"line"`        // the line's name
	LineNumber string    `json:"line_number"` // the line's E.164 number
	Extension  string    `json:"extension"`   // whose quota it used
	Number     string    `json:"number"`      // the contact's number, E.164
	ClaimedAt  time.Time `json:"claimed_at"`  // Redis's clock
	SendBy     time.Time `json:"send_by"`     // after this the POST is not sent any more
	PlacedAt   time.Time `json:"placed_at"`   // zero until RingCentral's answer is stored
	RingOutID  string    `json:"ringout_id"`  // Empty until then
	Seen       Seen      `json:"seen"`        // what tracking has seen so far
	AnsweredAt time.Time `json:"answered_at"` // when the contact's leg was first seen connected
	EndedAt    time.Time `json:"ended_at"`    // zero while it runs
	Outcome    Outcome   `json:"outcome"`     // of this attempt; empty for an uncharged one
	Charged    bool      `json:"charged"`     // counts against max_attempts
	LineFault  bool      `json:"line_fault"`  // the agent's leg failed: the line cools down
	Refused    bool      `json:"refused"`     // RingCentral refused the call; uncharged
	Detail     string    `json:"detail"`      // one short readable reason
}

// Duration is how long the two were connected, as far as polling could see.
func (a Attempt) Duration() time.Duration {
	if a.AnsweredAt.IsZero() || a.EndedAt.Before(a.AnsweredAt) {
		return 0
	}
	return a.EndedAt.Sub(a.AnsweredAt)
}

// Mask hides all but the last four digits of a phone number, for logs and task results.
func Mask(number string) string {
	digits := 0
	for i := len(number) - 1; i >= 0; i-- {
		if number[i] < '0' || number[i] > '9' {
			continue
		}
		if digits++; digits == 4 {
			return "…" + number[i:]
		}
	}
	return "…"
}

// Ref names one attempt, from before it is claimed: the contact and the token of the line's occupancy.
type Ref struct {
	Campaign string `json:"campaign"`
	Contact  string `json:"contact"`
	Token    string `json:"token"`
}
