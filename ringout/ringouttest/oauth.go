package ringouttest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The grants that the token endpoint knows.
const (
	grantJWT     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantRefresh = "refresh_token"
)

// nobody is whose quota a request to the token endpoint uses that names no user.
const nobody = "unknown"

// session is one login: an access token, and a refresh token that is used once.
type session struct {
	owner   *extension
	id      string
	access  string
	refresh string // empty where the app has none

	accessUntil  time.Time
	refreshUntil time.Time

	// The refresh token before this one goes on answering the same tokens, for an hour, or for ten seconds from the
	// first use of the new access token.
	previous      string
	previousUntil time.Time
	used          bool // the access token was used
}

// client checks the app's credentials on a token endpoint and finds out whose quota it uses.
func (s *Simulator) client(q *request) (string, *answer) {
	id, secret, ok := q.BasicAuth()
	if id, err := url.QueryUnescape(id); err == nil && ok {
		ok = s.config.ClientID == "" || id == s.config.ClientID
	}
	if !ok {
		a := oauthFailure(http.StatusUnauthorized, "invalid_client", "OAU-153", "Invalid client: "+clip(id))
		return "", &a
	}
	if unescaped, err := url.QueryUnescape(secret); s.config.ClientSecret != "" && secret != s.config.ClientSecret &&
		(err != nil || unescaped != s.config.ClientSecret) {
		a := oauthFailure(http.StatusUnauthorized, "invalid_client", "OAU-123", "Client authentication is required")
		return "", &a
	}
	form, err := url.ParseQuery(string(q.body))
	if err != nil {
		a := oauthFailure(http.StatusBadRequest, "invalid_request", "OAU-101", "The body is no form")
		return "", &a
	}
	q.Form = form

	var owner *session
	switch {
	case q.op.name == OpRevoke:
		owner = s.sessions[form.Get("token")]
	case form.Get("grant_type") == grantRefresh:
		owner = s.sessions[form.Get("refresh_token")]
	case form.Get("grant_type") == grantJWT:
		q.ext = s.user(form.Get("assertion"))
	}
	if owner != nil {
		q.ext = owner.owner
	}
	if q.ext == nil {
		return nobody, nil
	}
	return q.ext.ID, nil
}

// user finds the extension of a JWT, or nil.
func (s *Simulator) user(jwt string) *extension {
	if jwt == "" {
		return nil
	}
	if x := s.byJWT[jwt]; x != nil || len(s.config.Extensions) > 0 {
		return x
	}
	id := subject(jwt)
	x := s.extensions[id]
	if x == nil {
		x = &extension{Extension: Extension{ID: id, JWT: jwt}}
		s.extensions[id] = x
	}
	s.byJWT[jwt] = x
	return x
}

// subject is a JWT's sub claim, or a number made of the token where it has none.
func subject(jwt string) string {
	if parts := strings.Split(jwt, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			var claims struct {
				Sub string `json:"sub"`
			}
			if json.Unmarshal(payload, &claims) == nil && claims.Sub != "" {
				return claims.Sub
			}
		}
	}
	sum := sha256.Sum256([]byte(jwt))
	return strconv.FormatUint(uint64(sum[0])<<24|uint64(sum[1])<<16|uint64(sum[2])<<8|uint64(sum[3]), 10)
}

// token answers POST /restapi/oauth/token.
func (s *Simulator) token(q *request) answer {
	grant := q.Form.Get("grant_type")
	login := Login{At: q.now, Grant: "other"}
	if q.ext != nil {
		login.Extension = q.ext.ID
	}
	defer func() { s.logins = append(s.logins, login) }()

	switch grant {
	case grantJWT:
		login.Grant = "jwt"
		if q.ext == nil {
			return oauthFailure(http.StatusBadRequest, "invalid_grant", "OAU-210", "Token is invalid or has been revoked")
		}
		login.OK = true
		return s.grant(q, s.open(q))
	case grantRefresh:
		login.Grant = "refresh_token"
		token := q.Form.Get("refresh_token")
		n := s.sessions[token]
		switch {
		case n == nil || s.config.NoRefreshTokens,
			token == n.refresh && !q.now.Before(n.refreshUntil),
			token == n.previous && !q.now.Before(n.previousUntil),
			token != n.refresh && token != n.previous:
			return oauthFailure(http.StatusBadRequest, "invalid_grant", "OAU-210", "Token expired")
		}
		login.OK = true
		if token == n.refresh {
			s.renew(q, n)
		}
		return s.grant(q, n)
	}
	return oauthFailure(http.StatusBadRequest, "unauthorized_client", "OAU-251", "Unauthorized for this grant type")
}

// open starts a session; the oldest one makes room for it.
func (s *Simulator) open(q *request) *session {
	x := q.ext
	for _, n := range slices.Clone(x.sessions) {
		if !q.now.Before(n.accessUntil) && !q.now.Before(n.refreshUntil) {
			s.end(n)
		}
	}
	for len(x.sessions) >= s.config.MaxSessions {
		s.end(x.sessions[0])
	}
	n := &session{owner: x, id: rand.Text()}
	x.sessions = append(x.sessions, n)
	s.renew(q, n)
	return n
}

// renew gives a session new tokens. The old access token is void from this moment.
func (s *Simulator) renew(q *request, n *session) {
	delete(s.sessions, n.access)
	delete(s.sessions, n.previous)
	n.used = false
	n.access = rand.Text()
	n.accessUntil = q.now.Add(s.config.scaled(ttl(q, "access_token_ttl", s.config.AccessTokenTTL, 10*time.Minute, time.Hour)))
	s.sessions[n.access] = n
	if s.config.NoRefreshTokens {
		return
	}
	n.previous, n.previousUntil = n.refresh, q.now.Add(s.config.scaled(time.Hour))
	n.refresh = rand.Text()
	n.refreshUntil = q.now.Add(s.config.scaled(ttl(q, "refresh_token_ttl", 7*24*time.Hour, time.Minute, 30*24*time.Hour)))
	s.sessions[n.refresh] = n
}

// ttl is how long a client wants a token to live, within RingCentral's bounds.
func ttl(q *request, name string, usual, least, most time.Duration) time.Duration {
	seconds, err := strconv.Atoi(q.Form.Get(name))
	if err != nil || seconds <= 0 {
		return usual
	}
	return min(max(time.Duration(seconds)*time.Second, least), most)
}

// tokenBody is the answer of the token endpoint.
type tokenBody struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int    `json:"expires_in"`
	RefreshToken     string `json:"refresh_token,omitempty"`
	RefreshExpiresIn int    `json:"refresh_token_expires_in,omitempty"`
	Scope            string `json:"scope"`
	OwnerID          string `json:"owner_id"`
	EndpointID       string `json:"endpoint_id"`
	SessionID        string `json:"session_id"`
}

// grant answers with a session's tokens. Their life is rounded down: a client must never be told too much.
func (s *Simulator) grant(q *request, n *session) answer {
	seconds := func(until time.Time) int { return max(1, int(until.Sub(q.now)/time.Second)) }
	body := tokenBody{
		AccessToken: n.access, TokenType: "bearer", ExpiresIn: seconds(n.accessUntil),
		RefreshToken: n.refresh,
		Scope:        "ReadAccounts ReadCallLog ReadPresence RingOut",
		OwnerID:      n.owner.ID, EndpointID: q.Form.Get("endpoint_id"), SessionID: n.id,
	}
	if n.refresh != "" {
		body.RefreshExpiresIn = seconds(n.refreshUntil)
	}
	if body.EndpointID == "" {
		body.EndpointID = n.id
	}
	return reply(http.StatusOK, body)
}

// revoke answers POST /restapi/oauth/revoke. An unknown token is no error, as RFC 7009 has it.
func (s *Simulator) revoke(q *request) answer {
	if n := s.sessions[q.Form.Get("token")]; n != nil {
		s.end(n)
	}
	return reply(http.StatusOK, nil)
}

// end makes every token of a session void. s.mu is held.
func (s *Simulator) end(n *session) {
	for _, token := range []string{n.access, n.refresh, n.previous} {
		delete(s.sessions, token)
	}
	n.owner.sessions = slices.DeleteFunc(n.owner.sessions, func(other *session) bool { return other == n })
}

// RevokeTokens ends every session of an extension; an empty one stands for all.
func (s *Simulator) RevokeTokens(extension string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, x := range s.extensions {
		if extension == "" || extension == id {
			for _, n := range slices.Clone(x.sessions) {
				s.end(n)
			}
		}
	}
}

// bearer finds the user of an API request.
func (s *Simulator) bearer(q *request) (string, *answer) {
	// Clients write the scheme as the token endpoint's token_type has it: "bearer".
	scheme, token, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	n := s.sessions[token]
	if !strings.EqualFold(scheme, "Bearer") || n == nil || n.access != token || !q.now.Before(n.accessUntil) {
		a := failure(http.StatusUnauthorized, "OAU-213", "Token not found", "")
		a.header.Set("WWW-Authenticate", `Bearer realm="RingCentral REST API", error="invalid_token", error_description="Token not found"`)
		return "", &a
	}
	if !n.used {
		n.used = true
		if soon := q.now.Add(s.config.scaled(10 * time.Second)); soon.Before(n.previousUntil) {
			n.previousUntil = soon
		}
	}
	q.ext = n.owner
	if account := q.PathValue("account"); account != "~" && account != accountID {
		a := notFound("accountId")
		return "", &a
	}
	if id := q.PathValue("extension"); id != "~" && id != q.ext.ID {
		a := notFound("extensionId")
		return "", &a
	}
	return q.ext.ID, nil
}

// clip bounds what is repeated to a client.
func clip(s string) string {
	if len(s) > 64 {
		return hex.EncodeToString([]byte(s[:8])) + "…"
	}
	return s
}
