package campaign

import "time"

// Reason is why a contact is not called now. The values are names of metrics and keys of status; Text is
// for people.
type Reason string

// The reasons. There are no others.
const (
	OutsideHours Reason = "outside_hours" // not within the calling hours in all zones where the contact may be
	Holiday      Reason = "holiday"       // a day without calls in one of those zones
	ZoneUnknown  Reason = "zone_unknown"  // nothing says in which time zone the contact is
	Paused       Reason = "paused"        // the campaign is paused
	NotDue       Reason = "not_due"       // the round's time has not come
	OnDNC        Reason = "suppressed"    // the number is on the do-not-call list
	WasCancelled Reason = "cancelled"     // the campaign was cancelled
	HasEnded     Reason = "ended"         // the campaign's end has come
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{OutsideHours, Holiday, ZoneUnknown, Paused, NotDue, OnDNC, WasCancelled, HasEnded}
}

// Text is the reason in a few words.
func (r Reason) Text() string {
	switch r {
	case OutsideHours:
		return "outside calling hours"
	case Holiday:
		return "holiday"
	case ZoneUnknown:
		return "time zone unknown: give the list a timezone column, or use calling_hours: always"
	case Paused:
		return "campaign paused"
	case NotDue:
		return "not due"
	case OnDNC:
		return "on the do-not-call list"
	case WasCancelled:
		return "campaign cancelled"
	case HasEnded:
		return "campaign ended"
	}
	return string(r)
}

// Situation is what the gate must know of a contact besides the rules.
type Situation struct {
	Cancelled  bool // the campaign is
	Paused     bool // the campaign is
	Suppressed bool // the contact's number is on the do-not-call list
	Contact    Contact
	DueAt      time.Time // of the round; zero: now
}

// Decision is the gate's answer: go, wait until then, or never. Just one of Go, Never and Until is set.
type Decision struct {
	Go     bool
	Never  Outcome   // with which the contact ends
	Until  time.Time // ask again then; always later than now
	Reason Reason    // Empty with Go
}

const (
	zoneRecheck  = time.Hour        // the contact's zone may be corrected by another import
	pauseRecheck = 10 * time.Second // nothing tells a waiting task that the pause is over
	noOpening    = day              // the hours are never open in all of a number's zones
)

// Gate decides whether a contact may be called now. It is asked when a contact is imported, and
// again right before each claim.
//
// An Until for hours, holidays and due times is the first instant at which the contact may be called as
// far as is known now, so that one wait is enough. It is never later than the campaign's end, nor the contact's.
func (r Rules) Gate(s Situation, now time.Time) Decision {
	switch {
	case s.Cancelled:
		return Decision{Never: Cancelled, Reason: WasCancelled}
	case r.ended(now):
		return Decision{Never: Expired, Reason: HasEnded}
	case s.Suppressed, s.Contact.Stop == Suppressed:
		return Decision{Never: Suppressed, Reason: OnDNC}
	case s.Contact.Stop != "":
		return Decision{Never: s.Contact.Stop, Reason: WasCancelled}
	case s.Contact.ended(now):
		return Decision{Never: Expired, Reason: HasEnded}
	}
	due := later(later(now, s.DueAt), s.Contact.NotBefore)
	at, reason := r.opening(s.Contact, due, now)
	switch {
	case at.After(due):
		return r.wait(s.Contact, at, reason)
	case due.After(now):
		return r.wait(s.Contact, due, NotDue)
	case s.Paused:
		return r.wait(s.Contact, now.Add(pauseRecheck), Paused)
	}
	return Decision{Go: true}
}

// HeldBy says why a contact that is due at an instant would not be called then; "" if it would, or never is.
func (r Rules) HeldBy(c Contact, at time.Time) Reason {
	d := r.Gate(Situation{Contact: c, DueAt: at}, at)
	if d.Go || d.Never != "" {
		return ""
	}
	return d.Reason
}

// opening is the first instant from due on at which the contact may be called by the calling hours.
func (r Rules) opening(c Contact, due, now time.Time) (time.Time, Reason) {
	if r.CallingHours.Always {
		return due, ""
	}
	zones, ok := r.CallingHours.zones(c)
	if !ok {
		return later(due, now.Add(zoneRecheck)), ZoneUnknown
	}
	at, reason := r.CallingHours.opening(due, zones)
	if at.IsZero() {
		return due.Add(noOpening), reason
	}
	return at, reason
}

// wait is never longer than until the campaign's or the contact's end, at which the contact ends.
func (r Rules) wait(c Contact, until time.Time, why Reason) Decision {
	if r.ended(until) {
		until = r.Ends
	}
	if c.ended(until) {
		until = c.NotAfter
	}
	return Decision{Until: until.UTC(), Reason: why}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Text is the decision in a few words, with its time on the clock of loc; nil is UTC:
// "outside calling hours until Mon 23 Nov 09:00 EST".
func (d Decision) Text(loc *time.Location) string {
	switch {
	case d.Go:
		return "may be called now"
	case d.Until.IsZero(), d.Reason == ZoneUnknown, d.Reason == Paused:
		return d.Reason.Text() // there is no time at which these are known to end
	}
	if loc == nil {
		loc = time.UTC
	}
	return d.Reason.Text() + " until " + d.Until.In(loc).Format("Mon 2 Jan 15:04 MST")
}

// Location is the clock on which a contact's times are best shown: that of the contact's zone or, where
// there are several, the first; of the calling hours where they have their own; else UTC.
func (r Rules) Location(c Contact) *time.Location {
	var zones []string
	ok := false
	if r.CallingHours.Always {
		zones, ok = Zones(c)
	} else {
		zones, ok = r.CallingHours.zones(c)
	}
	if ok {
		if loc, found := LoadZone(zones[0]); found {
			return loc
		}
	}
	return time.UTC
}
