package ringout

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// listings are the two lists of records.
var listings = map[string]struct {
	path string
	get  func(*Client, context.Context) (Records, error)
}{
	"active calls": {"active-calls", (*Client).ActiveCalls},
	"call log": {"call-log", func(c *Client, ctx context.Context) (Records, error) {
		return c.CallLog(ctx, LogQuery{})
	}},
}

// A RingOut as the two views of RingCentral's records show it.
const detailedRecord = `{
	"uri":"https://rc.example/x","id":"ASaxDDkSZ5s42MA","sessionId":409133,"telephonySessionId":"s-a1d1",
	"startTime":"2026-03-01T13:00:00.250+01:00","duration":55,"type":"Voice","direction":"Outbound",
	"action":"RingOut Web","result":"Call connected","reason":"Accepted","reasonDescription":"…",
	"from":{"phoneNumber":"+16505550001","name":"Ann"},"to":{"phoneNumber":"+4420718XXXXX"},
	"legs":[
		{"legType":"RingOutWebToCaller","startTime":"2026-03-01T12:00:00.250Z","duration":50.5,"direction":"Outbound",
		 "action":"RingOut Web","result":"Call connected","to":{"phoneNumber":"16505550001"},"from":{"extensionNumber":"101"}},
		{"legType":"RingOutWebToSubscriber","startTime":"soon","duration":-1,"result":"Busy","reason":"Too Many Calls"}
	]}`

func wantRecord() Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)
	return Record{
		ID: "ASaxDDkSZ5s42MA", SessionID: "409133", TelephonySessionID: "s-a1d1", StartedAt: at, Duration: 55 * time.Second,
		Direction: "Outbound", Action: "RingOut Web", Result: "Call connected", Reason: "Accepted",
		From: "+16505550001", To: "+4420718XXXXX",
		Legs: []Leg{
			{
				Type: "RingOutWebToCaller", Direction: "Outbound", Action: "RingOut Web", Result: "Call connected",
				To: "16505550001", StartedAt: at, Duration: 50500 * time.Millisecond,
			},
			{Type: "RingOutWebToSubscriber", Result: "Busy", Reason: "Too Many Calls"},
		},
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	for name, list := range listings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
				if got := r.URL.Query().Get("view"); got != "Detailed" {
					t.Errorf("view=%q, want Detailed", got)
				}
				w.Header().Set("Date", "Sun, 01 Mar 2026 12:00:30 GMT")
				reply(200, `{"records":[`+detailedRecord+`,{}],"navigation":{"firstPage":{"uri":"x"}}}`)(w, r, body)
			}}
			var observed []Group
			c := rc.served(t, func(config *Config) {
				config.Observe = func(_ context.Context, q Quota) { observed = append(observed, q.Group) }
			})
			got, err := list.get(c, t.Context())
			want := Records{
				Calls: []Record{wantRecord(), {}}, At: time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC), Complete: true,
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			if want := []string{"GET v1.0/account/~/extension/~/" + list.path}; !slices.Equal(rc.calls, want) {
				t.Errorf("requests %q, want %q", rc.calls, want)
			}
			if want := []Group{Auth, Heavy}; !slices.Equal(observed, want) {
				t.Errorf("observed %q, want %q", observed, want)
			}
		})
	}
}

func TestRecordsErrors(t *testing.T) {
	t.Parallel()
	for name, list := range listings {
		for _, test := range []struct {
			name   string
			status int
			body   string
			want   Kind
			is     error
		}{
			{name: "no records", status: 200, body: `{}`, want: Unknown, is: errNoRecords},
			{name: "cut short", status: 200, body: `{"records":[{"id":"1"}`, want: Unknown, is: errNoRecords},
			{name: "a huge answer", status: 200, body: strings.Repeat(" ", maxBody+1), want: Unknown, is: errTooLarge},
			{name: "no permission", status: 403, body: `{"errorCode":"CMN-401"}`, want: Refused, is: ErrForbidden},
			{name: "403 without a code", status: 403, want: Refused, is: ErrForbidden},
			{name: "429", status: 429, want: Limited},
			{name: "503", status: 503, want: Unknown},
			{name: "404", status: 404, body: `{"errorCode":"CMN-102"}`, want: Refused},
		} {
			t.Run(name+" "+test.name, func(t *testing.T) {
				t.Parallel()
				rc := &platform{api: reply(test.status, test.body)}
				got, err := list.get(rc.client(t, nil), t.Context())
				var e *Error
				if !errors.As(err, &e) || e.Op != name || e.Kind != test.want || e.Status != test.status {
					t.Fatalf("got %v, want %s: %s with HTTP %d", err, name, test.want, test.status)
				}
				if test.is != nil && !errors.Is(err, test.is) || test.is == nil && errors.Is(err, ErrForbidden) {
					t.Errorf("got %v, want %v", err, test.is)
				}
				if errors.Is(err, ErrNotFound) {
					t.Errorf("%v is a missing call, and none was asked for", err)
				}
				if got.Complete || got.Calls != nil {
					t.Errorf("got %+v beside an error", got)
				}
			})
		}
	}
}

func TestRecordsRepeatAfter401(t *testing.T) {
	t.Parallel()
	for name, list := range listings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
				if r.Header.Get("Authorization") != "Bearer access-2" {
					reply(401, ``)(w, r, body)
					return
				}
				reply(200, `{"records":[]}`)(w, r, body)
			}}
			var admitted []Group
			c := rc.client(t, func(config *Config) {
				config.Admit = func(_ context.Context, g Group) error {
					admitted = append(admitted, g)
					return nil
				}
			})
			if _, err := list.get(c, t.Context()); err != nil {
				t.Errorf("got %v", err)
			}
			if want := []Group{Auth, Auth, Heavy}; !slices.Equal(admitted, want) {
				t.Errorf("asked for leave %q, want %q", admitted, want)
			}

			rc.api = reply(401, ``)
			if _, err := list.get(c, t.Context()); !errors.Is(err, ErrUnauthorized) {
				t.Errorf("got %v, want %v", err, ErrUnauthorized)
			}
			if _, calls := rc.sent(); len(calls) != 4 {
				t.Errorf("requests %q, want 2 for each call of the method", calls)
			}
		})
	}
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	presence := func(c *Client, ctx context.Context) error { _, err := c.Presence(ctx); return err }
	status := func(c *Client, ctx context.Context) error { _, err := c.Status(ctx, "1"); return err }
	place := func(c *Client, ctx context.Context) error { _, err := c.Place(ctx, someCall()); return err }
	for _, test := range []struct {
		name   string
		do     func(*Client, context.Context) error
		status int
		code   string
		want   bool
	}{
		{"presence", presence, 403, "CMN-112", true},
		{"presence without a code", presence, 403, "", true},
		{"presence with another status", presence, 400, "CMN-408", false},
		{"status, app", status, 403, "CMN-401", true},
		{"status, other", status, 403, "CMN-112", false},
		{"place, user", place, 403, "CMN-408", true},
		{"place to a blocked number", place, 403, "TEL-101", false},
		{"place with another status", place, 400, "CMN-401", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: reply(test.status, `{"errors":[{"errorCode":"`+test.code+`"}]}`)}
			c := rc.client(t, nil)
			mustLogin(t, c)
			if err := test.do(c, t.Context()); kindOfError(err) != Refused || errors.Is(err, ErrForbidden) != test.want {
				t.Errorf("got %v, want refused and ErrForbidden %t", err, test.want)
			}
		})
	}
	// A login that is refused with 403 is a matter of credentials.
	rc := &platform{token: func(w http.ResponseWriter, _ url.Values, _ int) {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, `{"errorCode":"CMN-401"}`)
	}}
	if err := presence(rc.client(t, nil), t.Context()); !errors.Is(err, ErrCredentials) || errors.Is(err, ErrForbidden) {
		t.Errorf("presence without login: %v, want %v alone", err, ErrCredentials)
	}
}

func TestLogQuery(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 13, 0, 0, 999999, time.FixedZone("CET", 3600))
	always := map[string]string{"view": "Detailed", "perPage": "100"}
	for _, test := range []struct {
		name  string
		query LogQuery
		want  map[string]string // beside always
	}{
		{"nothing", LogQuery{}, nil},
		{
			"all",
			LogQuery{PhoneNumber: toNumber, From: from, To: from.Add(time.Minute), SessionID: "40&9+1"},
			map[string]string{
				"phoneNumber": toNumber[1:], "dateFrom": "2026-03-01T12:00:00.000Z", "dateTo": "2026-03-01T12:01:00.001Z",
				"sessionId": "40&9+1",
			},
		},
		{
			"whole milliseconds",
			LogQuery{To: from.Truncate(time.Millisecond)},
			map[string]string{"dateTo": "2026-03-01T12:00:00.000Z"},
		},
		{
			"one instant",
			LogQuery{From: from, To: from},
			map[string]string{"dateFrom": "2026-03-01T12:00:00.000Z", "dateTo": "2026-03-01T12:00:00.001Z"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: reply(200, `{"records":[]}`)}
			c := rc.client(t, nil)
			if _, err := c.CallLog(t.Context(), test.query); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name, values := range rc.last.URL.Query() {
				got[name] = strings.Join(values, " and ")
			}
			want := maps.Clone(always)
			maps.Copy(want, test.want)
			if !maps.Equal(got, want) {
				t.Errorf("asked for %q, want %q", got, want)
			}
		})
	}
	for name, bad := range map[string]LogQuery{
		"no plus":          {PhoneNumber: "16505550100"},
		"formatted":        {PhoneNumber: "+1 650 555 0100"},
		"masked":           {PhoneNumber: "+1650555XXXX"},
		"too long":         {PhoneNumber: "+1234567890123456"},
		"backwards":        {From: from, To: from.Add(-1)},
		"unusable session": {SessionID: "4\n5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{}
			_, err := rc.client(t, nil).CallLog(t.Context(), bad)
			if kindOfError(err) != NotSent || strings.Contains(err.Error(), "650") {
				t.Errorf("got %v, want not sent, and no number in it", err)
			}
			if logins, calls := rc.sent(); len(logins)+len(calls) != 0 {
				t.Errorf("sent %q and %q, want nothing", logins, calls)
			}
		})
	}
}

func TestDecodeRecords(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"null":                  `null`,
		"an array":              `[]`,
		"records are null":      `{"records":null}`,
		"records are an object": `{"records":{}}`,
		"a null record":         `{"records":[null]}`,
		"a record as a string":  `{"records":["x"]}`,
		"a party as a string":   `{"records":[{"to":"+16505550100"}]}`,
		"legs as an object":     `{"records":[{"legs":{}}]}`,
		"navigation as a list":  `{"records":[],"navigation":[]}`,
		"two values":            `{"records":[]}{"records":[]}`,
	} {
		if got, err := decodeRecords([]byte(bad)); !errors.Is(err, errNoRecords) {
			t.Errorf("%s: got %+v, %v; want an error", name, got, err)
		}
	}
	got, err := decodeRecords([]byte(`{"records":[{"startTime":1,"duration":"7","from":null,"to":{},"legs":null},{"duration":1e9}]}`))
	want := []Record{{Duration: 7 * time.Second}, {}}
	if err != nil || !reflect.DeepEqual(got.Calls, want) {
		t.Errorf("got %+v, %v; want %+v", got.Calls, err, want)
	}
}

func TestRecordsComplete(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		rest string // of an answer with two records
		want bool
	}{
		{"nothing told", ``, false},
		{"the guide's", `,"paging":{"page":1,"perPage":100,"pageStart":0,"pageEnd":1},"navigation":{"firstPage":{"uri":"x"}}`, true},
		{"a next page", `,"paging":{"page":1,"perPage":2},"navigation":{"nextPage":{"uri":"x"}}`, false},
		{"a next page by address alone", `,"navigation":{"nextPage":"x"}`, false},
		{"no next page in as many words", `,"navigation":{"nextPage":null}`, true},
		{"a next page beyond the totals", `,"paging":{"totalPages":1},"navigation":{"nextPage":{"uri":"x"}}`, false},
		{"more pages, no link", `,"paging":{"totalPages":2},"navigation":{"firstPage":{"uri":"x"}}`, false},
		{"more calls, no link", `,"paging":{"totalElements":3},"navigation":{}`, false},
		{"totals without navigation", `,"paging":{"totalPages":1,"totalElements":2}`, true},
		{"page not full", `,"paging":{"page":1,"perPage":3}`, true},
		{"page full", `,"paging":{"page":1,"perPage":2}`, false},
		{"page of unknown size", `,"paging":{"page":1,"perPage":"many","totalPages":-1}`, false},
		{"null", `,"paging":null,"navigation":null`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeRecords([]byte(`{"records":[{},{}]` + test.rest + `}`))
			if err != nil || len(got.Calls) != 2 || got.Complete != test.want {
				t.Errorf("got %+v, %v; want two calls, complete %t", got, err, test.want)
			}
		})
	}
}

func FuzzDecodeRecords(f *testing.F) {
	f.Add([]byte(`{"records":[`+detailedRecord+`],"paging":{"totalPages":1},"navigation":{"nextPage":{}}}`), "RingOut Web", "+1855201XXXX")
	f.Add([]byte(`{"records":[null]}`), "", "")
	f.Add([]byte(`{"records":[{"legs":[null]}],"navigation":null}`), "\u2028", "<>&")
	f.Fuzz(func(t *testing.T, body []byte, action, number string) {
		got, err := decodeRecords(body)
		if err == nil && !json.Valid(body) {
			t.Errorf("decodeRecords(%q) took what is no JSON", body)
		}
		if err != nil && (got.Calls != nil || got.Complete) {
			t.Errorf("decodeRecords(%q) = %+v beside an error", body, got)
		}
		for _, call := range got.Calls {
			if call.Duration < 0 {
				t.Errorf("decodeRecords(%q) gave the duration %s", body, call.Duration)
			}
		}
		// A call that is there is seen, and its texts come through as they are.
		if !utf8.ValidString(action) || !utf8.ValidString(number) {
			return
		}
		party := map[string]string{"phoneNumber": number}
		b, err := json.Marshal(map[string]any{"records": []any{
			map[string]any{"action": action, "to": party, "legs": []any{map[string]any{"legType": action, "from": party}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err = decodeRecords(b); err != nil || len(got.Calls) != 1 || len(got.Calls[0].Legs) != 1 {
			t.Fatalf("decodeRecords(%s) = %+v, %v; want a call with a leg", b, got, err)
		}
		call := got.Calls[0]
		if call.Action != action || call.To != number || call.Legs[0].Type != action || call.Legs[0].From != number {
			t.Errorf("decodeRecords(%s) = %+v", b, call)
		}
	})
}

func TestRecordRingOut(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"RingOut Web", "RingOut PC", "RingOut Mobile", "ringout", "Ring Out", "RING-OUT WEB", " RingOut_Web"} {
		if !(Record{Action: action}).RingOut() {
			t.Errorf("action %q is no RingOut", action)
		}
	}
	for _, leg := range []Leg{
		{Type: "RingOutWebToCaller"},
		{Type: "RingOutWebToSubscriber"},
		{Type: "RingOutClientToSubscriber"},
		{Type: "RingOutOneLegToCaller"},
		{Type: "RING_OUT_WEB_TO_CALLER"},
		{Type: "Accept", Action: "RingOut Web"},
	} {
		if !(Record{Action: "VoIP Call", Legs: []Leg{{Type: "Accept"}, leg}}).RingOut() {
			t.Errorf("leg %+v makes no RingOut", leg)
		}
	}
	for _, other := range []Record{
		{},
		{Action: "VoIP Call", Result: "RingOut", Legs: []Leg{{Type: "SipToPstnUnmetered", Result: "RingOut"}}},
		{Action: "Ring Directly", Legs: []Leg{{Type: "RingMe"}}},
		{Action: "RingMe", Legs: []Leg{{Type: "Out"}}},
	} {
		if other.RingOut() {
			t.Errorf("%+v is a RingOut", other)
		}
	}
}

func TestSameNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		recorded, e164 string
		want           bool
	}{
		{"+16505550100", "+16505550100", true},
		{"16505550100", "+16505550100", true},
		{"+1 (650) 555-0100", "+16505550100", true},
		{" 1.650.555.0100 ", "+16505550100", true},
		{"(+1) 650\u00a0555\u20110100", "+16505550100", true},
		{"+1855201XXXX", "+18552010000", true},
		{"1855201xxxx", "+18552019999", true},
		{"+1 855-201-XXXX", "+18552011234", true},
		{"+6831234", "+6831234", true},

		{"+16505550101", "+16505550100", false},
		{"6505550100", "+16505550100", false}, // the country is not guessed
		{"+1650555010", "+16505550100", false},
		{"+165055501000", "+16505550100", false},
		{"+1855201XXX", "+18552011234", false},
		{"+1855201XXXXX", "+18552011234", false},
		{"+1855202XXXX", "+18552011234", false},
		{"+185520XXXXX", "+18552011234", false}, // six digits are too few
		{"+1855XXX1234", "+18552011234", false},
		{"XXXXXXXXXXX", "+18552011234", false},
		{"1+6505550100", "+16505550100", false},
		{"++16505550100", "+16505550100", false},
		{"X+", "+16505550100", false},
		{"+16505550100 x12", "+16505550100", false},
		{"anonymous", "+16505550100", false},
		{"١٦٥٠٥٥٥٠١٠٠", "+16505550100", false},
		{"101", "+101", false},
		{"", "+16505550100", false},
		{"", "", false},
		{"+", "+", false},
		{"16505550100", "16505550100", false}, // no E.164
		{"+1855201XXXX", "+1855201XXXX", false},
	} {
		if got := SameNumber(test.recorded, test.e164); got != test.want {
			t.Errorf("SameNumber(%q, %q) = %t, want %t", test.recorded, test.e164, got, test.want)
		}
	}
}

// However a number is written, it is the same number, and with one readable digit changed it is not.
func TestSameNumberHowever(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	separators := []rune(messageSeparators)
	for range 5000 {
		digits := make([]byte, minDigits+random.IntN(maxDigits-minDigits+1))
		for i := range digits {
			digits[i] = '0' + byte(random.IntN(10))
		}
		masks := random.IntN(len(digits) + 1)
		readable := len(digits) - masks

		write := func(digits []byte) string {
			var b strings.Builder
			if random.IntN(2) == 0 {
				b.WriteByte('+')
			}
			for i, d := range digits {
				for random.IntN(4) == 0 {
					b.WriteRune(separators[random.IntN(len(separators))])
				}
				if i >= readable {
					d = "Xx"[random.IntN(2)]
				}
				b.WriteByte(d)
			}
			return b.String()
		}
		e164 := "+" + string(digits)
		recorded := write(digits)
		if got, want := SameNumber(recorded, e164), readable >= minDigits; got != want {
			t.Errorf("SameNumber(%q, %q) = %t, want %t", recorded, e164, got, want)
		}
		if readable == 0 {
			continue
		}
		i := random.IntN(readable)
		digits[i] = '0' + (digits[i]-'0'+1+byte(random.IntN(9)))%10
		if recorded = write(digits); SameNumber(recorded, e164) {
			t.Errorf("SameNumber(%q, %q) = true with another digit at %d", recorded, e164, i)
		}
	}
}

func FuzzSameNumber(f *testing.F) {
	f.Add("+1855201XXXX", "+18552011234")
	f.Add("1 (650) 555-0100", "+16505550100")
	f.Add("++1", "+")
	f.Add("\xff1650555010", "+16505550100")
	f.Fuzz(func(t *testing.T, recorded, e164 string) {
		if !SameNumber(recorded, e164) {
			return
		}
		// What is the same stays so without its formatting, which then is as long as the number and a prefix of it.
		bare := strings.Map(func(r rune) rune {
			if r == '+' || strings.ContainsRune(messageSeparators, r) {
				return -1
			}
			return r
		}, recorded)
		readable := strings.TrimRight(bare, "Xx")
		if len(bare) != len(e164)-1 || len(readable) < minDigits || !strings.HasPrefix(e164, "+"+readable) {
			t.Errorf("SameNumber(%q, %q) = true", recorded, e164)
		}
		if !SameNumber(bare, e164) || !SameNumber("+"+bare, e164) {
			t.Errorf("SameNumber(%q, %q) = true, and without formatting false", recorded, e164)
		}
		if _, ok := e164Digits(e164); !ok || !SameNumber(e164, e164) {
			t.Errorf("SameNumber(%q, %q) = true for what is no E.164", recorded, e164)
		}
	})
}
