package auth

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

//go:embed login.html
var loginSource string

var loginPage = template.Must(template.New("login").Parse(loginSource))

func (d *Door) showLogin(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"))
	if _, ok := d.account(d.sessions.GetString(r.Context(), "user")); ok || len(d.Accounts) == 0 {
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // local lets nothing else through
		return
	}
	d.writeLogin(w, http.StatusOK, next, "", "")
}

func (d *Door) writeLogin(w http.ResponseWriter, status int, next, name, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = loginPage.Execute(w, map[string]string{"Next": next, "Name": name, "Problem": problem}) // whoever asked has gone
}

func (d *Door) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "this is no login", http.StatusBadRequest)
		return
	}
	name, password, next := r.PostForm.Get("name"), r.PostForm.Get("password"), local(r.PostForm.Get("next"))
	if wait := d.limits.wait(remote(r), name, d.now()); wait > 0 {
		d.Log.Warn().Str("from", remote(r)).Msg("console: too many logins")
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		d.writeLogin(w, http.StatusTooManyRequests, next, name, "Too many tries. Wait a minute.")
		return
	}
	account, ok := d.account(name)
	hash := account.hash
	if !ok {
		hash = d.nobody // so that it takes as long
	}
	if err := d.limits.compare(r, hash, password); err != nil || !ok {
		d.Log.Warn().Str("from", remote(r)).Bool("known", ok).Msg("console: login refused")
		d.writeLogin(w, http.StatusUnauthorized, next, name, "Name or password are not right.")
		return
	}
	// A session from before the login is nobody's any more.
	if err := d.sessions.RenewToken(r.Context()); err != nil {
		http.Error(w, "the session cannot be made", http.StatusInternalServerError)
		return
	}
	d.sessions.Put(r.Context(), "user", account.Name)
	d.Log.Info().Str("user", account.Name).Str("role", string(account.Role)).Str("from", remote(r)).Msg("console: login")
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // local lets nothing else through
}

func (d *Door) logout(w http.ResponseWriter, r *http.Request) {
	name := d.sessions.GetString(r.Context(), "user")
	if err := d.sessions.Destroy(r.Context()); err != nil {
		http.Error(w, "the session cannot be ended", http.StatusInternalServerError)
		return
	}
	if name != "" {
		d.Log.Info().Str("user", name).Str("from", remote(r)).Msg("console: logout")
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
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

// limits bound tries to log in, by address and by name, and the work that they make.
type limits struct {
	mu   sync.Mutex
	each map[string]*rate.Limiter
	busy chan struct{}
}

const (
	mostLimiters = 4096
	tries        = 10 // at once; then one each
	tryEvery     = 6 * time.Second
)

func newLimits() *limits {
	return &limits{each: map[string]*rate.Limiter{}, busy: make(chan struct{}, 2)}
}

// wait counts a try and says how long the next one has to wait, if this one is one too many.
func (l *limits) wait(address, name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.each) > mostLimiters {
		for key, limiter := range l.each {
			if limiter.TokensAt(now) >= tries {
				delete(l.each, key) // as good as new
			}
		}
		if len(l.each) > mostLimiters {
			clear(l.each)
		}
	}
	wait := time.Duration(0)
	for _, key := range []string{"from " + address, "name " + name} {
		limiter := l.each[key]
		if limiter == nil {
			limiter = rate.NewLimiter(rate.Every(tryEvery), tries)
			l.each[key] = limiter
		}
		if !limiter.AllowN(now, 1) {
			wait = tryEvery
		}
	}
	return wait
}

// compare compares a password with a hash; bcrypt is slow by design, so only two do at a time.
func (l *limits) compare(r *http.Request, hash []byte, password string) error {
	select {
	case l.busy <- struct{}{}:
	case <-r.Context().Done():
		return r.Context().Err() //nolint:wrapcheck // whoever asked has gone
	}
	defer func() { <-l.busy }()
	if len(password) > maxPassword {
		password = "" // bcrypt would cut it
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) //nolint:wrapcheck // nobody reads it
}
