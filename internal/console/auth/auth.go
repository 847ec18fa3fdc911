// Package auth stands between the network and the console: it knows who asks, refuses what no honest browser sends, and
// writes down who changed what.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log" //nolint:depguard // net/http wants one for its errors; ours writes to zerolog
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// Config is who and what is let in.
type Config struct {
	Addr     string         // host:port that is listened on
	Accounts []Account      // none: who asks straight from this machine is an operator, and nobody else is let in
	Hosts    []string       // names, without port, under which the console is reached beyond this machine
	Proxies  []netip.Prefix // whose X-Forwarded-For and X-Forwarded-Proto count
	URL      *url.URL       // where people reach it, with the path under which it is served; nil: at the root of any of Hosts
	Token    string         // that reads /metrics without a login; "" for none
	TLS      bool           // the console speaks TLS itself
	Log      zerolog.Logger
}

// Check says what is wrong, by the names of the environment.
func (c Config) Check() error {
	host, _, err := net.SplitHostPort(c.Addr)
	const noLogin = "there is no login: set CONSOLE_USERS (`worker hash-password` explains)"
	switch {
	case err != nil:
		return fmt.Errorf("--http %q: it takes host:port, or off", c.Addr)
	case len(c.Accounts) == 0 && !Loopback(host):
		return fmt.Errorf("--http %q: others than this machine could reach it, and %s, or listen on 127.0.0.1", c.Addr, noLogin)
	case len(c.Accounts) == 0 && len(c.Hosts) > 0:
		return fmt.Errorf("CONSOLE_HOSTS: names under which others than this machine reach the console, and %s, or leave it empty", noLogin)
	case len(c.Accounts) == 0 && len(c.Proxies) > 0:
		return fmt.Errorf("CONSOLE_PROXIES: through a proxy others than this machine reach the console, and %s, or leave it empty", noLogin)
	case len(c.Accounts) == 0 && c.URL != nil && !Loopback(c.URL.Hostname()):
		return fmt.Errorf("CONSOLE_URL: others than this machine reach the console there, and %s, or leave it empty", noLogin)
	case !Loopback(host) && len(c.Hosts) == 0 && c.URL == nil:
		return fmt.Errorf("--http %q: CONSOLE_HOSTS is not set: give the names or addresses under which the console is reached, "+
			"such as calls.example.com,10.0.0.5; requests for any other name are refused", c.Addr)
	}
	return nil
}

const (
	maxBody   = 1 << 20
	maxLogin  = 4 << 10
	maxHeader = 16 << 10
)

// Middleware is what requests pass before they come to the console.
type Middleware struct {
	Config
	prefix    string    // the path of URL
	sessions  *sessions // nil without accounts
	cookie    string    // its name, without what it begins with under TLS
	origins   *http.CrossOriginProtection
	limits    *limits
	passwords *passwords
	token     [sha256.Size]byte
	now       func() time.Time
	refusals  *tally // of logins
	broken    *tally // connections that never became requests
	unlisted  sync.Once
	sleep     func(context.Context, time.Duration) error
}

// New returns the way in. With accounts, their sessions are in Redis, whatever worker asks; requests are ended with them until
// ctx ends. Without, Redis is not needed.
func New(ctx context.Context, cfg Config, rdb redis.UniversalClient) (*Middleware, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	m := &Middleware{
		Config: cfg, origins: http.NewCrossOriginProtection(), limits: newLimits(), token: sha256.Sum256([]byte(cfg.Token)), now: time.Now,
		refusals: newTally(cfg.Log, "console: logins refused"), broken: newTally(cfg.Log, "console: connections that failed"), sleep: sleep,
	}
	if cfg.URL != nil {
		m.prefix = cfg.URL.Path
		m.Hosts = append(slices.Clone(cfg.Hosts), cfg.URL.Hostname())
		if err := m.origins.AddTrustedOrigin(cfg.URL.Scheme + "://" + cfg.URL.Host); err != nil {
			return nil, fmt.Errorf("CONSOLE_URL: %w", err)
		}
	}
	if len(cfg.Accounts) == 0 {
		return m, nil
	}
	var err error
	if m.passwords, err = newPasswords(cfg.Accounts); err != nil {
		return nil, fmt.Errorf("prepare logins: %w", err)
	}
	if m.sessions, err = newSessions(ctx, rdb, cfg.Log); err != nil {
		return nil, err
	}
	m.cookie = m.sessions.name()
	return m, nil
}

type userKey struct{}

// UserOf is who makes a request that was let in.
func UserOf(r *http.Request) User {
	u, _ := r.Context().Value(userKey{}).(User)
	return u
}

// open are the paths that need no login; they say nothing of use to a stranger.
func open(p string) bool {
	return p == "/healthz" || p == "/readyz" || strings.HasPrefix(p, "/static/")
}

// Server serves a handler to those who are let in. Handlers that stream extend their write deadline themselves.
func (m *Middleware) Server(next http.Handler) *http.Server {
	return &http.Server{
		Handler: m.Wrap(next), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: log.New(m.broken, "", 0),
	}
}

// Wrap lets those requests through to next that are allowed to. It takes the path of the console's URL off theirs; without it,
// they are served too, since probes and Prometheus do not come through a proxy.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	inner := http.NewServeMux()
	inner.HandleFunc("GET /login", m.showLogin)
	inner.HandleFunc("POST /login", m.login)
	inner.HandleFunc("POST /logout", m.logout)
	inner.Handle("/", m.known(next))
	return m.recovered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header(), m.secure(r))
		if problem, status := m.refuse(r); status != 0 {
			http.Error(w, problem, status)
			return
		}
		if m.prefix != "" && r.URL.Path == m.prefix {
			http.Redirect(w, r, m.prefix+"/", http.StatusSeeOther)
			return
		}
		r = m.stripped(r)
		switch {
		case open(r.URL.Path) && reads(r.Method):
			next.ServeHTTP(w, r)
		case r.URL.Path == "/metrics" && reads(r.Method) && m.mayScrape(r):
			next.ServeHTTP(w, r)
		default:
			most := int64(maxBody)
			if r.URL.Path == "/login" {
				most = maxLogin
			}
			r.Body = http.MaxBytesReader(w, r.Body, most)
			inner.ServeHTTP(w, r)
		}
	}))
}

// stripped is the request without the path of the console's URL.
func (m *Middleware) stripped(r *http.Request) *http.Request {
	if m.prefix == "" || !strings.HasPrefix(r.URL.Path, m.prefix+"/") {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = strings.TrimPrefix(u.Path, m.prefix), strings.TrimPrefix(u.RawPath, m.prefix)
	short := *r
	short.URL = &u
	return &short
}

func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// refuse says what is wrong with a request, whoever makes it; status 0 if nothing is.
func (m *Middleware) refuse(r *http.Request) (problem string, status int) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete:
	default:
		return "this method is not served", http.StatusMethodNotAllowed
	}
	// What is decided by path must be what is served by path.
	p, raw := r.URL.Path, strings.ToLower(r.URL.EscapedPath())
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	if p != clean || strings.ContainsAny(p, "\\\x00") || strings.Contains(raw, "%2f") || strings.Contains(raw, "%5c") || strings.Contains(raw, "%2e") {
		return "the path is not a plain one", http.StatusBadRequest
	}
	host := hostOf(r)
	known := slices.ContainsFunc(m.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
	switch {
	case !known && !Loopback(host):
		// A web page elsewhere could have its own name resolve to this machine and read the console through the browser.
		return "the console does not answer to this host name; CONSOLE_HOSTS lists those that it does", http.StatusMisdirectedRequest
	case len(m.Accounts) == 0 && !straight(r):
		return "this does not come straight from this machine, and there is no login: set CONSOLE_USERS", http.StatusForbidden
	}
	if err := m.origins.Check(r); err != nil {
		return "this comes from another site", http.StatusForbidden
	}
	_, err := r.Cookie(m.cookieName(r))
	if !reads(r.Method) && err == nil && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return "it is not known which site this comes from", http.StatusForbidden
	}
	return "", 0
}

func (m *Middleware) mayScrape(r *http.Request) bool {
	if len(m.Accounts) == 0 && m.Token == "" {
		return true // refuse has let only this machine through
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(given))
	return ok && m.Token != "" && subtle.ConstantTimeCompare(sum[:], m.token[:]) == 1
}

// cookieName is the session cookie's. What it begins with under TLS keeps other sites of the domain from setting it.
func (m *Middleware) cookieName(r *http.Request) string {
	switch {
	case !m.secure(r):
		return m.cookie
	case m.prefix == "":
		return "__Host-" + m.cookie
	}
	return "__Secure-" + m.cookie
}

// setCookie sets a cookie for the console and nobody else; age 0 is until the browser ends, a negative one deletes it.
func (m *Middleware) setCookie(w http.ResponseWriter, r *http.Request, name, value, path string, age time.Duration) {
	c := &http.Cookie{ //nolint:gosec // Secure where the browser's way here is
		Name: name, Value: value, Path: m.prefix + path, Secure: m.secure(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(age.Seconds()),
	}
	http.SetCookie(w, c)
}

// visitor is who asks, and with which session; ok is false for strangers.
func (m *Middleware) visitor(r *http.Request) (user User, session string, ok bool, err error) {
	if len(m.Accounts) == 0 {
		return User{"local", Operator}, "", true, nil
	}
	c, err := r.Cookie(m.cookieName(r))
	if err != nil {
		return User{}, "", false, nil //nolint:nilerr // no cookie
	}
	name, mark, err := m.sessions.user(r.Context(), c.Value)
	if err != nil {
		return User{}, "", false, err
	}
	account, ok := m.account(name)
	if !ok || mark != m.sessions.mark(account) {
		return User{}, "", false, nil
	}
	return account.User, c.Value, true, nil
}

// known lets those through who have logged in, and only operators change things. What they asked for ends with their session.
func (m *Middleware) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, session, ok, err := m.visitor(r)
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		case !ok && reads(r.Method) && strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, m.prefix+"/login?next="+escape(r.URL.RequestURI()), http.StatusSeeOther) //nolint:gosec // a path of ours, and what follows is escaped
			return
		case !ok:
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		ctx := context.WithValue(r.Context(), userKey{}, user)
		if session != "" {
			var done func()
			ctx, done = m.sessions.during(ctx, session)
			defer done()
		}
		r = r.WithContext(ctx)
		if reads(r.Method) {
			next.ServeHTTP(w, r)
			return
		}
		if user.Role != Operator {
			m.audit(r, user, http.StatusForbidden)
			http.Error(w, "viewers change nothing", http.StatusForbidden)
			return
		}
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		m.audit(r, user, status.status)
	})
}

func (m *Middleware) account(name string) (Account, bool) {
	i := slices.IndexFunc(m.Accounts, func(a Account) bool { return a.Name == name })
	if i < 0 || name == "" {
		return Account{}, false
	}
	return m.Accounts[i], true
}

// audit writes down who changed what, or tried to.
func (m *Middleware) audit(r *http.Request, user User, status int) {
	m.Log.Info().Str("user", user.Name).Str("role", string(user.Role)).Str("from", m.client(r).String()).Str("method", r.Method).
		Str("path", r.URL.Path).Int("status", status).Msg("console")
}

func (m *Middleware) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				m.Log.Error().Str("panic", fmt.Sprint(p)).Str("path", r.URL.Path).Bytes("stack", debug.Stack()).Msg("a fault in the console; please report it")
				http.Error(w, "something is wrong here; the worker's log has more", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// headers are what every answer has; handlers may replace the policy and the caching.
func headers(h http.Header, secure bool) {
	h.Set("Content-Security-Policy", Policy("", ""))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// Policy is the content security policy: nothing but our own files, and what is added to scripts and styles.
func Policy(scripts, styles string) string {
	join := func(s string) string {
		if s == "" {
			return "'self'"
		}
		return "'self' " + s
	}
	return "default-src 'none'; script-src " + join(scripts) + "; style-src " + join(styles) + "; img-src 'self' data:; " +
		"connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}
