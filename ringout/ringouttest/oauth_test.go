package ringouttest

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// refresh asks for new tokens.
func (c *caller) refresh(token string) answered {
	c.t.Helper()
	return c.form("/restapi/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (c *caller) jwt(token string, more url.Values) answered {
	c.t.Helper()
	form := url.Values{"grant_type": {grantJWT}, "assertion": {token}}
	maps.Copy(form, more)
	return c.form("/restapi/oauth/token", form)
}

func TestRefreshTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Limits: unlimited()})
	c := &caller{t: t, http: &http.Client{Transport: sim.Transport()}}
	first := c.jwt("jwt", nil)
	old := first.get(t, "refresh_token")
	c.token = first.get(t, "access_token")
	want(t, "before", c.get("/presence").status, http.StatusOK)

	second := c.refresh(old)
	want(t, "refresh", second.status, http.StatusOK)
	want(t, "the old access token at once", c.get("/presence").status, http.StatusUnauthorized)

	clock.step(59 * time.Minute) // the new access token was not used yet
	again := c.refresh(old)
	want(t, "the old refresh token", again.status, http.StatusOK)
	want(t, "answers the same access token", again.get(t, "access_token"), second.get(t, "access_token"))
	want(t, "and the same refresh token", again.get(t, "refresh_token"), second.get(t, "refresh_token"))

	c.token = second.get(t, "access_token")
	want(t, "the new access token", c.get("/presence").status, http.StatusOK)
	clock.step(9 * time.Second)
	want(t, "the old refresh token 9 s after its use", c.refresh(old).status, http.StatusOK)
	clock.step(time.Second)
	a := c.refresh(old)
	want(t, "the old refresh token after 10 s", a.status, http.StatusBadRequest)
	want(t, "error", a.get(t, "error"), "invalid_grant")
	want(t, "the new refresh token", c.refresh(second.get(t, "refresh_token")).status, http.StatusOK)
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	sim := New(Config{Now: clock.Now, Scale: 60})
	c := login(t, sim, "jwt")
	clock.step(time.Minute - 1)
	want(t, "within a scaled hour", c.get("/presence").status, http.StatusOK)
	clock.step(1)
	a := c.get("/presence")
	want(t, "after a scaled hour", a.status, http.StatusUnauthorized)
	want(t, "code", a.get(t, "errors.0.errorCode"), "OAU-213")
}

func TestTokenTTL(t *testing.T) {
	t.Parallel()
	sim := New(Config{Limits: unlimited()})
	c := &caller{t: t, http: &http.Client{Transport: sim.Transport()}}
	for asked, got := range map[string]string{"": "3600", "900": "900", "10": "600", "86400": "3600", "-1": "3600", "x": "3600"} {
		want(t, "asked for "+asked, c.jwt("jwt", url.Values{"access_token_ttl": {asked}}).get(t, "expires_in"), got)
	}
	fast := New(Config{Scale: 1000})
	c.http.Transport = fast.Transport()
	want(t, "never more than it lives", c.jwt("jwt", nil).get(t, "expires_in"), "3")
}

func TestWithoutRefreshTokens(t *testing.T) {
	t.Parallel()
	sim := New(Config{NoRefreshTokens: true})
	c := &caller{t: t, http: &http.Client{Transport: sim.Transport()}}
	a := c.jwt("jwt", nil)
	want(t, "refresh token", a.get(t, "refresh_token"), "")
	want(t, "refresh", c.refresh("").status, http.StatusBadRequest)
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	sim := New(Config{Limits: unlimited()})
	c := &caller{t: t, http: &http.Client{Transport: sim.Transport()}}
	tokens := c.jwt("jwt", nil)
	other := c.jwt("jwt", nil)
	want(t, "revoke", c.form("/restapi/oauth/revoke", url.Values{"token": {tokens.get(t, "access_token")}}).status, http.StatusOK)
	want(t, "the session's refresh token", c.refresh(tokens.get(t, "refresh_token")).status, http.StatusBadRequest)
	c.token = tokens.get(t, "access_token")
	want(t, "its access token", c.get("/presence").status, http.StatusUnauthorized)
	c.token = other.get(t, "access_token")
	want(t, "another session", c.get("/presence").status, http.StatusOK)
	want(t, "an unknown token", c.form("/restapi/oauth/revoke", url.Values{"token": {"x"}}).status, http.StatusOK)
}

func TestRevokeTokensOfOneExtension(t *testing.T) {
	t.Parallel()
	sim := New(Config{Extensions: []Extension{{ID: "101", JWT: "a"}, {ID: "102", JWT: "b"}}})
	a, b := login(t, sim, "a"), login(t, sim, "b")
	sim.RevokeTokens("101")
	want(t, "a", a.get("/presence").status, http.StatusUnauthorized)
	want(t, "b", b.get("/presence").status, http.StatusOK)
	sim.RevokeTokens("")
	want(t, "b later", b.get("/presence").status, http.StatusUnauthorized)
}

func TestSixthSessionEndsTheFirst(t *testing.T) {
	t.Parallel()
	sim := New(Config{Limits: unlimited()})
	var sessions []*caller
	for range 6 {
		sessions = append(sessions, login(t, sim, "jwt"))
	}
	for i, c := range sessions {
		expected := http.StatusOK
		if i == 0 {
			expected = http.StatusUnauthorized
		}
		want(t, "session", c.get("/presence").status, expected)
	}
}

func TestBadCredentials(t *testing.T) {
	t.Parallel()
	sim := New(Config{
		ClientID: "app", ClientSecret: "secret",
		Extensions: []Extension{{ID: "101", JWT: "good"}}, Limits: map[string]Limit{Auth: {N: 3}},
	})
	c := &caller{t: t, http: &http.Client{Transport: sim.Transport()}}
	want(t, "good", c.jwt("good", nil).status, http.StatusOK)
	a := c.jwt("bad", nil)
	want(t, "bad JWT", a.status, http.StatusBadRequest)
	want(t, "error", a.get(t, "error"), "invalid_grant")
	want(t, "code", a.get(t, "errors.0.errorCode"), "OAU-210")
	a = c.form("/restapi/oauth/token", url.Values{"grant_type": {"password"}})
	want(t, "another grant", a.get(t, "errors.0.errorCode"), "OAU-251")
	c.jwt("bad", nil)
	want(t, "a storm", c.jwt("bad", nil).status, http.StatusTooManyRequests)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://rc.example/restapi/oauth/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	for secret, code := range map[[2]string]string{{"app", "wrong"}: "OAU-123", {"wrong", "secret"}: "OAU-153"} {
		r.SetBasicAuth(secret[0], secret[1])
		response, err := sim.Transport().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		want(t, code, response.StatusCode, http.StatusUnauthorized)
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}

	logins := sim.Truth().Logins
	want(t, "logins", len(logins), 4)
	want(t, "the good one", logins[0], Login{At: logins[0].At, Extension: "101", Grant: "jwt", OK: true})
	want(t, "a bad one", logins[1].OK, false)
}

func TestAnyJWTIsAnExtension(t *testing.T) {
	t.Parallel()
	sim := New(Config{})
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"62264425008"}`)) + ".sig"
	login(t, sim, token).place(people)
	login(t, sim, "not a JWT").place(people)
	dials := sim.Truth().Dials
	want(t, "sub", dials[0].Extension, "62264425008")
	if dials[1].Extension == "" || dials[1].Extension == dials[0].Extension {
		t.Errorf("extension of an opaque token: %q", dials[1].Extension)
	}
}
