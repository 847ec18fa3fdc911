package campaign

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNext(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	in := func(d time.Duration) Next { return Next{At: now.Add(d)} }
	done := func(o Outcome) Next { return Next{Final: true, Outcome: o} }
	charged := func(o Outcome) Verdict { return Verdict{Ended: true, Outcome: o, Charged: true, Rang: true} }
	fault := Verdict{Ended: true, LineFault: true}
	left := Verdict{Ended: true, Rang: true}
	funds := Verdict{Ended: true, AccountFault: true, Refused: Blocked}
	internal := Verdict{Ended: true}
	refused := Verdict{Ended: true, Refused: Blocked}
	named := Verdict{Ended: true, Refused: InvalidNumber, Named: true}
	failures := func(lines string, vindicated bool) History {
		var h History
		for _, l := range lines {
			h.Failures = append(h.Failures, Failure{Line: string(l), Vindicated: vindicated})
		}
		h.Uncharged = len(lines)
		return h
	}
	refusals := func(vindicated ...bool) History {
		h := History{Uncharged: len(vindicated)}
		for _, v := range vindicated {
			h.Refusals = append(h.Refusals, Refusal{Vindicated: v})
		}
		return h
	}
	mixed := failures("ababa", true)
	mixed.Failures[4].Vindicated = false
	tests := []struct {
		name   string
		change func(*Rules)
		v      Verdict
		h      History
		want   Next
	}{
		{"answered", nil, charged(Answered), History{}, done(Answered)},
		{"blocked", nil, charged(Blocked), History{}, done(Blocked)},
		{"invalid", nil, charged(InvalidNumber), History{}, done(InvalidNumber)},
		{"busy", nil, charged(Busy), History{}, in(15 * time.Minute)},
		{"no answer", nil, charged(NoAnswer), History{}, in(4 * time.Hour)},
		{"unreachable", nil, charged(Unreachable), History{}, in(30 * time.Minute)},
		{"rejected, never", nil, charged(Rejected), History{}, done(Rejected)},
		{"rejected, by rule", func(r *Rules) { r.Retry.Rejected = Delay(time.Hour) }, charged(Rejected), History{}, in(time.Hour)},
		{"second of three", nil, charged(Busy), History{Charged: 1}, in(15 * time.Minute)},
		{"third of three", nil, charged(Busy), History{Charged: 2}, done(Busy)},
		{"uncharged ones are not counted", nil, charged(Busy), History{Charged: 1, Uncharged: 4}, in(15 * time.Minute)},
		{"more than allowed, the rules were changed", func(r *Rules) { r.Retry.MaxAttempts = 1 }, charged(NoAnswer), History{Charged: 4}, done(NoAnswer)},
		{"agent failed", nil, fault, History{}, in(0)},
		{"agent failed after charged attempts", nil, fault, History{Charged: 2}, in(0)},
		{"agent failed the second time", nil, fault, failures("a", true), in(time.Minute)},
		{"agent failed the third time", nil, fault, failures("ab", true), in(5 * time.Minute)},
		{"agent failed the fourth time", nil, fault, failures("aba", true), in(15 * time.Minute)},
		{"agent failed the fifth time", nil, fault, failures("abab", true), in(time.Hour)},
		{"two lines that work failed five times", nil, fault, failures("ababa", true), done(LineUnavailable)},
		{"one line that works", nil, fault, failures("aaaaaaaa", true), in(time.Hour)},
		{"lines that have reached nobody since", nil, fault, failures("abcabcabcabc", false), in(time.Hour)},
		{"one of the five has reached nobody since", nil, fault, mixed, in(time.Hour)},
		{"agent failed after a call that was charged", nil, fault, History{Charged: 1, Failures: failures("abab", true).Failures}, in(0)},
		{"agent hung up", nil, left, History{}, in(15 * time.Minute)},
		{"agent hung up, busy is never", func(r *Rules) { r.Retry.Busy = Never }, left, History{}, in(15 * time.Minute)},
		{"agent hung up, busy is short", func(r *Rules) { r.Retry.Busy = Delay(time.Minute) }, left, failures("ab", true), in(5 * time.Minute)},
		{"agents that work hung up again and again", nil, left, failures("ababa", true), done(LineUnavailable)},
		{"refused", nil, refused, History{}, in(time.Minute)},
		{"refused twice", nil, refused, refusals(true), in(10 * time.Minute)},
		{"refused three times, others were called since", nil, refused, refusals(true, true), done(Blocked)},
		{"refused three times, once with everybody else", nil, refused, refusals(true, false), in(time.Hour)},
		{"refused for ever with everybody else", nil, refused, refusals(false, false, false, false, false, false), in(time.Hour)},
		{"refused in the end like others", nil, refused, refusals(true, false, false, true), done(Blocked)},
		{"agents' failures are no refusals", nil, refused, failures("ababab", true), in(time.Hour)},
		{"refusals are no agents' failures", nil, fault, refusals(true, true, true, true, true, true), in(time.Hour)},
		{"the number is named", nil, named, History{}, in(time.Minute)},
		{"the number is named again, nobody else was called", nil, named, refusals(false), in(10 * time.Minute)},
		{"the number is named again", nil, named, refusals(true), done(InvalidNumber)},
		{"refused at the end", func(r *Rules) { r.Ends = now.Add(time.Minute) }, refused, History{}, done(Expired)},
		{"RingCentral failed internally", nil, internal, History{}, in(30 * time.Minute)},
		{"RingCentral failed internally again and again", nil, internal, failures("aaaa", true), in(time.Hour)},
		{"no funds", nil, funds, History{}, in(30 * time.Minute)},
		{"no funds, unreachable is never", func(r *Rules) { r.Retry.Unreachable = Never }, funds, History{}, in(15 * time.Minute)},
		{"no funds for this number only", nil, funds, refusals(true, true), done(Blocked)},
		{"no funds at all", nil, funds, refusals(false, false, false, false), in(time.Hour)},
		{"due at the end", func(r *Rules) { r.Ends = now.Add(15 * time.Minute) }, charged(Busy), History{}, done(Expired)},
		{"due before the end", func(r *Rules) { r.Ends = now.Add(15*time.Minute + 1) }, charged(Busy), History{}, in(15 * time.Minute)},
		{"agent failed at the end", func(r *Rules) { r.Ends = now }, fault, History{}, done(Expired)},
		{"last attempt past the end keeps its outcome", func(r *Rules) { r.Ends = now }, charged(Busy), History{Charged: 2}, done(Busy)},
		{"unconfirmed", nil, charged(Unconfirmed), History{}, done(Unconfirmed)},
		{"not ended", nil, Verdict{}, History{}, done(Unconfirmed)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Default("x")
			if tt.change != nil {
				tt.change(&r)
			}
			if got := r.Next(tt.v, tt.h, now); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestHistoryOf(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	worked := map[string]bool{"+16505550001": true}
	got := HistoryOf([]Attempt{
		{EndedAt: at, LineNumber: "+16505550001", LineFault: true},
		{EndedAt: at, LineNumber: "+16505550002", Refused: true},
		{EndedAt: at, LineNumber: "+16505550001", Outcome: Busy, Charged: true},
		{EndedAt: at, LineNumber: "+16505550001", Refused: true},
		{EndedAt: at, LineNumber: "+16505550002"},
		{LineNumber: "+16505550001"}, // goes on
	}, func(a Attempt) bool { return worked[a.LineNumber] })
	want := History{
		Charged: 1, Uncharged: 2,
		Failures: []Failure{{"+16505550001", true}, {"+16505550002", false}},
		Refusals: []Refusal{{false}, {true}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Whatever happens in each attempt, a contact is called at most max_attempts times charged, never past the campaign's end;
// as long as the lines work for others it reaches an end, and only then does it end for uncharged attempts.
func TestNextTerminates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delay := rapid.OneOf(rapid.Just(Never), rapid.Map(rapid.Int64Range(int64(time.Second), int64(90*day)), func(n int64) Delay { return Delay(n) }))
		r := Default("x")
		r.Retry = Retry{
			MaxAttempts: rapid.IntRange(1, 20).Draw(t, "max"),
			Busy:        delay.Draw(t, "busy"), NoAnswer: delay.Draw(t, "no answer"),
			Rejected: delay.Draw(t, "rejected"), Unreachable: delay.Draw(t, "unreachable"),
		}
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		if rapid.Bool().Draw(t, "ends") {
			r.Ends = now.Add(time.Duration(rapid.Int64Range(1, int64(400*day)).Draw(t, "in")))
		}
		works := rapid.Bool().Draw(t, "the lines work for others")
		status := rapid.SampledFrom(statuses())
		lines := rapid.SampledFrom([]string{"a", "b", "c"})
		var attempts []Attempt
		for {
			// A line each time, until no more can be needed: MinFailures on each of the lines, and all refusals.
			if works && len(attempts) > r.Retry.MaxAttempts+2*MinFailures+MinRefusals+50 {
				t.Fatalf("%d rounds with max_attempts %d: %+v", len(attempts), r.Retry.MaxAttempts, attempts)
			}
			h := HistoryOf(attempts, func(Attempt) bool { return works })
			var v Verdict
			if rapid.IntRange(0, 3).Draw(t, "refused") == 0 {
				v = Verdict{Ended: true, Refused: Blocked, Named: rapid.Bool().Draw(t, "named")}
			} else {
				v = Missed(Seen{}.With(Legs{status.Draw(t, "call"), status.Draw(t, "caller"), status.Draw(t, "callee")}))
			}
			n := r.Next(v, h, now)
			attempts = append(attempts, Attempt{
				EndedAt: now, LineNumber: lines.Draw(t, "line"), Charged: v.Charged, LineFault: v.LineFault, Refused: v.Refused != "",
			})
			if h.Charged > r.Retry.MaxAttempts {
				t.Fatalf("too many attempts: %+v", h)
			}
			if n.Final {
				switch {
				case n.Outcome == "" || !n.At.IsZero():
					t.Fatalf("final: %+v", n)
				case !works && !v.Charged && v.Outcome == "" && n.Outcome != Expired:
					t.Fatalf("ended as %s for what may be the lines' fault: %+v", n.Outcome, h)
				}
				return
			}
			if n.Outcome != "" || n.At.Before(now) || r.ended(n.At) {
				t.Fatalf("next: %+v at %v, ends %v", n, now, r.Ends)
			}
			if n.At.After(now.Add(time.Hour)) && !v.Charged && v.Refused == "" && v.LineFault {
				t.Fatalf("an agent's failure holds the contact for %s", n.At.Sub(now))
			}
			now = n.At
			if !works && len(attempts) > 60 {
				return // kept for ever, as it should be
			}
		}
	})
}
