// Package campaignfile reads campaign files: a campaign's rules in YAML.
package campaignfile

import (
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/yamlfile"
)

const (
	maxAttempts  = 20
	maxPriority  = 100
	minDelay     = time.Second
	day          = 24 * time.Hour
	maxDelay     = 90 * day
	minRing      = 100 * time.Millisecond // time-scaled runs need less than the five seconds that are sensible
	maxRing      = 5 * time.Minute
	maxWrapUp    = day
	minCall      = time.Second
	maxCall      = 23 * time.Hour // a call is waited for at most a day, ringing included
	maxSpans     = 24
	maxHolidays  = 1000
	hoursTake    = "always, or timezone, days such as mon-fri with their hours, and holidays"
	nameTakes    = "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit"
	spansTake    = `hours such as ["09:00-12:00", "13:00-20:00"]`
	datesTake    = "dates such as [2026-12-25]"
	zoneTakes    = "contact, or an IANA time zone such as America/New_York"
	regionTakes  = "a country's two letters, such as US, GB or DE"
	endsTake     = "a time with date and zone, such as 2026-12-31T18:00:00Z"
	callerTakes  = "a number in E.164, in quotes: \"+16505550100\""
	dayNameTakes = "timezone, holidays, and days such as mon, mon-fri or mon,wed,fri"
)

// Parse reads a campaign file. It is strict: a field that is unknown, not supported yet or has a bad
// value is an error of type Problems, which names file, line and field and says what it takes. Fields
// that are left out have the values of campaign.Default. The file's name is for messages only.
func Parse(file string, src []byte) (campaign.Rules, error) {
	r := campaign.Default("")
	err := yamlfile.ReadYAML(file, src, func(top yamlfile.Node) { readRules(&r, top) })
	if err != nil {
		return campaign.Rules{}, err
	}
	return r, nil
}

func readRules(r *campaign.Rules, top yamlfile.Node) {
	named := false
	longest := top
	mapping := top.Fields(map[string]func(yamlfile.Node){
		"name": func(n yamlfile.Node) {
			named = true
			readName(n, &r.Name)
		},
		"team": func(n yamlfile.Node) { readName(n, &r.Team) },
		"caller_id": func(n yamlfile.Node) {
			if text, ok := n.Text(callerTakes); ok {
				if !campaign.E164(text) {
					n.Bad(callerTakes)
					return
				}
				r.CallerID = text
			}
		},
		"play_prompt": func(n yamlfile.Node) {
			if v, ok := n.Bool(); ok {
				r.PlayPrompt = v
			}
		},
		"region":        func(n yamlfile.Node) { readRegion(n, &r.Region) },
		"calling_hours": func(n yamlfile.Node) { readHours(n, &r.CallingHours) },
		"retry":         func(n yamlfile.Node) { readRetry(n, &r.Retry) },
		"wrap_up":       func(n yamlfile.Node) { readDuration(n, &r.WrapUp, 0, maxWrapUp) },
		"ring_limit":    func(n yamlfile.Node) { readDuration(n, &r.RingLimit, minRing, maxRing) },
		"longest_call": func(n yamlfile.Node) {
			longest = n
			readDuration(n, &r.LongestCall, minCall, maxCall)
		},
		"ends": func(n yamlfile.Node) {
			if text, ok := n.Text(endsTake); ok {
				t, err := time.Parse(time.RFC3339, text)
				if err != nil {
					n.Bad(endsTake)
					return
				}
				r.Ends = t.UTC()
			}
		},
		"priority": func(n yamlfile.Node) {
			if v, ok := n.Int(1, maxPriority); ok {
				r.Priority = v
			}
		},
	}, "number_caps", "numbers", "schedule")
	if mapping && !named {
		top.Missing("name", nameTakes)
	}
	if r.LongestCall < r.RingLimit {
		longest.FailFor("longest_call", campaign.FormatDuration(r.LongestCall)+
			" is shorter than ring_limit, which is "+campaign.FormatDuration(r.RingLimit)+"; takes at least that")
	}
}

func readName(n yamlfile.Node, to *string) {
	text, ok := n.Text(nameTakes)
	switch {
	case !ok:
	case !campaign.ValidName(text):
		n.Bad(nameTakes)
	default:
		*to = text
	}
}

func readDuration(n yamlfile.Node, to *time.Duration, low, high time.Duration) {
	if d, ok := n.Duration(low, high); ok {
		*to = d
	}
}

func readRegion(n yamlfile.Node, to *string) {
	text, ok := n.Text(regionTakes)
	if !ok {
		return
	}
	code := strings.ToUpper(text)
	switch {
	case phonenumbers.GetSupportedRegions()[code]:
		*to = code
	case code == "UK":
		n.Fail("is %s; the United Kingdom is GB", yamlfile.Quote(text))
	default:
		n.Bad(regionTakes)
	}
}

func readRetry(n yamlfile.Node, to *campaign.Retry) {
	delay := func(to *campaign.Delay) func(yamlfile.Node) {
		return func(n yamlfile.Node) {
			if text, ok := n.Scalar(); ok && text == "never" {
				*to = campaign.Never
			} else if d, ok := n.DurationOr(minDelay, maxDelay, ", or never"); ok {
				*to = campaign.Delay(d)
			}
		}
	}
	n.Fields(map[string]func(yamlfile.Node){
		"max_attempts": func(n yamlfile.Node) {
			if v, ok := n.Int(1, maxAttempts); ok {
				to.MaxAttempts = v
			}
		},
		"busy":        delay(&to.Busy),
		"no_answer":   delay(&to.NoAnswer),
		"rejected":    delay(&to.Rejected),
		"unreachable": delay(&to.Unreachable),
	})
}

// readHours reads calling hours. A mapping without any day keeps the default days, so that a file may
// set no more than the holidays; with any day, only the days that are given have hours.
func readHours(n yamlfile.Node, to *campaign.Hours) {
	if text, ok := n.Scalar(); ok {
		if text != "always" {
			n.Bad(hoursTake)
			return
		}
		*to = campaign.Hours{Always: true}
		return
	}
	h := campaign.Hours{Zone: campaign.ContactZone}
	given := [7]string{} // by weekday, the key that set it
	days, before := false, n.Problems()
	filled := !n.Empty() && n.Each(hoursTake, func(key string, v yamlfile.Node) {
		switch key {
		case "timezone":
			readZone(v, &h.Zone)
		case "holidays":
			readHolidays(v, &h.Holidays)
		default:
			set, ok := parseDays(key)
			if !ok {
				unknownDay(v, key)
				return
			}
			days = true
			spans, ok := readSpans(v)
			if !ok {
				return
			}
			for _, d := range set {
				if given[d] != "" {
					v.Fail("%s is given twice; it is in %s too", d, given[d])
					continue
				}
				given[d] = key
				h.Days[d] = spans
			}
		}
	})
	if !days {
		h.Days = campaign.Default("").CallingHours.Days
	}
	if filled && h.Empty() && n.Problems() == before {
		n.Fail("no day has any hours, so that nobody would ever be called; takes %s", hoursTake)
	}
	*to = h
}

// unknownDay reports a key of the calling hours that is no day.
func unknownDay(n yamlfile.Node, key string) {
	if near := yamlfile.Nearest(key, []string{"timezone", "holidays"}); near != "" {
		n.Fail("unknown field; did you mean %s?", near)
		return
	}
	n.Fail("unknown field; takes %s", dayNameTakes)
}

// parseDays takes mon, mon-fri and mon,wed,fri, and mixtures; sat-mon goes round the week's end.
func parseDays(key string) ([]time.Weekday, bool) {
	var days []time.Weekday
	for part := range strings.SplitSeq(key, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, ok := campaign.ParseDay(strings.TrimSpace(first))
		if !ok {
			return nil, false
		}
		to := from
		if isRange {
			if to, ok = campaign.ParseDay(strings.TrimSpace(last)); !ok {
				return nil, false
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			days = append(days, d)
			if d == to {
				break
			}
		}
		if len(days) > 7 {
			return nil, false
		}
	}
	return days, true
}

func readZone(n yamlfile.Node, to *string) {
	text, ok := n.Text(zoneTakes)
	if !ok {
		return
	}
	if _, known := campaign.LoadZone(text); !known && text != campaign.ContactZone {
		n.Bad(zoneTakes)
		return
	}
	*to = text
}

// readSpans reads the hours of a day. An empty list is a day without calls.
func readSpans(n yamlfile.Node) ([]campaign.Span, bool) {
	nodes, ok := n.List(spansTake)
	if !ok {
		return nil, false
	}
	if len(nodes) > maxSpans {
		n.Fail("has %d spans; takes at most %d", len(nodes), maxSpans)
		return nil, false
	}
	var spans []campaign.Span
	for _, v := range nodes {
		text, ok := v.Text(spansTake)
		if !ok {
			return nil, false
		}
		s, err := campaign.ParseSpan(text)
		if err != nil {
			v.Fail("%s %s", yamlfile.Quote(text), err)
			return nil, false
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(a, b campaign.Span) int { return a.From - b.From })
	for i := 1; i < len(spans); i++ {
		if spans[i].From < spans[i-1].To {
			n.Fail("%s and %s overlap; takes spans apart from each other", spans[i-1], spans[i])
			return nil, false
		}
	}
	return spans, true
}

func readHolidays(n yamlfile.Node, to *[]campaign.Date) {
	nodes, ok := n.List(datesTake)
	if !ok {
		return
	}
	if len(nodes) > maxHolidays {
		n.Fail("has %d dates; takes at most %d", len(nodes), maxHolidays)
		return
	}
	var dates []campaign.Date
	for _, v := range nodes {
		text, ok := v.Text(datesTake)
		if !ok {
			continue
		}
		var d campaign.Date
		if err := d.UnmarshalText([]byte(text)); err != nil {
			v.Bad(datesTake)
			continue
		}
		dates = append(dates, d)
	}
	slices.SortFunc(dates, campaign.CompareDates)
	*to = slices.Compact(dates)
}
