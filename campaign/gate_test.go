package campaign

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func contact(number, zone string) Contact {
	return Contact{ID: "1", Row: 2, Numbers: []string{number}, Zone: zone}
}

func TestGate(t *testing.T) {
	t.Parallel()
	// Monday, 15:00 in New York, 12:00 in California, 21:00 in Berlin.
	now := instant(t, "2026-11-23T20:00:00Z")
	ny, berlin, unknown := contact("+12125550100", ""), contact("+493012345678", ""), contact("+870773111632", "")
	goOn := Decision{Go: true}
	until := func(s string, r Reason) Decision { return Decision{Until: instant(t, s).UTC(), Reason: r} }
	tests := []struct {
		name   string
		change func(*Rules)
		s      Situation
		want   Decision
	}{
		{"go", nil, Situation{Contact: ny}, goOn},
		{"due since", nil, Situation{Contact: ny, DueAt: now.Add(-time.Hour)}, goOn},
		{"due now", nil, Situation{Contact: ny, DueAt: now}, goOn},
		{"evening in Berlin", nil, Situation{Contact: berlin}, until("2026-11-24T09:00:00+01:00", OutsideHours)},
		{"zone of the column first", nil, Situation{Contact: contact("+18085550100", "America/New_York"), DueAt: now}, goOn},
		{"zone of the column is abroad: both must be open", nil, Situation{Contact: contact("+493012345678", "America/New_York")}, until("2026-11-24T14:00:00Z", OutsideHours)},
		{"zone unknown", nil, Situation{Contact: unknown}, until("2026-11-23T21:00:00Z", ZoneUnknown)},
		{"zone unknown, due tomorrow", nil, Situation{Contact: unknown, DueAt: now.Add(day)}, until("2026-11-24T20:00:00Z", NotDue)},
		{"column is no zone", nil, Situation{Contact: contact("+12125550100", "Eastern")}, until("2026-11-23T21:00:00Z", ZoneUnknown)},
		{"always needs no zone", func(r *Rules) { r.CallingHours = Hours{Always: true} }, Situation{Contact: unknown}, goOn},
		{"fixed zone needs no contact's", func(r *Rules) { r.CallingHours.Zone = "America/New_York" }, Situation{Contact: unknown}, goOn},
		{"fixed zone rules", func(r *Rules) { r.CallingHours.Zone = "Europe/Berlin" }, Situation{Contact: ny}, until("2026-11-24T09:00:00+01:00", OutsideHours)},
		{"not due", nil, Situation{Contact: ny, DueAt: now.Add(time.Minute)}, until("2026-11-23T20:01:00Z", NotDue)},
		{"due after hours", nil, Situation{Contact: ny, DueAt: now.Add(6 * time.Hour)}, until("2026-11-24T09:00:00-05:00", OutsideHours)},
		{"holiday", func(r *Rules) { r.CallingHours.Holidays = []Date{{2026, 11, 23}} }, Situation{Contact: ny}, until("2026-11-24T09:00:00-05:00", Holiday)},
		{"paused", nil, Situation{Contact: ny, Paused: true}, until("2026-11-23T20:00:10Z", Paused)},
		{"paused outside hours", nil, Situation{Contact: berlin, Paused: true}, until("2026-11-24T09:00:00+01:00", OutsideHours)},
		{"suppressed", nil, Situation{Contact: ny, Suppressed: true}, Decision{Never: Suppressed, Reason: OnDNC}},
		{"suppressed while paused", nil, Situation{Contact: ny, Suppressed: true, Paused: true}, Decision{Never: Suppressed, Reason: OnDNC}},
		{"cancelled", nil, Situation{Contact: ny, Cancelled: true, Suppressed: true}, Decision{Never: Cancelled, Reason: WasCancelled}},
		{"ended", func(r *Rules) { r.Ends = now }, Situation{Contact: ny}, Decision{Never: Expired, Reason: HasEnded}},
		{"opens after the end", func(r *Rules) { r.Ends = now.Add(time.Hour) }, Situation{Contact: berlin}, until("2026-11-23T21:00:00Z", OutsideHours)},
		{"area code in two zones, one closed", nil, Situation{Contact: contact("+12085550100", ""), DueAt: instant(t, "2026-11-24T16:30:00Z")}, until("2026-11-24T17:00:00Z", OutsideHours)},
		{"hours that never meet", func(r *Rules) {
			for d := range r.CallingHours.Days {
				r.CallingHours.Days[d] = []Span{{540, 600}}
			}
		}, Situation{Contact: contact("+18005550100", "")}, until("2026-11-24T20:00:00Z", OutsideHours)},
		{"not before", nil, Situation{Contact: with(ny, func(c *Contact) { c.NotBefore = now.Add(time.Hour) })}, until("2026-11-23T21:00:00Z", NotDue)},
		{"not before, after hours", nil, Situation{Contact: with(ny, func(c *Contact) { c.NotBefore = now.Add(6 * time.Hour) })}, until("2026-11-24T09:00:00-05:00", OutsideHours)},
		{"not before has passed", nil, Situation{Contact: with(ny, func(c *Contact) { c.NotBefore = now })}, goOn},
		{"not after", nil, Situation{Contact: with(ny, func(c *Contact) { c.NotAfter = now })}, Decision{Never: Expired, Reason: HasEnded}},
		{"not after yet", nil, Situation{Contact: with(ny, func(c *Contact) { c.NotAfter = now.Add(1) })}, goOn},
		{"opens after its end", nil, Situation{Contact: with(berlin, func(c *Contact) { c.NotAfter = now.Add(time.Hour) })}, until("2026-11-23T21:00:00Z", OutsideHours)},
		{"removed from its list", nil, Situation{Contact: with(ny, func(c *Contact) { c.Stop = Cancelled })}, Decision{Never: Cancelled, Reason: WasCancelled}},
		{"suppressed by its list", nil, Situation{Contact: with(ny, func(c *Contact) { c.Stop = Suppressed })}, Decision{Never: Suppressed, Reason: OnDNC}},
		{"no number", nil, Situation{}, until("2026-11-23T21:00:00Z", ZoneUnknown)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Default("x")
			if tt.change != nil {
				tt.change(&r)
			}
			if got := r.Gate(tt.s, now); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func with(c Contact, change func(*Contact)) Contact {
	change(&c)
	return c
}

// A wait always ends later than now and never after the campaign does; at its end the gate is open or
// another reason holds, but for the reasons whose end nobody knows.
func TestGateProperties(t *testing.T) {
	t.Parallel()
	numbers := []string{"+12125550100", "+12085550100", "+61412345678", "+493012345678", "+79161234567", "+870773111632", "+18005550100", ""}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1735689600, 1830297600).Draw(t, "now"), 0).UTC()
		r := Default("x")
		if rapid.Bool().Draw(t, "own hours") {
			r.CallingHours = drawHours(t)
		}
		if rapid.IntRange(0, 2).Draw(t, "ends") == 0 {
			r.Ends = now.Add(time.Duration(rapid.Int64Range(-int64(day), int64(10*day)).Draw(t, "in")))
		}
		s := Situation{
			Cancelled:  rapid.IntRange(0, 9).Draw(t, "cancelled") == 0,
			Suppressed: rapid.IntRange(0, 9).Draw(t, "suppressed") == 0,
			Paused:     rapid.Bool().Draw(t, "paused"),
			Contact:    contact(rapid.SampledFrom(numbers).Draw(t, "number"), ""),
			DueAt:      now.Add(time.Duration(rapid.Int64Range(-int64(day), int64(2*day)).Draw(t, "due"))),
		}
		d := r.Gate(s, now)
		set := 0
		for _, is := range []bool{d.Go, d.Never != "", !d.Until.IsZero()} {
			if is {
				set++
			}
		}
		if set != 1 || d.Go != (d.Reason == "") || !d.Go && !slices.Contains(Reasons(), d.Reason) {
			t.Fatalf("%+v", d)
		}
		if d.Until.IsZero() {
			return
		}
		if !d.Until.After(now) || !r.Ends.IsZero() && d.Until.After(r.Ends) {
			t.Fatalf("at %v, ends %v: %+v", now, r.Ends, d)
		}
		then := r.Gate(s, d.Until)
		if !then.Go && then.Reason == d.Reason && d.Reason != ZoneUnknown && d.Reason != Paused && !d.Until.Equal(later(now, s.DueAt).Add(noOpening)) {
			t.Fatalf("at %v %+v, and then %+v", now, d, then)
		}
		if then.Never == "" && s.DueAt.After(d.Until) && then.Go {
			t.Fatalf("goes before it is due: %+v", then)
		}
	})
}

func TestDecisionText(t *testing.T) {
	t.Parallel()
	at := instant(t, "2026-11-23T14:00:00Z")
	ny, _ := LoadZone("America/New_York")
	tests := []struct {
		d    Decision
		loc  *time.Location
		want string
	}{
		{Decision{Go: true}, nil, "may be called now"},
		{Decision{Until: at, Reason: OutsideHours}, ny, "outside calling hours until Mon 23 Nov 09:00 EST"},
		{Decision{Until: at, Reason: NotDue}, nil, "not due until Mon 23 Nov 14:00 UTC"},
		{Decision{Until: at, Reason: Paused}, ny, "campaign paused"},
		{Decision{Never: Suppressed, Reason: OnDNC}, ny, "on the do-not-call list"},
	}
	for _, tt := range tests {
		if got := tt.d.Text(tt.loc); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	for _, r := range Reasons() {
		if r.Text() == "" || r.Text() == string(r) && r != Holiday {
			t.Errorf("%s has no text", r)
		}
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	r := Default("x")
	tests := []struct {
		name   string
		change func(*Rules)
		c      Contact
		want   string
	}{
		{"by number", nil, contact("+12125550100", ""), "America/New_York"},
		{"by column", nil, contact("+12125550100", "Europe/Berlin"), "Europe/Berlin"},
		{"unknown", nil, contact("", ""), "UTC"},
		{"campaign's own", func(r *Rules) { r.CallingHours.Zone = "Europe/Berlin" }, contact("+12125550100", ""), "Europe/Berlin"},
		{"always", func(r *Rules) { r.CallingHours = Hours{Always: true} }, contact("+12125550100", ""), "America/New_York"},
	}
	for _, tt := range tests {
		r := r
		if tt.change != nil {
			tt.change(&r)
		}
		if got := r.Location(tt.c).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A bulk import asks the gate for each row.
func BenchmarkGate(b *testing.B) {
	r := Default("x")
	open, shut := instant(b, "2026-11-23T20:00:00Z"), instant(b, "2026-11-23T06:00:00Z")
	for name, c := range map[string]Contact{
		"US":       contact("+16505550100", ""),
		"column":   contact("+16505550100", "America/New_York"),
		"tollfree": contact("+18005550100", ""),
		"AUmobile": contact("+61412345678", ""),
		"UKmobile": contact("+447911123456", ""),
	} {
		for when, now := range map[string]time.Time{"open": open, "shut": shut} {
			b.Run(name+"/"+when, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.Gate(Situation{Contact: c}, now)
				}
			})
		}
	}
	for d := range r.CallingHours.Days {
		r.CallingHours.Days[d] = []Span{{540, 600}}
	}
	b.Run("never", func(b *testing.B) {
		c := contact("+18005550100", "")
		for b.Loop() {
			r.Gate(Situation{Contact: c}, open)
		}
	})
}
