package auth

import (
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

//go:embed login.html
var loginSource string

var loginPage = template.Must(template.New("login").Parse(loginSource))

func (m *Middleware) showLogin(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"))
	if _, _, ok, err := m.visitor(r); err == nil && ok {
		http.Redirect(w, r, m.prefix+next, http.StatusSeeOther) //nolint:gosec // local lets nothing else through
		return
	}
	m.writeLogin(w, http.StatusOK, next, "", "")
}

func (m *Middleware) writeLogin(w http.ResponseWriter, status int, next, name, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = loginPage.Execute(w, map[string]string{"Base": m.prefix, "Next": next, "Name": name, "Problem": problem}) // whoever asked has gone
}

// maxName is the longest name that a user has.
const maxName = 64

func (m *Middleware) login(w http.ResponseWriter, r *http.Request) {
	if len(m.Accounts) == 0 {
		http.Redirect(w, r, m.prefix+"/", http.StatusSeeOther)
		return
	}
	if err := r.ParseForm(); err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "this is no login", status)
		return
	}
	name, password, next := r.PostForm.Get("name"), r.PostForm.Get("password"), local(r.PostForm.Get("next"))
	if len(name) > maxName {
		name = ""
	}
	m.mention(r)
	from := m.client(r)
	account, ok := m.account(name)
	browser, _ := r.Cookie(m.browserCookie(name)) // nil without
	known := ok && browser != nil && m.sessions.knows(account, browser.Value, m.now())
	var v verdict
	if known {
		v = m.limits.browser(browser.Value, m.now())
	} else {
		v = m.limits.stranger(from, name, m.now())
	}
	if v.refused {
		m.refusals.add("too_many", from.String(), "")
		w.Header().Set("Retry-After", strconv.Itoa(int(tryEvery.Seconds())))
		m.writeLogin(w, http.StatusTooManyRequests, next, name, "Too many tries. Wait a minute.")
		return
	}
	defer v.done()
	if v.slow > 0 && m.sleep(r.Context(), v.slow) != nil {
		return // whoever asked has gone
	}
	fits, err := m.passwords.compare(r.Context(), account, ok, known, password)
	if err != nil {
		return // whoever asked has gone
	}
	if !fits {
		m.refusals.add("wrong", from.String(), "")
		m.writeLogin(w, http.StatusUnauthorized, next, name, "Name or password are not right.")
		return
	}
	session, err := m.sessions.begin(r.Context(), account)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	// A session from before the login is nobody's any more.
	if c, err := r.Cookie(m.cookieName(r)); err == nil {
		_ = m.sessions.end(r.Context(), c.Value) // it ends by itself
	}
	m.setCookie(w, r, m.cookieName(r), session, "/", 0)
	m.setCookie(w, r, m.browserCookie(name), m.sessions.remember(account, m.now()), "/login", knownFor)
	m.Log.Info().Str("user", account.Name).Str("role", string(account.Role)).Str("from", from.String()).Msg("console: login")
	http.Redirect(w, r, m.prefix+next, http.StatusSeeOther) //nolint:gosec // local lets nothing else through
}

// browserCookie names the cookie by which a browser is known that a user has logged in from: one for each of its users.
func (m *Middleware) browserCookie(name string) string {
	return m.cookie + "-" + hex.EncodeToString(m.sessions.sign("browser cookie", name)[:4])
}

// mention says once that a proxy is not listed: behind it, all people are one address.
func (m *Middleware) mention(r *http.Request) {
	if r.Header.Get("X-Forwarded-For") != "" && !m.isProxy(peer(r)) {
		m.unlisted.Do(func() {
			m.Log.Warn().Str("proxy", peer(r).String()).Msg("console: this address sends X-Forwarded-For, and CONSOLE_PROXIES does not list it: " +
				"if it is your proxy, add it, so that tries to log in are limited by person and not for all together")
		})
	}
}

func (m *Middleware) logout(w http.ResponseWriter, r *http.Request) {
	user, session, ok, err := m.visitor(r)
	if err == nil && ok && session != "" {
		err = m.sessions.end(context.WithoutCancel(r.Context()), session)
	}
	if err != nil {
		http.Error(w, "the session is not ended: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	if session != "" {
		m.Log.Info().Str("user", user.Name).Str("from", m.client(r).String()).Msg("console: logout")
		m.setCookie(w, r, m.cookieName(r), "", "/", -time.Second)
	}
	http.Redirect(w, r, m.prefix+"/login", http.StatusSeeOther)
}

// local is where to go after a login: a path of ours, or the first page.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") || u.Path == "/login" {
		return "/"
	}
	return next
}

func escape(s string) string { return url.QueryEscape(s) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // nobody reads it
	case <-time.After(d):
		return nil
	}
}
