package ringouttest

import (
	"net/http"
	"net/url"
	"testing"
)

// FuzzPlace: whatever is posted, the answer is a RingOut or an error of RingCentral's, and only the former dials.
func FuzzPlace(f *testing.F) {
	for _, body := range []string{
		`{"from":{"phoneNumber":"+16505550001"},"to":{"phoneNumber":"+14155550130"}}`,
		`{"from":{"forwardingNumberId":7},"to":{"phoneNumber":"1"},"country":{"id":1}}`,
		`{"to":[]}`, `{"to":{"phoneNumber":null}}`, `null`, `"x"`, ``, "\xff",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		sim := New(Config{})
		c := login(t, sim, "jwt")
		a := c.send("POST", user+"/ring-out", "application/json", body)
		placed := 0
		if a.status == http.StatusOK {
			placed = 1
			want(t, "legs", a.legs(t), "InProgress/InProgress/InProgress")
		} else if a.status < 400 || a.status >= 500 || a.get(t, "errors.0.errorCode") == "" {
			t.Errorf("answer: %d %s", a.status, a.body)
		}
		truth := sim.Truth()
		want(t, "dials", len(truth.Dials), placed)
		want(t, "refusals", len(truth.Refusals), 1-placed)
	})
}

// FuzzFilter: any query is answered with records or with an error that names a parameter.
func FuzzFilter(f *testing.F) {
	for _, query := range []string{"", "page=2&perPage=1", "dateFrom=2026-03-02T15:00:00Z", "dateTo=x", "view=Detailed", "phoneNumber=%2B"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		sim := New(Config{})
		c := login(t, sim, "jwt")
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		a := c.get("/call-log?" + values.Encode())
		if a.status == http.StatusOK {
			want(t, "records", a.get(t, "paging.totalElements"), "0")
		} else if a.get(t, "errors.0.parameterName") == "" {
			t.Errorf("answer: %d %s", a.status, a.body)
		}
	})
}
