package campaign

// Outcome is how an attempt or a contact ended. The zero value means "not ended".
type Outcome string

// The outcomes, as they stand in results, counts and metrics.
const (
	Answered        Outcome = "answered"         // both legs were connected
	Busy            Outcome = "busy"             // the contact's phone was engaged
	NoAnswer        Outcome = "no_answer"        // it rang until RingCentral gave up
	Rejected        Outcome = "rejected"         // the contact declined
	Unreachable     Outcome = "unreachable"      // RingCentral could not reach the contact's phone
	Blocked         Outcome = "blocked"          // RingCentral does not allow the destination
	InvalidNumber   Outcome = "invalid_number"   // no such number
	LineUnavailable Outcome = "line_unavailable" // several agents' phones, which work, failed for this contact again and again
	Suppressed      Outcome = "suppressed"       // on the do-not-call list
	Cancelled       Outcome = "cancelled"        // the campaign was cancelled first
	Expired         Outcome = "expired"          // the campaign's end came first
	Unconfirmed     Outcome = "unconfirmed"      // a phone may have rung; a person must decide
)

// Outcomes lists every outcome, in the order in which reports show them.
func Outcomes() []Outcome {
	return []Outcome{
		Answered, Busy, NoAnswer, Rejected, Unreachable, Blocked, InvalidNumber,
		LineUnavailable, Suppressed, Cancelled, Expired, Unconfirmed,
	}
}
