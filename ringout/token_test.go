package ringout

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// grants is what each token request asked for.
func grants(logins []url.Values) []string {
	var all []string
	for _, form := range logins {
		switch form.Get("grant_type") {
		case jwtGrant:
			all = append(all, "jwt:"+form.Get("assertion"))
		case "refresh_token":
			all = append(all, "refresh:"+form.Get("refresh_token"))
		default:
			all = append(all, "?")
		}
	}
	return all
}

func wantGrants(t *testing.T, rc *platform, when string, want ...string) {
	t.Helper()
	logins, _ := rc.sent()
	if got := grants(logins); !slices.Equal(got, want) {
		t.Errorf("%s: token requests %q, want %q", when, got, want)
	}
}

const jwtLogin = "jwt:" + testJWT

func TestTokenIsRenewedEarly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		life   float64 // seconds
		renew  time.Duration
		expire time.Duration
	}{
		{"an hour", 3600, 54 * time.Minute, time.Hour},
		{"two hours less one second, as in RingCentral's samples", 7199, 6479100 * time.Millisecond, 7199 * time.Second},
		{"ten minutes", 600, 9 * time.Minute, 10 * time.Minute},
		{"a minute, in a demo", 60, 60*time.Second - 13333333333, time.Minute},
		{"a second", 1, time.Second - 222222222, time.Second},
		{"not told", 0, 9 * time.Minute, 10 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			rc := &platform{
				api:   reply(200, `{"id":"x"}`),
				token: func(w http.ResponseWriter, _ url.Values, n int) { grantToken(w, n, test.life, false) },
			}
			c := rc.client(t, nil)
			start := time.Now()
			mustLogin(t, c)
			mustLogin(t, c)
			wantGrants(t, rc, test.name+", at once", jwtLogin)

			time.Sleep(test.renew - time.Nanosecond)
			mustLogin(t, c)
			wantGrants(t, rc, test.name+", before the margin", jwtLogin)

			time.Sleep(test.expire - time.Since(start) - time.Nanosecond)
			if _, err := c.Place(t.Context(), someCall()); err != nil {
				t.Errorf("%s: Place with the last of the token: %v", test.name, err)
			}
			time.Sleep(time.Nanosecond)
			if _, err := c.Place(t.Context(), someCall()); !errors.Is(err, ErrNotLoggedIn) {
				t.Errorf("%s: Place with an expired token: %v, want %v", test.name, err, ErrNotLoggedIn)
			}
			wantGrants(t, rc, test.name+", after Place", jwtLogin)

			mustLogin(t, c)
			time.Sleep(test.renew)
			mustLogin(t, c)
			wantGrants(t, rc, test.name+", in the margin", jwtLogin, jwtLogin, jwtLogin)
		})
	}
}

func TestMargin(t *testing.T) {
	t.Parallel()
	most := func(d time.Duration) time.Duration { return d }
	none := func(time.Duration) time.Duration { return 0 }
	for _, life := range []time.Duration{
		time.Millisecond, time.Second, time.Minute, 4 * time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour,
	} {
		least, largest := margin(life, none), margin(life, most)
		if largest > life/3 {
			t.Errorf("life %s: margin up to %s, want a third at most", life, largest)
		}
		if least <= 0 || largest <= least {
			t.Errorf("life %s: margin %s to %s, want some spread above 0", life, least, largest)
		}
		if life >= 5*time.Minute && least != max(time.Minute, life/10) {
			t.Errorf("life %s: margin from %s, want 60 s or a tenth", life, least)
		}
	}
	var some, other time.Duration
	for range 1000 {
		d := jitter(time.Hour)
		if d < 0 || d > time.Hour {
			t.Fatalf("jitter(1h) = %s", d)
		}
		if some == 0 {
			some = d
		}
		if d != some {
			other = d
		}
	}
	if other == 0 {
		t.Error("jitter always gives the same")
	}
	if d := jitter(0); d != 0 {
		t.Errorf("jitter(0) = %s", d)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	// server gives an hour and a refresh token, and refuses refresh tokens that were used or are in refused.
	server := func(refused ...string) *platform {
		used := map[string]bool{}
		return &platform{api: reply(200, `{"id":"x"}`), token: func(w http.ResponseWriter, form url.Values, n int) {
			if r := form.Get("refresh_token"); r != "" && (used[r] || slices.Contains(refused, r)) {
				w.WriteHeader(400)
				_, _ = io.WriteString(w, `{"error":"invalid_grant","errors":[{"errorCode":"OAU-210"}]}`)
				return
			} else if r != "" {
				used[r] = true
			}
			grantToken(w, n, 3600, true)
		}}
	}

	t.Run("each token once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			rc := server()
			c := rc.client(t, nil)
			for range 3 {
				mustLogin(t, c)
				time.Sleep(55 * time.Minute)
			}
			wantGrants(t, rc, "three lives", jwtLogin, "refresh:refresh-1", "refresh:refresh-2")
		})
	})

	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			rc := server("refresh-1")
			var admitted int
			c := rc.client(t, func(config *Config) {
				config.Admit = func(context.Context, Group) error { admitted++; return nil }
			})
			mustLogin(t, c)
			time.Sleep(55 * time.Minute)
			mustLogin(t, c)
			wantGrants(t, rc, "refused", jwtLogin, "refresh:refresh-1", jwtLogin)
			if admitted != 3 {
				t.Errorf("asked for leave %d times, want once per token request", admitted)
			}
			if _, err := c.Place(t.Context(), someCall()); err != nil || rc.last.Header.Get("Authorization") != "Bearer access-3" {
				t.Errorf("Place: %v with %s, want the third token", err, rc.last.Header.Get("Authorization"))
			}
		})
	})

	t.Run("refused, and then RingCentral fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			rc := server("refresh-1")
			ok := rc.token
			rc.token = func(w http.ResponseWriter, form url.Values, n int) {
				if n == 3 {
					w.WriteHeader(503)
					return
				}
				ok(w, form, n)
			}
			c := rc.client(t, nil)
			mustLogin(t, c)
			time.Sleep(55 * time.Minute)
			mustLogin(t, c) // the token in hand is still good
			time.Sleep(brokenHold)
			mustLogin(t, c)
			wantGrants(t, rc, "after the hold", jwtLogin, "refresh:refresh-1", jwtLogin, jwtLogin)
		})
	})

	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			rc := server()
			c := rc.client(t, nil)
			mustLogin(t, c)
			time.Sleep(604800 * time.Second)
			mustLogin(t, c)
			wantGrants(t, rc, "a week later", jwtLogin, jwtLogin)
		})
	})

	t.Run("not after a 401", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			rc := server()
			c := rc.client(t, nil)
			mustLogin(t, c)
			rc.api = reply(401, ``)
			if _, err := c.Place(t.Context(), someCall()); !errors.Is(err, ErrUnauthorized) {
				t.Fatalf("Place: %v", err)
			}
			mustLogin(t, c)
			wantGrants(t, rc, "after a 401", jwtLogin, jwtLogin)
		})
	})

	for name, status := range map[string]int{"limited": 429, "failing": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rc := server()
				ok := rc.token
				c := rc.client(t, nil)
				mustLogin(t, c)
				time.Sleep(55 * time.Minute)
				rc.token = func(w http.ResponseWriter, _ url.Values, _ int) { w.WriteHeader(status) }
				mustLogin(t, c) // the token in hand is still good
				mustLogin(t, c)
				wantGrants(t, rc, "during the hold", jwtLogin, "refresh:refresh-1")
				if _, err := c.Place(t.Context(), someCall()); err != nil {
					t.Errorf("Place with the token in hand: %v", err)
				}
				time.Sleep(5 * time.Minute)
				if err := c.Login(t.Context()); err == nil {
					t.Error("Login with an expired token and a failing server: no error")
				}
				rc.token = ok
				time.Sleep(limitedHold)
				mustLogin(t, c)
				wantGrants(t, rc, "afterwards", jwtLogin, "refresh:refresh-1", "refresh:refresh-1", "refresh:refresh-1")
			})
		})
	}
}

// A refused or failing token endpoint is left alone for a while, by however many callers.
func TestFailedLoginIsRemembered(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   Kind
		bad    bool // ErrCredentials
		hold   time.Duration
	}{
		{name: "bad JWT", status: 400, body: `{"error":"invalid_grant"}`, want: Refused, bad: true, hold: time.Minute},
		{name: "bad client", status: 401, body: `{"error":"invalid_client"}`, want: Refused, bad: true, hold: time.Minute},
		{name: "forbidden", status: 403, want: Refused, bad: true, hold: time.Minute},
		{
			name: "bad JWT, told when", status: 400, header: http.Header{"Retry-After": {"300"}},
			want: Refused, bad: true, hold: 5 * time.Minute,
		},
		{name: "wrong address", status: 404, want: Refused, hold: time.Minute},
		{name: "limited", status: 429, want: Limited, hold: 30 * time.Second},
		{name: "limited, told when", status: 429, header: http.Header{"Retry-After": {"7"}}, want: Limited, hold: 7 * time.Second},
		{name: "failing", status: 500, want: Unknown, hold: 10 * time.Second},
		{name: "away", status: 503, header: http.Header{"Retry-After": {"90"}}, want: Unknown, hold: 90 * time.Second},
		{name: "timeout", status: 408, want: Unknown, hold: 10 * time.Second},
		{name: "redirect", status: 302, want: Unknown, hold: 10 * time.Second},
		{name: "no token", status: 200, body: `{"expires_in":3600}`, want: Unknown, hold: 10 * time.Second},
		{name: "a token that cannot be sent", status: 200, body: `{"access_token":"a\r\nb"}`, want: Unknown, hold: 10 * time.Second},
		{name: "a token of another type", status: 200, body: `{"access_token":"a","token_type":"mac"}`, want: Unknown, hold: 10 * time.Second},
		{name: "no JSON", status: 200, body: `<html>`, want: Unknown, hold: 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			rc := &platform{token: func(w http.ResponseWriter, _ url.Values, _ int) {
				maps.Copy(w.Header(), test.header)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}}
			c := rc.client(t, nil)
			check := func(when string, err error, after time.Duration) {
				t.Helper()
				var e *Error
				if !errors.As(err, &e) || e.Kind != test.want || e.Status != test.status || errors.Is(err, ErrCredentials) != test.bad {
					t.Errorf("%s, %s: %v, want %s, HTTP %d, credentials %t", test.name, when, err, test.want, test.status, test.bad)
				} else if e.RetryAfter != after {
					t.Errorf("%s, %s: again after %s, want %s", test.name, when, e.RetryAfter, after)
				}
			}
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() { check("at once", c.Login(t.Context()), test.hold) })
			}
			wg.Wait()
			time.Sleep(test.hold - time.Second)
			check("a second before the end", c.Login(t.Context()), time.Second)
			_, err := c.Status(t.Context(), "x")
			check("Status", err, time.Second)
			if logins, calls := rc.sent(); len(logins) != 1 || len(calls) != 0 {
				t.Errorf("%s: %d token requests and %q, want one and none", test.name, len(logins), calls)
			}
			time.Sleep(time.Second)
			rc.token = nil
			mustLogin(t, c)
			if logins, _ := rc.sent(); len(logins) != 2 {
				t.Errorf("%s: %d token requests after the hold, want 2", test.name, len(logins))
			}
		})
	}
}

func TestUnreachableLoginIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := (&platform{}).client(t, func(config *Config) {
			config.Transport = roundTrip(func(*http.Request) (*http.Response, error) { tries++; return nil, io.EOF })
		})
		for range 10 {
			if err := c.Login(t.Context()); kindOfError(err) != Unknown || !errors.Is(err, io.EOF) {
				t.Errorf("Login: %v, want unknown, end of file", err)
			}
		}
		time.Sleep(brokenHold)
		if err := c.Login(t.Context()); err == nil || tries != 2 {
			t.Errorf("Login after the hold: %v, %d tries; want an error and 2", err, tries)
		}
	})
}

// Credentials that are refused at a renewal are told, though calls under way are followed with the token in hand.
func TestRenewalRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{api: reply(200, `{"id":"x","status":{"callStatus":"Success"}}`)}
		c := rc.client(t, nil)
		mustLogin(t, c)
		time.Sleep(55 * time.Minute)
		rc.token = func(w http.ResponseWriter, _ url.Values, _ int) { w.WriteHeader(400) }
		if err := c.Login(t.Context()); !errors.Is(err, ErrCredentials) {
			t.Errorf("Login: %v, want %v", err, ErrCredentials)
		}
		if _, err := c.Status(t.Context(), "x"); err != nil {
			t.Errorf("Status with the token in hand: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if _, err := c.Status(t.Context(), "x"); !errors.Is(err, ErrCredentials) {
			t.Errorf("Status with an expired token: %v, want %v", err, ErrCredentials)
		}
	})
}

// The API refuses one new token after another: logging in is no help, and must not become a storm.
func TestTokensRefusedInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{api: reply(401, ``)}
		c := rc.client(t, nil)
		for range 20 {
			if _, err := c.Status(t.Context(), "x"); !errors.Is(err, ErrUnauthorized) {
				t.Errorf("Status: %v, want %v", err, ErrUnauthorized)
			}
		}
		if logins, _ := rc.sent(); len(logins) != maxRefused {
			t.Errorf("%d token requests, want %d", len(logins), maxRefused)
		}
		rc.api = reply(200, `{"id":"x","status":{"callStatus":"Success"}}`)
		time.Sleep(brokenHold)
		for range 2 {
			if _, err := c.Status(t.Context(), "x"); err != nil {
				t.Errorf("Status after the hold: %v", err)
			}
		}
		rc.api = reply(401, ``)
		if _, err := c.Place(t.Context(), someCall()); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("Place: %v", err)
		}
		mustLogin(t, c) // one refusal after a good answer is no row
	})
}

func TestWaitersShareALogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{token: func(w http.ResponseWriter, _ url.Values, n int) {
			time.Sleep(3 * time.Second)
			grantToken(w, n, 3600, false)
		}}
		c := rc.client(t, nil)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // the one that starts the login leaves first
			start := time.Now()
			err := c.Login(ctx)
			if kindOfError(err) != NotSent || !errors.Is(err, gone) || time.Since(start) != time.Second {
				t.Errorf("Login of the one who left: %v after %s, want %v after 1s", err, time.Since(start), gone)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if err := c.Login(t.Context()); err != nil {
					t.Errorf("Login: %v", err)
				}
			})
		}
		wg.Go(func() {
			short, stop := context.WithTimeout(t.Context(), 2*time.Second)
			defer stop()
			if err := c.Login(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Login with little time: %v, want %v", err, context.DeadlineExceeded)
			}
		})
		time.Sleep(time.Second)
		cancel(gone)
		wg.Wait()
		wantGrants(t, rc, "together", jwtLogin)
	})
}

// The answer to a token request is kept even if nobody waited for it to the end.
func TestLoginOutlivesItsWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{token: func(w http.ResponseWriter, _ url.Values, n int) {
			time.Sleep(3 * time.Second)
			grantToken(w, n, 3600, false)
		}}
		c := rc.client(t, nil)
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := c.Login(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Login: %v, want %v", err, context.DeadlineExceeded)
		}
		time.Sleep(3 * time.Second)
		mustLogin(t, c)
		wantGrants(t, rc, "afterwards", jwtLogin)
	})
}

// A login that waits for leave ends with its last waiter.
func TestAdmitIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{}
		type key struct{}
		ended := make(chan error, 10)
		var open atomic.Bool
		c := rc.client(t, func(config *Config) {
			config.Admit = func(ctx context.Context, g Group) error {
				if g != Auth || ctx.Value(key{}) != "value" {
					t.Errorf("Admit(%s) with value %v, want auth and the waiter's value", g, ctx.Value(key{}))
				}
				if open.Load() {
					return nil
				}
				<-ctx.Done()
				ended <- ctx.Err()
				return nil // late leave, which nobody wants any more
			}
		})
		ctx := context.WithValue(t.Context(), key{}, "value")
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				short, stop := context.WithTimeout(ctx, time.Duration(i+1)*time.Second)
				defer stop()
				if err := c.Login(short); kindOfError(err) != NotSent || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Login: %v, want not sent, %v", err, context.DeadlineExceeded)
				}
			})
		}
		time.Sleep(2500 * time.Millisecond)
		if len(ended) != 0 {
			t.Errorf("Admit ended with %v while one was waiting", <-ended)
		}
		wg.Wait()
		synctest.Wait()
		if n := len(ended); n != 1 {
			t.Fatalf("Admit ended %d times, want once", n)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Admit ended with %v, want %v", err, context.Canceled)
		}
		wantGrants(t, rc, "abandoned")
		open.Store(true)
		if err := c.Login(ctx); err != nil {
			t.Errorf("Login: %v", err)
		}
		wantGrants(t, rc, "afterwards", jwtLogin)
	})
}

// What Admit says is no answer of RingCentral's, and not remembered.
func TestAdmitRefuses(t *testing.T) {
	t.Parallel()
	stop := errors.New("redis is away")
	rc := &platform{}
	var err error
	c := rc.client(t, func(config *Config) {
		config.Admit = func(context.Context, Group) error { return err }
	})
	err = stop
	got := c.Login(t.Context())
	var e *Error
	if !errors.As(got, &e) || e.Kind != NotSent || e.RetryAfter != 0 || !errors.Is(got, stop) {
		t.Errorf("Login: %v, want not sent, %v", got, stop)
	}
	wantGrants(t, rc, "refused")
	err = nil
	mustLogin(t, c)
	wantGrants(t, rc, "admitted", jwtLogin)
}

// While a renewal waits for leave, calls under way are followed with the token in hand.
func TestStatusDoesNotWaitForARenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{api: reply(200, `{"id":"x","status":{"callStatus":"Success"}}`)}
		var block atomic.Bool
		c := rc.client(t, func(config *Config) {
			config.Admit = func(ctx context.Context, _ Group) error {
				if block.Load() {
					<-ctx.Done()
				}
				return ctx.Err()
			}
		})
		mustLogin(t, c)
		time.Sleep(55 * time.Minute)
		block.Store(true)
		start := time.Now()
		if _, err := c.Status(t.Context(), "x"); err != nil || time.Since(start) != patience {
			t.Errorf("Status: %v after %s, want success after %s", err, time.Since(start), patience)
		}
		time.Sleep(5 * time.Minute) // expired: now there is no way round the login
		short, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		if _, err := c.Status(short, "x"); kindOfError(err) != NotSent || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Status: %v, want not sent, %v", err, context.DeadlineExceeded)
		}
		synctest.Wait()
	})
}

// A late 401 for a token that has been replaced does not cost the new one.
func TestLate401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := &platform{
			token: func(w http.ResponseWriter, _ url.Values, n int) { grantToken(w, n, 3600, true) },
			api: func(w http.ResponseWriter, r *http.Request, body string) {
				if r.Header.Get("Authorization") == "Bearer access-1" {
					time.Sleep(2 * time.Second) // meanwhile the token is refreshed, which ends the old one
					reply(401, ``)(w, r, body)
					return
				}
				reply(200, `{"id":"x","status":{"callStatus":"Success"}}`)(w, r, body)
			},
		}
		c := rc.client(t, nil)
		mustLogin(t, c)
		time.Sleep(54*time.Minute - time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Status(t.Context(), "x"); err != nil {
				t.Errorf("Status: %v", err)
			}
		})
		time.Sleep(time.Second)
		mustLogin(t, c)
		wg.Wait()
		mustLogin(t, c)
		wantGrants(t, rc, "afterwards", jwtLogin, "refresh:refresh-1")
	})
}

func TestDecodeToken(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	none := func(time.Duration) time.Duration { return 0 }
	for body, want := range map[string]time.Duration{
		`{"access_token":"a","expires_in":3600}`:                         time.Hour,
		`{"access_token":"a","expires_in":"3600","token_type":"Bearer"}`: time.Hour,
		`{"access_token":"a","expires_in":1.5}`:                          1500 * time.Millisecond,
		`{"access_token":"a"}`:                                           assumedLife,
		`{"access_token":"a","expires_in":-1}`:                           assumedLife,
		`{"access_token":"a","expires_in":"NaN"}`:                        assumedLife,
		`{"access_token":"a","expires_in":1e300}`:                        maxLife,
	} {
		got, ok := decodeToken([]byte(body), sent, none)
		if !ok || got.expires.Sub(sent) != want || !got.renew.Before(got.expires) || got.renew.Before(sent) {
			t.Errorf("decodeToken(%s) = %+v, %t; want a life of %s", body, got, ok, want)
		}
	}
}
