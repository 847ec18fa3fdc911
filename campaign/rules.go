package campaign

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rules is how the contacts of one campaign are called: what its campaign file says. They are stored as
// JSON, which keeps them without loss; new fields may be added to that form, none changed.
type Rules struct {
	Name         string        `json:"name"`
	Team         string        `json:"team"`
	CallerID     string        `json:"caller_id,omitempty"` // E.164; empty: the extension's own
	PlayPrompt   bool          `json:"play_prompt"`         // the agent presses 1 before the contact is called
	Region       string        `json:"region"`              // ISO 3166 code, for numbers written without +
	CallingHours Hours         `json:"calling_hours"`
	Retry        Retry         `json:"retry"`
	WrapUp       time.Duration `json:"wrap_up_ns"`      // a line's rest after each call
	RingLimit    time.Duration `json:"ring_limit_ns"`   // the call is given up if the agent has not answered by then
	LongestCall  time.Duration `json:"longest_call_ns"` // a call that lasts longer is reported
	Ends         time.Time     `json:"ends,omitzero"`   // nobody is called from then on; zero: no end
	Priority     int           `json:"priority"`        // weight among the team's campaigns
}

// Retry is how often a contact is called, and how long after which outcome.
type Retry struct {
	MaxAttempts int   `json:"max_attempts"` // charged attempts
	Busy        Delay `json:"busy"`
	NoAnswer    Delay `json:"no_answer"`
	Rejected    Delay `json:"rejected"`
	Unreachable Delay `json:"unreachable"`
}

// Default is the rules of a campaign whose file gives nothing but its name.
func Default(name string) Rules {
	return Rules{
		Name:         name,
		Team:         "default",
		PlayPrompt:   true,
		Region:       "US",
		CallingHours: defaultHours(),
		Retry: Retry{
			MaxAttempts: 3,
			Busy:        Delay(15 * time.Minute),
			NoAnswer:    Delay(4 * time.Hour),
			Rejected:    Never,
			Unreachable: Delay(30 * time.Minute),
		},
		WrapUp:      20 * time.Second,
		RingLimit:   time.Minute,
		LongestCall: 4 * time.Hour,
		Priority:    1,
	}
}

func defaultHours() Hours {
	h := Hours{Zone: ContactZone}
	for d := time.Monday; d <= time.Saturday; d++ {
		h.Days[d] = []Span{{From: 9 * 60, To: 20 * 60}}
	}
	return h
}

// CheckAt reports what is wrong with the rules when contacts are imported at the instant now: the
// campaign's end has passed.
func (r Rules) CheckAt(now time.Time) error {
	if r.ended(now) {
		return fmt.Errorf("campaign %s: ends: %s has passed; takes a time to come, or leave it out",
			r.Name, r.Ends.Format(time.RFC3339))
	}
	return nil
}

func (r Rules) ended(now time.Time) bool { return !r.Ends.IsZero() && !now.Before(r.Ends) }

// Change is one field in which two sets of rules differ, with its values as a campaign file writes them.
type Change struct{ Field, Old, New string }

// String is the change on one line.
func (c Change) String() string { return fmt.Sprintf("%s: %s → %s", c.Field, c.Old, c.New) }

// Diff is the fields in which other, the newer rules, differ from these, in the campaign file's order.
func (r Rules) Diff(other Rules) []Change {
	var changes []Change
	before, after := r.fields(), other.fields()
	for i, f := range before {
		if now := after[i].value; now != f.value {
			changes = append(changes, Change{Field: f.name, Old: f.value, New: now})
		}
	}
	return changes
}

type field struct{ name, value string }

func (r Rules) fields() []field {
	ends := "none"
	if !r.Ends.IsZero() {
		ends = r.Ends.UTC().Format(time.RFC3339Nano)
	}
	callerID := "none"
	if r.CallerID != "" {
		callerID = r.CallerID
	}
	return []field{
		{"name", r.Name},
		{"team", r.Team},
		{"caller_id", callerID},
		{"play_prompt", strconv.FormatBool(r.PlayPrompt)},
		{"region", r.Region},
		{"calling_hours", r.CallingHours.String()},
		{"retry.max_attempts", strconv.Itoa(r.Retry.MaxAttempts)},
		{"retry.busy", r.Retry.Busy.String()},
		{"retry.no_answer", r.Retry.NoAnswer.String()},
		{"retry.rejected", r.Retry.Rejected.String()},
		{"retry.unreachable", r.Retry.Unreachable.String()},
		{"wrap_up", FormatDuration(r.WrapUp)},
		{"ring_limit", FormatDuration(r.RingLimit)},
		{"longest_call", FormatDuration(r.LongestCall)},
		{"ends", ends},
		{"priority", strconv.Itoa(r.Priority)},
	}
}

// FieldNames lists the fields of a campaign file, such as retry.busy.
func FieldNames() []string {
	var names []string
	for _, f := range (Rules{}).fields() {
		names = append(names, f.name)
	}
	return names
}

// ValidName reports whether a campaign, team or line may have this name: 1 to 63 of a-z, 0-9, _ and -,
// the first one a letter or digit. Names become parts of keys and queue names, where a dot or a colon
// would mean something.
func ValidName(name string) bool {
	if name == "" || len(name) > 63 || strings.ContainsRune("_-", rune(name[0])) {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}
