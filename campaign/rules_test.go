package campaign

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The ledger stores this form, so that a change of it would leave running campaigns unreadable.
func TestRulesStoredForm(t *testing.T) {
	t.Parallel()
	const stored = `{"name":"renewals","team":"sales","caller_id":"+16505550100","play_prompt":true,"region":"US",` +
		`"calling_hours":{"timezone":"contact","days":{"fri":["09:00-12:00","13:00-20:00"],"mon":["09:00-12:00","13:00-20:00"],` +
		`"sat":["10:00-16:00"],"thu":["09:00-12:00","13:00-20:00"],"tue":["09:00-12:00","13:00-20:00"],` +
		`"wed":["09:00-12:00","13:00-20:00"]},"holidays":["2026-12-25"]},` +
		`"retry":{"max_attempts":3,"busy":"15m","no_answer":"4h","rejected":"never","unreachable":"30m"},` +
		`"wrap_up_ns":20000000000,"ring_limit_ns":60000000000,"longest_call_ns":14400000000000,` +
		`"ends":"2026-12-31T18:00:00Z","priority":1}`
	var r Rules // as package campaignfile's testdata/design.yaml has it
	if err := json.Unmarshal([]byte(stored), &r); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != stored {
		t.Errorf("got  %s\nwant %s", b, stored)
	}
	if back := roundTrip(t, r); !reflect.DeepEqual(back, r) {
		t.Errorf("got  %+v\nwant %+v", back, r)
	}
	if back := roundTrip(t, Rules{}); !reflect.DeepEqual(back, Rules{}) {
		t.Errorf("zero: got %+v", back)
	}
	for _, bad := range []string{
		`{"calling_hours":{"days":{"funday":["09:00-10:00"]}}}`, `{"calling_hours":{"days":{"mon":["9"]}}}`,
		`{"calling_hours":{"holidays":["x"]}}`, `{"retry":{"busy":"soon"}}`, `{"calling_hours":5}`,
	} {
		var r Rules
		if err := json.Unmarshal([]byte(bad), &r); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func TestRulesRoundTripProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := Default("x")
		r.CallingHours = drawHours(rt)
		delay := rapid.Int64Range(0, int64(90*day))
		r.Retry.Busy, r.Retry.NoAnswer = Delay(delay.Draw(rt, "busy")), Delay(delay.Draw(rt, "no answer"))
		r.WrapUp = time.Duration(delay.Draw(rt, "wrap-up"))
		r.Ends = time.Unix(rapid.Int64Range(0, 1<<33).Draw(rt, "ends"), rapid.Int64Range(0, 999999999).Draw(rt, "ns")).UTC()
		if back := roundTrip(t, r); !reflect.DeepEqual(back, r) || len(r.Diff(back)) > 0 {
			rt.Fatalf("got %+v, want %+v", back, r)
		}
	})
}

func TestDiff(t *testing.T) {
	t.Parallel()
	before := Default("x")
	if got := before.Diff(Default("x")); len(got) != 0 {
		t.Errorf("same rules differ: %v", got)
	}
	after := before
	after.Team, after.CallerID = "sales", "+16505550100"
	after.PlayPrompt = false
	after.CallingHours.Holidays = []Date{{2026, 12, 25}}
	after.Retry.Rejected, after.Retry.MaxAttempts = Delay(2*day), 5
	after.RingLimit = 90 * time.Second
	after.Ends = time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC)
	want := []Change{
		{"team", "default", "sales"},
		{"caller_id", "none", "+16505550100"},
		{"play_prompt", "true", "false"},
		{"calling_hours", "contact: mon-sat 09:00-20:00", "contact: mon-sat 09:00-20:00, without 2026-12-25"},
		{"retry.max_attempts", "3", "5"},
		{"retry.rejected", "never", "2d"},
		{"ring_limit", "1m", "1m30s"},
		{"ends", "none", "2026-12-31T18:00:00Z"},
	}
	if got := before.Diff(after); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := want[0].String(); got != "team: default → sales" {
		t.Errorf("got %q", got)
	}
}

// Every field of the rules is compared: a change that Diff does not see would be taken without --update.
func TestDiffSeesEveryField(t *testing.T) {
	t.Parallel()
	base := Default("x")
	var visit func(path string, at func(*Rules) reflect.Value)
	visit = func(path string, at func(*Rules) reflect.Value) {
		kind := at(&base).Type()
		if kind.Kind() == reflect.Struct && kind != reflect.TypeFor[time.Time]() && kind != reflect.TypeFor[Hours]() {
			for i := range kind.NumField() {
				visit(path+"."+kind.Field(i).Name, func(r *Rules) reflect.Value { return at(r).Field(i) })
			}
			return
		}
		changed := base
		v := at(&changed)
		switch x := v.Addr().Interface().(type) {
		case *string:
			*x += "z"
		case *bool:
			*x = !*x
		case *int:
			*x++
		case *time.Duration:
			*x++
		case *Delay:
			*x += 5
		case *time.Time:
			*x = time.Unix(5, 0)
		case *Hours:
			x.Always = true
		default:
			t.Fatalf("%s: no case for %T", path, x)
		}
		if got := base.Diff(changed); len(got) != 1 {
			t.Errorf("%s: changes %v", path, got)
		}
	}
	visit("Rules", func(r *Rules) reflect.Value { return reflect.ValueOf(r).Elem() })
}

func TestCheckAt(t *testing.T) {
	t.Parallel()
	r := Default("renewals")
	end := time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC)
	if err := r.CheckAt(end); err != nil {
		t.Errorf("without an end: %v", err)
	}
	r.Ends = end
	if err := r.CheckAt(end.Add(-1)); err != nil {
		t.Errorf("before the end: %v", err)
	}
	err := r.CheckAt(end)
	if err == nil || !strings.Contains(err.Error(), "renewals: ends: 2026-12-31T18:00:00Z has passed") {
		t.Errorf("at the end: %v", err)
	}
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a": true, "0": true, "renewals-2026_q4": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "_a": false, "a.again": false, "a b": false, "A": false, "ä": false,
		"a:b": false, "a{b}": false, strings.Repeat("a", 64): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%q: got %t", name, got)
		}
	}
}

func roundTrip(t testing.TB, r Rules) Rules {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Rules
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return back
}
