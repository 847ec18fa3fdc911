package ringout

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDecodeRingOut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		body string
		want told
		bad  bool
	}{
		{
			name: "the guide's",
			body: `{"id":234343434,"uri":"/restapi/v1.0/x","status":{"callStatus":"Success","callerStatus":"Finished","calleeStatus":"Busy"}}`,
			want: told{"234343434", "Success", "Finished", "Busy"},
		},
		{name: "string id", body: `{"id":"s-a1@10.13","status":{}}`, want: told{id: "s-a1@10.13"}},
		{name: "id larger than a float64", body: `{"id":922337203685477580899}`, want: told{id: "922337203685477580899"}},
		{name: "id with an exponent", body: `{"id":2.34343434E8}`, want: told{id: "234343434"}},
		{name: "id beyond exactness", body: `{"id":1e300}`, want: told{id: "1e300"}},
		{name: "no status", body: `{"id":"1"}`, want: told{id: "1"}},
		{name: "no id", body: `{"status":{"callStatus":"InProgress"}}`, want: told{call: "InProgress"}},
		{name: "null id", body: `{"id":null,"status":{"callStatus":"InProgress"}}`, want: told{call: "InProgress"}},
		{name: "an object for an id", body: `{"id":{"a":1},"status":{"callStatus":"InProgress"}}`, want: told{call: "InProgress"}},
		{name: "a number for a status", body: `{"id":"1","status":{"callStatus":3,"callerStatus":["x"]}}`, want: told{id: "1", call: "3"}},
		{name: "status as a string", body: `{"status":"Success","id":"1"}`, want: told{id: "1"}},
		{name: "empty", body: ``, bad: true},
		{name: "no JSON", body: `<html>`, bad: true},
		{name: "cut short", body: `{"id":"1","status":{"callSta`, bad: true},
		{name: "two values", body: `{"id":"1"}{"id":"2"}`, bad: true},
		{name: "array", body: `[{"id":"1"}]`, bad: true},
		{name: "neither", body: `{"message":"hello"}`, bad: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeRingOut([]byte(test.body))
			if got != test.want || (err != nil) != test.bad {
				t.Errorf("decodeRingOut(%s) = %+v, %v; want %+v, error %t", test.body, got, err, test.want, test.bad)
			}
		})
	}
}

func FuzzDecodeRingOut(f *testing.F) {
	f.Add([]byte(`{"id":234343434,"status":{"callStatus":"Success","callerStatus":"Success","calleeStatus":"Success"}}`), "s-1")
	f.Add([]byte(`{"id":1e999999999,"status":[]}`), "")
	f.Add([]byte(`{"id":-0.0}`), "../..")
	f.Add([]byte(`{"id":"\ud800"}`), "a/b?c#d%2e\x00")
	f.Add([]byte("\xff"), "\u2028")
	f.Fuzz(func(t *testing.T, body []byte, id string) {
		// Whatever comes, there is an answer or an error, and an id is usable or refused.
		if got, err := decodeRingOut(body); err == nil && got.id != "" && usableID(got.id) && strings.TrimSpace(got.id) == "" {
			t.Errorf("decodeRingOut(%q) gave the blank id %q", body, got.id)
		}
		if _, err := decodePresence(body); err == nil && !json.Valid(body) {
			t.Errorf("decodePresence(%q) took what is no JSON", body)
		}
		// An id comes through as it is.
		if id == "" || !utf8.ValidString(id) {
			return
		}
		b, err := json.Marshal(map[string]any{"id": id, "status": map[string]string{"callStatus": "InProgress"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeRingOut(b); err != nil || got.id != id || got.call != "InProgress" {
			t.Errorf("decodeRingOut(%s) = %+v, %v; want id %q", b, got, err, id)
		}
	})
}

func TestDecodePresence(t *testing.T) {
	t.Parallel()
	got, err := decodePresence([]byte(`{"telephonyStatus":"CallConnected","activeCalls":[{
		"id":17,"direction":"Inbound","from":"+16505550001","to":"101","telephonyStatus":"OnHold",
		"sessionId":"409","telephonySessionId":"s-a1","startTime":"2026-03-01T13:00:00.000+01:00"},
		{"startTime":"yesterday"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Telephony != "CallConnected" || len(got.Calls) != 2 {
		t.Fatalf("decodePresence = %+v, want CallConnected with 2 calls", got)
	}
	want := ActiveCall{
		ID: "17", Direction: "Inbound", From: "+16505550001", To: "101", TelephonyStatus: "OnHold",
		SessionID: "409", TelephonySessionID: "s-a1", StartedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	if got.Calls[0] != want {
		t.Errorf("first call = %+v, want %+v", got.Calls[0], want)
	}
	if got.Calls[1] != (ActiveCall{}) {
		t.Errorf("second call = %+v, want it empty", got.Calls[1])
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"telephonyStatus":""}`, `{"telephonyStatus":"NoCall","activeCalls":{}}`} {
		if p, err := decodePresence([]byte(bad)); err == nil {
			t.Errorf("decodePresence(%s) = %+v, want an error", bad, p)
		}
	}
}

func TestUsableID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"234343434": true, "s-a1=cs17@10.13.22.33": true, "a/b": true, "é": true,
		"": false, " ": false, ".": false, "..": false, "a\nb": false, "\x00": false, strings.Repeat("x", maxID+1): false,
	} {
		if got := usableID(id); got != want {
			t.Errorf("usableID(%q) = %t, want %t", id, got, want)
		}
	}
}
