package ringout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	testID     = "the-client-id"
	testSecret = "the-client-secret"
	testJWT    = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI2MjI5NTMyNzAwNCJ9.the-signature"

	fromNumber = "+16505550001"
	toNumber   = "+442071838750"
)

// platform plays RingCentral under the base path /base. Without functions it gives tokens of an hour and answers
// every API request with 200 and an empty body.
type platform struct {
	token func(w http.ResponseWriter, form url.Values, n int)       // n counts from 1
	api   func(w http.ResponseWriter, r *http.Request, body string) // for requests with a token

	mu     sync.Mutex
	logins []url.Values
	calls  []string // method and path of every API request
	last   *http.Request
	body   string
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/base/restapi/")
	if !ok {
		http.Error(w, "outside the base path", http.StatusTeapot)
		return
	}
	if path == "oauth/token" {
		id, secret, _ := r.BasicAuth()
		form, err := url.ParseQuery(string(b))
		if id != testID || secret != testSecret || err != nil {
			http.Error(w, "bad client", http.StatusTeapot)
			return
		}
		p.mu.Lock()
		p.logins = append(p.logins, form)
		n := len(p.logins)
		p.mu.Unlock()
		if p.token != nil {
			p.token(w, form, n)
			return
		}
		grantToken(w, n, 3600, false)
		return
	}
	p.mu.Lock()
	p.calls = append(p.calls, r.Method+" "+path)
	p.last, p.body = r, string(b)
	p.mu.Unlock()
	if p.api != nil {
		p.api(w, r, string(b))
	}
}

// grantToken answers a token request with access-n and, if wanted, refresh-n.
func grantToken(w io.Writer, n int, life float64, refresh bool) {
	answer := map[string]any{"access_token": fmt.Sprintf("access-%d", n), "token_type": "bearer", "expires_in": life}
	if refresh {
		answer["refresh_token"] = fmt.Sprintf("refresh-%d", n)
		answer["refresh_token_expires_in"] = 604800
	}
	b, _ := json.Marshal(answer)
	_, _ = w.Write(b)
}

func (p *platform) sent() (logins []url.Values, calls []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.logins), slices.Clone(p.calls)
}

// memory serves requests without a network, so that synctest's clock can run.
type memory struct{ http.Handler }

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		answer <- w.Result()
	}()
	select {
	case resp := <-answer:
		return resp, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// client talks to p in memory.
func (p *platform) client(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	config := Config{
		Server: "https://rc.example/base/", ClientID: testID, ClientSecret: testSecret, JWT: testJWT,
		Transport: memory{p},
	}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.jitter = func(time.Duration) time.Duration { return 0 }
	return c
}

// served is client over a real connection.
func (p *platform) served(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p.client(t, func(config *Config) {
		config.Server, config.Transport = server.URL+"/base", nil
		if change != nil {
			change(config)
		}
	})
}

func mustLogin(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// kindOfError is the kind of the *Error in err, "" where there is none.
func kindOfError(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

func someCall() Call {
	return Call{From: Endpoint{PhoneNumber: fromNumber}, To: toNumber}
}

func reply(status int, body string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestPlaceSends(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		call Call
		want string
	}{
		{
			"least", someCall(),
			`{"from":{"phoneNumber":"+16505550001"},"to":{"phoneNumber":"+442071838750"},"playPrompt":false}`,
		},
		{
			"all",
			Call{
				From: Endpoint{ForwardingNumberID: "400"}, To: toNumber,
				CallerID: "+16505550100", PlayPrompt: true, CountryID: "1",
			},
			`{"from":{"forwardingNumberId":"400"},"to":{"phoneNumber":"+442071838750"},` +
				`"callerId":{"phoneNumber":"+16505550100"},"playPrompt":true,"country":{"id":"1"}}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
				w.Header().Set("Date", "Sun, 01 Mar 2026 12:00:00 GMT")
				reply(200, `{"id":234343434,"status":{"callStatus":"In Progress","callerStatus":"INPROGRESS","calleeStatus":"InProgress"}}`)(w, r, body)
			}}
			c := rc.served(t, nil)
			mustLogin(t, c)
			got, err := c.Place(t.Context(), test.call)
			want := RingOut{"234343434", InProgress, InProgress, InProgress, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			if err != nil || got != want {
				t.Fatalf("Place = %+v, %v; want %+v", got, err, want)
			}
			if rc.body != test.want {
				t.Errorf("body\n%s, want\n%s", rc.body, test.want)
			}
			if want := []string{"POST v1.0/account/~/extension/~/ring-out"}; !slices.Equal(rc.calls, want) {
				t.Errorf("requests %q, want %q", rc.calls, want)
			}
			if got := rc.last.Header.Get("Authorization"); got != "Bearer access-1" {
				t.Errorf("Authorization: %s", got)
			}
			if got := rc.last.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type: %s", got)
			}
		})
	}
}

func TestPlaceRefusesHalfACall(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]Call{
		"no from":   {To: toNumber},
		"two froms": {From: Endpoint{PhoneNumber: fromNumber, ForwardingNumberID: "1"}, To: toNumber},
		"no to":     {From: Endpoint{PhoneNumber: fromNumber}},
	} {
		rc := &platform{}
		c := rc.client(t, nil)
		mustLogin(t, c)
		if _, err := c.Place(t.Context(), call); kindOfError(err) != NotSent {
			t.Errorf("%s: Place: %v, want it not sent", name, err)
		}
		if len(rc.calls) != 0 {
			t.Errorf("%s: sent %q", name, rc.calls)
		}
	}
}

func TestPlaceNeedsLogin(t *testing.T) {
	t.Parallel()
	rc := &platform{}
	c := rc.client(t, nil)
	_, err := c.Place(t.Context(), someCall())
	if kindOfError(err) != NotSent || !errors.Is(err, ErrNotLoggedIn) {
		t.Errorf("Place: %v, want not sent, not logged in", err)
	}
	if logins, calls := rc.sent(); len(logins)+len(calls) != 0 {
		t.Errorf("sent %v %v, want nothing", logins, calls)
	}
}

// Whatever the answer is, Place sends one request and says what it means for the phones.
func TestPlaceAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   Kind // "" for success
		is     error
		codes  []string
		after  time.Duration
	}{
		{name: "no statuses", status: 200, body: `{"id":"x"}`},
		{name: "201", status: 201, body: `{"id":"x"}`},
		{name: "no id", status: 200, body: `{"status":{"callStatus":"InProgress"}}`, want: Unknown, is: errNoID},
		{name: "empty id", status: 200, body: `{"id":"","status":{"callStatus":"InProgress"}}`, want: Unknown, is: errNoID},
		{name: "an id that is a path", status: 200, body: `{"id":".."}`, want: Unknown, is: errBadID},
		{name: "no JSON", status: 200, body: `<html>`, want: Unknown, is: errUndecodable},
		{name: "no body", status: 204, want: Unknown, is: errUndecodable},
		{name: "too large", status: 200, body: `{"id":"x"}` + strings.Repeat(" ", maxBody), want: Unknown, is: errTooLarge},
		{name: "as large as may be", status: 200, body: `{"id":"x"}` + strings.Repeat(" ", maxBody-10)},
		{
			name: "invalid number", status: 400, want: Refused,
			body:  `{"errorCode":"CMN-101","message":"Parameter [to] is invalid","errors":[{"errorCode":"TEL-109"}]}`,
			codes: []string{"CMN-101", "TEL-109"},
		},
		{name: "401", status: 401, body: `{"errorCode":"OAU-213"}`, want: Refused, is: ErrUnauthorized, codes: []string{"OAU-213"}},
		{name: "403", status: 403, body: `{"errors":[{"errorCode":"TEL-101"}]}`, want: Refused, codes: []string{"TEL-101"}},
		{name: "404", status: 404, body: `{"errorCode":"CMN-102"}`, want: Refused, codes: []string{"CMN-102"}},
		{name: "a page with 400", status: 400, body: `<html>`, want: Refused},
		{name: "a huge page with 400", status: 400, body: strings.Repeat("x", maxBody+1), want: Refused},
		{name: "408", status: 408, want: Unknown},
		{name: "499", status: 499, want: Unknown},
		{
			name: "429", status: 429, header: http.Header{"Retry-After": {"60"}}, body: `{"errorCode":"CMN-301"}`,
			want: Limited, codes: []string{"CMN-301"}, after: time.Minute,
		},
		{name: "429 without Retry-After", status: 429, want: Limited},
		{name: "301", status: 301, header: http.Header{"Location": {"/base/restapi/elsewhere"}}, want: Unknown, is: errRedirect},
		{name: "302", status: 302, header: http.Header{"Location": {"/base/restapi/elsewhere"}}, want: Unknown, is: errRedirect},
		{name: "303", status: 303, header: http.Header{"Location": {"/base/restapi/elsewhere"}}, want: Unknown, is: errRedirect},
		{name: "307", status: 307, header: http.Header{"Location": {"/base/restapi/elsewhere"}}, want: Unknown, is: errRedirect},
		{name: "308", status: 308, header: http.Header{"Location": {"/base/restapi/elsewhere"}}, want: Unknown, is: errRedirect},
		{name: "308 to nowhere", status: 308, header: http.Header{"Location": {"::"}}, want: Unknown, is: errRedirect},
		{name: "304", status: 304, want: Unknown, is: errRedirect},
		{name: "500", status: 500, want: Unknown},
		{name: "502", status: 502, body: `<html>`, want: Unknown},
		{
			name: "503", status: 503, header: http.Header{"Retry-After": {"5"}}, body: `{"errorCode":"CMN-201"}`,
			want: Unknown, codes: []string{"CMN-201"}, after: 5 * time.Second,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
				maps.Copy(w.Header(), test.header)
				reply(test.status, test.body)(w, r, body)
			}}
			c := rc.served(t, nil)
			mustLogin(t, c)
			got, err := c.Place(t.Context(), someCall())
			if logins, calls := rc.sent(); len(logins) != 1 || len(calls) != 1 {
				t.Errorf("%d logins and requests %q, want one of each", len(logins), calls)
			}
			if test.want == "" {
				if err != nil || got.ID != "x" {
					t.Errorf("Place = %+v, %v; want id x", got, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Place: %v, want an *Error", err)
			}
			if e.Kind != test.want || e.Status != test.status || e.RetryAfter != test.after || !slices.Equal(e.Codes, test.codes) {
				t.Errorf("Place: %+v, want kind %s, codes %q, again after %s", e, test.want, test.codes, test.after)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("Place: %v, want it to be %v", err, test.is)
			}
			for _, sentinel := range []error{ErrUnauthorized, ErrNotFound, ErrCredentials, ErrNotLoggedIn} {
				if !errors.Is(test.is, sentinel) && errors.Is(err, sentinel) {
					t.Errorf("Place: %v is also %v", err, sentinel)
				}
			}
		})
	}
}

func TestPlaceDropsRefusedToken(t *testing.T) {
	t.Parallel()
	rc := &platform{api: reply(401, ``)}
	c := rc.client(t, nil)
	mustLogin(t, c)
	if _, err := c.Place(t.Context(), someCall()); !errors.Is(err, ErrUnauthorized) {
		t.Fatalf("first Place: %v, want %v", err, ErrUnauthorized)
	}
	if _, err := c.Place(t.Context(), someCall()); !errors.Is(err, ErrNotLoggedIn) {
		t.Fatalf("second Place: %v, want %v", err, ErrNotLoggedIn)
	}
	rc.api = reply(200, `{"id":"x"}`)
	mustLogin(t, c)
	if _, err := c.Place(t.Context(), someCall()); err != nil {
		t.Fatalf("Place after Login: %v", err)
	}
	if got := rc.last.Header.Get("Authorization"); got != "Bearer access-2" {
		t.Errorf("Authorization: %s, want the second token", got)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"234343434":                "234343434",
		"s-a1d1e2=cs17@10.13.22.3": "s-a1d1e2=cs17@10.13.22.3",
		"a/b":                      "a%2Fb",
		"../../oauth/revoke":       "..%2F..%2Foauth%2Frevoke",
		"a?b=c#d":                  "a%3Fb=c%23d",
		"100%":                     "100%25",
		"a%2Fb":                    "a%252Fb",
		"a b;c":                    "a%20b%3Bc",
		"ü":                        "%C3%BC",
	} {
		rc := &platform{api: reply(200, `{"id":"another","status":{"callStatus":"Success"}}`)}
		c := rc.served(t, nil)
		got, err := c.Status(t.Context(), id)
		if err != nil || got.ID != id {
			t.Errorf("Status(%q) = %+v, %v; want its own id", id, got, err)
		}
		if err := c.Cancel(t.Context(), id); err != nil {
			t.Errorf("Cancel(%q): %v", id, err)
		}
		path := "v1.0/account/~/extension/~/ring-out/" + want
		if wants := []string{"GET " + path, "DELETE " + path}; !slices.Equal(rc.calls, wants) {
			t.Errorf("id %q: requests %q, want %q", id, rc.calls, wants)
		}
	}
	rc := &platform{}
	c := rc.client(t, nil)
	for _, id := range []string{"", " ", ".", "..", "a\r\nb"} {
		if _, err := c.Status(t.Context(), id); kindOfError(err) != NotSent {
			t.Errorf("Status(%q): %v, want it not sent", id, err)
		}
		if err := c.Cancel(t.Context(), id); kindOfError(err) != NotSent {
			t.Errorf("Cancel(%q): %v, want it not sent", id, err)
		}
	}
	if logins, calls := rc.sent(); len(logins)+len(calls) != 0 {
		t.Errorf("sent %v %v, want nothing", logins, calls)
	}
}

func TestStatusAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		body   string
		legs   [3]Status
		want   Kind
		is     error
	}{
		{
			name: "running", status: 200,
			body: `{"id":1,"status":{"callStatus":"Success","callerStatus":"finished","calleeStatus":"NosuchUser"}}`,
			legs: [3]Status{Success, Finished, NoSuchUser},
		},
		{name: "an unknown value", status: 200, body: `{"status":{"callStatus":"On Hold"}}`, legs: [3]Status{"On Hold"}},
		{name: "404", status: 404, body: `{"errorCode":"CMN-102"}`, want: Refused, is: ErrNotFound},
		{name: "no session", status: 200, body: `{"id":1,"status":{"callStatus":"No Session Found"}}`, want: Refused, is: ErrNotFound},
		{
			name: "no session for a leg", status: 200, want: Refused, is: ErrNotFound,
			body: `{"id":1,"status":{"callStatus":"InProgress","callerStatus":"NoSessionFound"}}`,
		},
		{name: "no statuses", status: 200, body: `{"id":1}`, want: Unknown, is: errUndecodable},
		{name: "empty statuses", status: 200, body: `{"id":1,"status":{"callStatus":""}}`, want: Unknown, is: errUndecodable},
		{name: "no JSON", status: 200, body: `x`, want: Unknown, is: errUndecodable},
		{name: "403", status: 403, want: Refused},
		{name: "429", status: 429, want: Limited},
		{name: "302", status: 302, want: Unknown, is: errRedirect},
		{name: "503", status: 503, want: Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rc := &platform{api: reply(test.status, test.body)}
			c := rc.client(t, nil)
			got, err := c.Status(t.Context(), "1")
			if kindOfError(err) != test.want || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("Status: %v, want kind %q and %v", err, test.want, test.is)
			}
			if legs := [3]Status{got.Call, got.Caller, got.Callee}; legs != test.legs {
				t.Errorf("Status = %q, want %q", legs, test.legs)
			}
			if !errors.Is(test.is, ErrNotFound) && errors.Is(err, ErrNotFound) {
				t.Errorf("Status: %v, which is %v", err, ErrNotFound)
			}
			if len(rc.calls) != 1 {
				t.Errorf("requests %q, want one", rc.calls)
			}
		})
	}
}

func TestUnknownStatusIsTold(t *testing.T) {
	t.Parallel()
	rc := &platform{api: reply(200, `{"id":1,"status":{"callStatus":"Success","callerStatus":"Par\nked 16505550100","calleeStatus":"`+
		strings.Repeat("x", 100)+`"}}`)}
	var told []string
	c := rc.client(t, func(config *Config) {
		config.UnknownStatus = func(_ context.Context, field, value string) { told = append(told, field+"="+value) }
	})
	got, err := c.Status(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Caller != "Par\nked 16505550100" || len(got.Callee) != 64 {
		t.Errorf("Status = %+v, want the values kept, the longest bounded", got)
	}
	if want := []string{"callerStatus=Par ked …0100", "calleeStatus=" + strings.Repeat("x", 64)}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestCancelAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		want   Kind
		is     error
	}{
		{204, "", nil},
		{200, "", nil},
		{404, Refused, ErrNotFound},
		{403, Refused, nil},
		{429, Limited, nil},
		{500, Unknown, nil},
		{307, Unknown, errRedirect},
	} {
		rc := &platform{api: reply(test.status, "")}
		err := rc.client(t, nil).Cancel(t.Context(), "1")
		if kindOfError(err) != test.want || test.want == "" && err != nil || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("HTTP %d: Cancel: %v, want kind %q and %v", test.status, err, test.want, test.is)
		}
		if len(rc.calls) != 1 {
			t.Errorf("HTTP %d: requests %q, want one", test.status, rc.calls)
		}
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
		if got := r.URL.Query().Get("detailedTelephonyState"); got != "true" {
			t.Errorf("detailedTelephonyState=%q, want true", got)
		}
		w.Header().Set("Date", "Sun, 01 Mar 2026 12:00:00 GMT")
		reply(200, `{"telephonyStatus":"NoCall"}`)(w, r, body)
	}}
	c := rc.served(t, nil)
	got, err := c.Presence(t.Context())
	if err != nil || got.Telephony != "NoCall" || len(got.Calls) != 0 || got.At.Hour() != 12 {
		t.Errorf("Presence = %+v, %v; want NoCall at 12", got, err)
	}
	if want := []string{"GET v1.0/account/~/extension/~/presence"}; !slices.Equal(rc.calls, want) {
		t.Errorf("requests %q, want %q", rc.calls, want)
	}
	rc.api = reply(200, `{}`)
	if _, err := c.Presence(t.Context()); kindOfError(err) != Unknown {
		t.Errorf("Presence of an empty answer: %v, want unknown", err)
	}
	rc.api = reply(404, ``)
	if _, err := c.Presence(t.Context()); kindOfError(err) != Refused || errors.Is(err, ErrNotFound) {
		t.Errorf("Presence with 404: %v, want refused, no call is missing", err)
	}
}

// After a 401 what may be repeated is repeated once, with a new token and with leave.
func TestRepeatAfter401(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*Client, context.Context) error{
		"light": func(c *Client, ctx context.Context) error { _, err := c.Status(ctx, "1"); return err },
		"heavy": func(c *Client, ctx context.Context) error { return c.Cancel(ctx, "1") },
	} {
		for _, good := range []string{"Bearer access-2", "none"} {
			t.Run(name+" "+good, func(t *testing.T) {
				t.Parallel()
				rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
					if r.Header.Get("Authorization") != good {
						reply(401, ``)(w, r, body)
						return
					}
					reply(200, `{"id":1,"status":{"callStatus":"Success"}}`)(w, r, body)
				}}
				var admitted []Group
				c := rc.client(t, func(config *Config) {
					config.Admit = func(_ context.Context, g Group) error {
						admitted = append(admitted, g)
						return nil
					}
				})
				err := do(c, t.Context())
				if good == "none" && !errors.Is(err, ErrUnauthorized) || good != "none" && err != nil {
					t.Errorf("got %v", err)
				}
				logins, calls := rc.sent()
				if len(logins) != 2 || len(calls) != 2 {
					t.Errorf("%d logins, %d requests; want 2 of each", len(logins), len(calls))
				}
				if want := []Group{Auth, Auth, Group(name)}; !slices.Equal(admitted, want) {
					t.Errorf("asked for leave %q, want %q", admitted, want)
				}
			})
		}
	}
}

func TestRepeatNeedsLeave(t *testing.T) {
	t.Parallel()
	rc := &platform{api: reply(401, ``)}
	stop := errors.New("no slot")
	c := rc.client(t, func(config *Config) {
		config.Admit = func(_ context.Context, g Group) error {
			if g == Light {
				return stop
			}
			return nil
		}
	})
	if _, err := c.Status(t.Context(), "1"); kindOfError(err) != NotSent || !errors.Is(err, stop) {
		t.Errorf("Status: %v, want not sent, %v", err, stop)
	}
	if len(rc.calls) != 1 {
		t.Errorf("requests %q, want one", rc.calls)
	}
}

// A login that fails during Status keeps its own kind, and a 404 there is no missing call.
func TestStatusWithoutLogin(t *testing.T) {
	t.Parallel()
	rc := &platform{token: func(w http.ResponseWriter, _ url.Values, _ int) { w.WriteHeader(404) }}
	c := rc.client(t, nil)
	_, err := c.Status(t.Context(), "1")
	var e *Error
	if !errors.As(err, &e) || e.Op != opLogin || e.Kind != Refused || errors.Is(err, ErrNotFound) || errors.Is(err, ErrCredentials) {
		t.Errorf("Status: %v, want a refused login that is no missing call", err)
	}
	if !strings.HasPrefix(err.Error(), "call status: login: ") {
		t.Errorf("Status: %q, want it to say both operations", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	var revoked atomic.Int64 // tokens up to this number are refused
	rc := &platform{api: func(w http.ResponseWriter, r *http.Request, body string) {
		var n int64
		if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer access-%d", &n); err != nil || n <= revoked.Load() {
			reply(401, ``)(w, r, body)
			return
		}
		reply(200, `{"id":"x","status":{"callStatus":"Success","callerStatus":"Success","calleeStatus":"Success"}}`)(w, r, body)
	}}
	c := rc.served(t, func(config *Config) {
		config.Observe = func(context.Context, Quota) {}
	})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if i == 100 {
				revoked.Store(1)
			}
			if _, err := c.Status(t.Context(), "x"); err != nil {
				t.Errorf("Status: %v", err)
			}
			if err := c.Login(t.Context()); err != nil {
				t.Errorf("Login: %v", err)
			}
			if _, err := c.Place(t.Context(), someCall()); err != nil && kindOfError(err) != Refused && !errors.Is(err, ErrNotLoggedIn) {
				t.Errorf("Place: %v", err)
			}
		})
	}
	wg.Wait()
	if logins, _ := rc.sent(); len(logins) > 2 {
		t.Errorf("%d logins, want one, and one more after the first token was revoked", len(logins))
	}
}
