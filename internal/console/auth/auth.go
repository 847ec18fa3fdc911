// Package auth stands between the network and the console: it knows who asks, refuses what no honest browser sends, and
// writes down who changed what.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"
)

// Config is who and what is let in.
type Config struct {
	Addr     string    // host:port that is listened on
	Accounts []Account // none: everybody on this machine is an operator, and nobody else is let in
	Hosts    []string  // names, without port, under which the console is reached beyond this machine
	Token    string    // that reads /metrics without a login; "" for none
	TLS      bool      // the console speaks TLS itself
	Log      zerolog.Logger
}

// Check says what is wrong, by the names of the environment.
func (c Config) Check() error {
	host, _, err := net.SplitHostPort(c.Addr)
	switch {
	case err != nil:
		return fmt.Errorf("--http %q: it takes host:port, or off", c.Addr)
	case Loopback(host):
		return nil
	case len(c.Accounts) == 0:
		return fmt.Errorf("--http %q: others than this machine could reach it, and there is no login: set CONSOLE_USERS "+
			"(`worker hash-password` explains), or listen on 127.0.0.1", c.Addr)
	case len(c.Hosts) == 0:
		return fmt.Errorf("--http %q: CONSOLE_HOSTS is not set: give the names or addresses under which the console is reached, "+
			"such as calls.example.com,10.0.0.5; requests for any other name are refused", c.Addr)
	}
	return nil
}

// Loopback says whether a host is this machine and nobody else.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

const (
	sessionIdle = 12 * time.Hour
	sessionLife = 7 * 24 * time.Hour
	maxBody     = 1 << 20
	maxHeader   = 16 << 10
)

// Door is the way in.
type Door struct {
	Config
	sessions *scs.SessionManager
	origins  *http.CrossOriginProtection
	limits   *limits
	token    [sha256.Size]byte
	now      func() time.Time
	nobody   []byte // a hash that is compared with for users that do not exist
}

// New returns a door; cfg was checked.
func New(cfg Config) (*Door, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	nobody, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), cost)
	if err != nil {
		return nil, fmt.Errorf("prepare logins: %w", err)
	}
	d := &Door{
		Config: cfg, sessions: scs.New(), origins: http.NewCrossOriginProtection(), limits: newLimits(), token: sha256.Sum256([]byte(cfg.Token)),
		now: time.Now, nobody: nobody,
	}
	d.sessions.IdleTimeout, d.sessions.Lifetime = sessionIdle, sessionLife
	d.sessions.Cookie.Name = "ringqueue"
	if cfg.TLS {
		d.sessions.Cookie.Name = "__Host-ringqueue"
	}
	d.sessions.Cookie.Secure, d.sessions.Cookie.HttpOnly = cfg.TLS, true
	d.sessions.Cookie.SameSite, d.sessions.Cookie.Path = http.SameSiteLaxMode, "/"
	return d, nil
}

type userKey struct{}

// UserOf is who makes a request that has come through a door.
func UserOf(r *http.Request) User {
	u, _ := r.Context().Value(userKey{}).(User)
	return u
}

// open are the paths that need no login; they say nothing of use to a stranger.
func open(p string) bool {
	return p == "/healthz" || p == "/readyz" || strings.HasPrefix(p, "/static/")
}

// Server serves a handler behind the door. Handlers that stream extend their write deadline themselves.
func (d *Door) Server(next http.Handler) *http.Server {
	return &http.Server{
		Handler: d.Wrap(next), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
	}
}

// Wrap lets those requests through to next that are allowed to.
func (d *Door) Wrap(next http.Handler) http.Handler {
	inner := http.NewServeMux()
	inner.HandleFunc("GET /login", d.showLogin)
	inner.HandleFunc("POST /login", d.login)
	inner.HandleFunc("POST /logout", d.logout)
	inner.Handle("/", d.known(next))
	withSession := d.sessions.LoadAndSave(inner)
	return d.recovered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header(), d.TLS)
		switch problem, status := d.refuse(r); {
		case status != 0:
			http.Error(w, problem, status)
		case open(r.URL.Path) && safe(r.Method):
			next.ServeHTTP(w, r)
		case r.URL.Path == "/metrics" && safe(r.Method) && d.mayScrape(r):
			next.ServeHTTP(w, r)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			withSession.ServeHTTP(w, r)
		}
	}))
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// refuse says what is wrong with a request, whoever makes it; status 0 if nothing is.
func (d *Door) refuse(r *http.Request) (problem string, status int) {
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
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.Trim(host, "[]")
	known := slices.ContainsFunc(d.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
	if !known && !Loopback(host) {
		// A web page elsewhere could have its own name resolve to this machine and read the console through the browser.
		return "the console does not answer to this host name; CONSOLE_HOSTS lists those that it does", http.StatusMisdirectedRequest
	}
	if err := d.origins.Check(r); err != nil {
		return "this comes from another site", http.StatusForbidden
	}
	_, err = r.Cookie(d.sessions.Cookie.Name)
	if !safe(r.Method) && err == nil && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return "it is not known which site this comes from", http.StatusForbidden
	}
	return "", 0
}

func (d *Door) mayScrape(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(d.Addr)
	if len(d.Accounts) == 0 && Loopback(host) && d.Token == "" {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(given))
	return ok && d.Token != "" && subtle.ConstantTimeCompare(sum[:], d.token[:]) == 1
}

// known lets those through who have logged in, and only operators change things.
func (d *Door) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := User{"local", Operator}
		if len(d.Accounts) > 0 {
			account, ok := d.account(d.sessions.GetString(r.Context(), "user"))
			if !ok {
				if safe(r.Method) && strings.Contains(r.Header.Get("Accept"), "text/html") {
					http.Redirect(w, r, "/login?next="+escape(r.URL.RequestURI()), http.StatusSeeOther) //nolint:gosec // a path of ours, and what follows is escaped
					return
				}
				http.Error(w, "log in first", http.StatusUnauthorized)
				return
			}
			user = account.User
		}
		r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
		if safe(r.Method) {
			next.ServeHTTP(w, r)
			return
		}
		if user.Role != Operator {
			d.audit(r, user, http.StatusForbidden)
			http.Error(w, "viewers change nothing", http.StatusForbidden)
			return
		}
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		d.audit(r, user, status.status)
	})
}

func (d *Door) account(name string) (Account, bool) {
	i := slices.IndexFunc(d.Accounts, func(a Account) bool { return a.Name == name })
	if i < 0 || name == "" {
		return Account{}, false
	}
	return d.Accounts[i], true
}

// audit writes down who changed what, or tried to.
func (d *Door) audit(r *http.Request, user User, status int) {
	d.Log.Info().Str("user", user.Name).Str("role", string(user.Role)).Str("from", remote(r)).Str("method", r.Method).
		Str("path", r.URL.Path).Int("status", status).Msg("console")
}

func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (d *Door) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				d.Log.Error().Interface("panic", p).Str("path", r.URL.Path).Msg("console")
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
func headers(h http.Header, tls bool) {
	h.Set("Content-Security-Policy", Policy("", ""))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
	if tls {
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
