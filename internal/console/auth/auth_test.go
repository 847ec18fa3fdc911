package auth

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/testlog"
)

const password = "correct horse battery"

func accounts(t *testing.T) []Account {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), leastCost)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseUsers("vera:viewer:" + string(hash) + ";olga:operator:" + string(hash))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// site is a console with its log.
type site struct {
	*httptest.Server
	t   *testing.T
	log *testlog.Buffer
	way *Middleware
}

func build(t *testing.T, cfg Config, writeTimeout ...time.Duration) *site {
	t.Helper()
	var rdb redis.UniversalClient
	if len(cfg.Accounts) > 0 {
		rdb = redistest.Start(t).Client(t)
	}
	return buildOn(t, rdb, cfg, writeTimeout...)
}

// buildOn is build on a Redis that others use too.
func buildOn(t *testing.T, rdb redis.UniversalClient, cfg Config, writeTimeout ...time.Duration) *site {
	t.Helper()
	h := &site{t: t, log: &testlog.Buffer{}}
	cfg.Log = zerolog.New(h.log)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	d, err := New(ctx, cfg, rdb)
	if err != nil {
		t.Fatal(err)
	}
	h.way = d
	inside := http.NewServeMux()
	inside.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.WriteString(w, "inside "+r.URL.Path+" as "+UserOf(r).Name)
	})
	inside.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: x\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	inside.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("secret") })
	inside.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		for range 3 {
			if err := c.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "data: x\n\n")
			if err := c.Flush(); err != nil {
				t.Error(err)
			}
			time.Sleep(60 * time.Millisecond) // past the server's own write timeout
		}
	})
	server := d.Server(inside)
	server.ReadHeaderTimeout = 200 * time.Millisecond
	for _, d := range writeTimeout {
		server.WriteTimeout = d
	}
	h.Server = &httptest.Server{Config: server}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Listener = l
	if cfg.TLS {
		h.StartTLS()
	} else {
		h.Start()
	}
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

// browser is a client that keeps cookies and follows nothing.
func (h *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if h.TLS != nil {
		c.Transport = h.Client().Transport
	}
	return c
}

type answer struct {
	status   int
	body     string
	location string
	header   http.Header
}

// ask makes a request as a browser on the console's own page would, but for what headers say.
func (h *site) ask(c *http.Client, method, path, body string, headers ...string) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if method != http.MethodGet {
		r.Header.Set("Origin", h.URL)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			r.Host = headers[i+1]
		case headers[i+1] == "":
			r.Header.Del(headers[i])
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := c.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	src, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(src), resp.Header.Get("Location"), resp.Header}
}

func (h *site) login(c *http.Client, name, password, next string) answer {
	h.t.Helper()
	return h.ask(c, "POST", "/login", url.Values{"name": {name}, "password": {password}, "next": {next}}.Encode())
}

func (h *site) as(name string) *http.Client {
	h.t.Helper()
	c := h.browser()
	if a := h.login(c, name, password, "/"); a.status != http.StatusSeeOther {
		h.t.Fatalf("login of %s: %+v", name, a)
	}
	return c
}

func local8080(t *testing.T) Config {
	return Config{Addr: "127.0.0.1:8080", Accounts: accounts(t), Token: "0123456789abcdef"}
}

func TestNobodyIsLetInWithoutALogin(t *testing.T) {
	t.Parallel()
	h := build(t, local8080(t))
	c := h.browser()
	for path, want := range map[string]int{
		"/": 303, "/campaigns/x": 303, "/monitor/": 303, "/healthz": 200, "/readyz": 200, "/static/console.css": 200, "/metrics": 303, "/login": 200,
	} {
		if a := h.ask(c, "GET", path, ""); a.status != want || want == 303 && a.location != "/login?next="+url.QueryEscape(path) {
			t.Errorf("%s: %d to %s, want %d", path, a.status, a.location, want)
		}
	}
	if a := h.ask(c, "GET", "/events", "", "Accept", "text/event-stream"); a.status != 401 {
		t.Errorf("a stream: %d", a.status)
	}
	for _, method := range []string{"POST", "DELETE"} {
		if a := h.ask(c, method, "/monitor/api/queues/x:pause", ""); a.status == 200 {
			t.Errorf("%s: %+v", method, a)
		}
	}
	for token, want := range map[string]int{"Bearer 0123456789abcdef": 200, "Bearer 0123456789abcdeg": 303, "Bearer ": 303, "Basic x": 303} {
		if a := h.ask(c, "GET", "/metrics", "", "Authorization", token); a.status != want {
			t.Errorf("metrics with %s: %d, want %d", token, a.status, want)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	h := build(t, local8080(t))
	vera, olga := h.as("vera"), h.as("olga")
	for _, tt := range []struct {
		who    *http.Client
		method string
		want   int
	}{{vera, "GET", 200}, {vera, "POST", 403}, {vera, "DELETE", 403}, {olga, "GET", 200}, {olga, "POST", 200}, {olga, "DELETE", 200}} {
		if a := h.ask(tt.who, tt.method, "/monitor/api/queues/spring:pause", ""); a.status != tt.want {
			t.Errorf("%s: %d, want %d", tt.method, a.status, tt.want)
		}
	}
	for _, want := range []string{
		`"user":"vera","role":"viewer","from":"127.0.0.1","method":"POST","path":"/monitor/api/queues/spring:pause","status":403`,
		`"user":"olga","role":"operator","from":"127.0.0.1","method":"DELETE","path":"/monitor/api/queues/spring:pause","status":200`,
		`"message":"console: login"`,
	} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, h.log)
		}
	}
	if a := h.ask(vera, "POST", "/logout", ""); a.status != 303 {
		t.Errorf("logout: %+v", a)
	}
	if a := h.ask(vera, "GET", "/", ""); a.status != 303 {
		t.Errorf("after the logout: %+v", a)
	}
	if strings.Contains(h.log.String(), password) || strings.Contains(h.log.String(), "$2") {
		t.Error("a secret is in the log")
	}
}

func TestForgedRequests(t *testing.T) {
	t.Parallel()
	h := build(t, local8080(t))
	olga := h.as("olga")
	for name, tt := range map[string]struct {
		headers []string
		want    int
	}{
		"its own page":        {nil, 200},
		"another site":        {[]string{"Origin", "https://evil.example"}, 403},
		"a sandboxed frame":   {[]string{"Origin", "null"}, 403},
		"another site's form": {[]string{"Origin", "", "Sec-Fetch-Site", "cross-site"}, 403},
		"a neighbour":         {[]string{"Origin", "", "Sec-Fetch-Site", "same-site"}, 403},
		"nobody knows":        {[]string{"Origin", ""}, 403},
		"another host name":   {[]string{"Host", "evil.example:8080", "Origin", "http://evil.example:8080"}, 421},
		"a host that looks":   {[]string{"Host", "127.0.0.1.evil.example"}, 421},
	} {
		if a := h.ask(olga, "POST", "/monitor/api/queues/spring:pause", "", tt.headers...); a.status != tt.want {
			t.Errorf("%s: %d, want %d", name, a.status, tt.want)
		}
	}
	for _, host := range []string{"evil.example", ""} {
		if a := h.ask(h.browser(), "GET", "/healthz", "", "Host", host); host != "" && a.status == 200 {
			t.Errorf("Host %q: %d", host, a.status)
		}
	}
	for _, method := range []string{"TRACE", "PUT", "PATCH", "OPTIONS", "CONNECTX"} {
		if a := h.ask(olga, method, "/", ""); a.status != 405 {
			t.Errorf("%s: %d", method, a.status)
		}
	}
}

func TestPathTricks(t *testing.T) {
	t.Parallel()
	h := build(t, local8080(t))
	for _, path := range []string{
		"//monitor/", "/./monitor", "/static/../campaigns/x", "/static/%2e%2e/campaigns/x", "/static/..%2fcampaigns", "/healthz/../",
		"/static//x", `/static\..\x`, "/static/%5c..", "/%00", "/healthz/.",
	} {
		conn, err := net.Dial("tcp", h.Listener.Addr().String()) // a client would clean the path
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 400 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
		_, _ = resp.Body.Close(), conn.Close()
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	h := build(t, local8080(t))
	for next, want := range map[string]string{
		"/campaigns/x?a=1": "/campaigns/x?a=1", "": "/", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "/login": "/",
		"javascript:alert(1)": "/", "/\tx": "/",
	} {
		if a := h.login(h.browser(), "olga", password, next); a.status != 303 || a.location != want {
			t.Errorf("next %q leads to %d %q, want %q", next, a.status, a.location, want)
		}
	}
	c := h.browser()
	for _, wrong := range [][2]string{{"vera", "wrong"}, {"nobody", password}, {"", ""}, {"vera", password + strings.Repeat("x", 100)}} {
		a := h.login(c, wrong[0], wrong[1], "/")
		if wrong[0] == "vera" && a.status != 401 && a.status != 429 || a.status == 303 || strings.Contains(a.body, wrong[1]) && wrong[1] != "" {
			t.Errorf("%v: %d", wrong, a.status)
		}
	}
	// A cookie from before is not the one after.
	h2 := build(t, local8080(t))
	c2 := h2.browser()
	u2, _ := url.Parse(h2.URL)
	c2.Jar.SetCookies(u2, []*http.Cookie{{Name: h2.way.cookie, Value: "chosen-by-an-attacker", Path: "/"}})
	a := h2.login(c2, "olga", password, "/")
	cookie := a.header.Get("Set-Cookie")
	if strings.Contains(cookie, "chosen") || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
		t.Errorf("cookie %q", cookie)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cfg := local8080(t)
	cfg.TLS = true
	h := build(t, cfg)
	a := h.login(h.browser(), "olga", password, "/")
	if c := a.header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-ringqueue-") || !strings.Contains(c, "; Secure") || a.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("cookie %q, headers %v", c, a.header)
	}
}

func TestBodiesHeadersStreamsPanics(t *testing.T) {
	t.Parallel()
	h := build(t, Config{Addr: "127.0.0.1:8080"}, 100*time.Millisecond)
	c := h.browser()
	if a := h.ask(c, "POST", "/x", strings.Repeat("x", maxBody+1)); a.status != 413 {
		t.Errorf("a large body: %d", a.status)
	}
	if a := h.ask(c, "GET", "/x", "", "X-Large", strings.Repeat("x", 2*maxHeader)); a.status != 431 {
		t.Errorf("a large header: %d", a.status)
	}
	if a := h.ask(c, "GET", "/stream", ""); strings.Count(a.body, "data:") != 3 {
		t.Errorf("a stream: %q", a.body)
	}
	if a := h.ask(c, "GET", "/panic", ""); a.status != 500 || strings.Contains(a.body, "secret") {
		t.Errorf("a panic: %+v", a)
	}
	a := h.ask(c, "GET", "/", "")
	if a.body != "inside / as local" || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") ||
		a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v", a)
	}
	if a := h.ask(c, "GET", "/metrics", ""); a.status != 200 {
		t.Errorf("metrics on this machine: %d", a.status)
	}
	conn, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: loc") // and no more
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("a slow request is waited for: %v", err)
	}
}

func proxies(t *testing.T, text string) []netip.Prefix {
	t.Helper()
	list, err := ParseProxies(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func at(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  Config
		says string
	}{
		{Config{Addr: "127.0.0.1:8080"}, ""},
		{Config{Addr: "[::1]:8080"}, ""},
		{Config{Addr: "0.0.0.0:8080"}, "set CONSOLE_USERS"},
		{Config{Addr: ":8080"}, "set CONSOLE_USERS"},
		{Config{Addr: "example.com:80", Accounts: accounts(t)}, "CONSOLE_HOSTS is not set"},
		{Config{Addr: "0.0.0.0:8080", Accounts: accounts(t), Hosts: []string{"calls.example"}}, ""},
		{Config{Addr: "8080"}, "it takes host:port, or off"},
		{Config{Addr: "127.0.0.1:8080", Hosts: []string{"calls.example.com"}}, "CONSOLE_HOSTS: names under which others"},
		{Config{Addr: "127.0.0.1:8080", Hosts: []string{"localhost"}}, "CONSOLE_HOSTS: names under which others"},
		{Config{Addr: "127.0.0.1:8080", Proxies: proxies(t, "127.0.0.1")}, "CONSOLE_PROXIES: through a proxy"},
		{Config{Addr: "127.0.0.1:8080", URL: at(t, "https://calls.example.com")}, "CONSOLE_URL: others"},
		{Config{Addr: "127.0.0.1:8080", URL: at(t, "http://localhost:8080/calls")}, ""},
		{Config{Addr: "0.0.0.0:8080", Accounts: accounts(t), URL: at(t, "https://calls.example.com")}, ""},
	} {
		if err := tt.cfg.Check(); tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v", tt.cfg.Addr, err)
		}
	}
}

func TestParseUsers(t *testing.T) {
	t.Parallel()
	hash, err := Hash(password)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"olga:operator:" + hash + "\nvera:viewer:" + hash + ";": "",
		"":                                       "has no user",
		"olga":                                   "user 1: takes name:role:hash",
		"olga:admin:" + hash:                     "user 1: olga: the role takes viewer or operator",
		"o l:viewer:" + hash:                     "user 1: the name takes",
		"olga:viewer:" + password:                "user 1: olga: the hash is none of bcrypt's",
		"olga:viewer:" + string(weak):            "user 1: olga: the hash is too weak",
		"a:viewer:" + hash + ";a:viewer:" + hash: "user 2: a is there twice",
		"olga:viewer:$2a$15" + hash[6:]:          "user 1: olga: the hash has cost 15",
	} {
		_, err := ParseUsers(text)
		if says == "" && err != nil || says != "" && (err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "$2") || strings.Contains(err.Error(), password)) {
			t.Errorf("%q: %v", says, err)
		}
	}
	for _, bad := range []string{"short", strings.Repeat("x", 73)} {
		if _, err := Hash(bad); err == nil {
			t.Errorf("%q is a password", bad)
		}
	}
}
