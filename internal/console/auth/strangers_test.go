package auth

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/testlog"
)

// raw sends a request as it stands and returns the answer's status.
func (h *site) raw(text string) int {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, text)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestWithoutUsersOnlyThisMachine asks as proxies on this machine do, which pass on what the whole world asks.
func TestWithoutUsersOnlyThisMachine(t *testing.T) {
	t.Parallel()
	h := build(t, Config{Addr: "127.0.0.1:8080"})
	for headers, want := range map[string]int{
		"Host: 127.0.0.1:8080": 200,
		"Host: localhost":      200,
		"Host: [::1]:8080":     200,
		"Host: localhost\r\nX-Forwarded-For: 203.0.113.66":               403,
		"Host: localhost\r\nX-Forwarded-Proto: https":                    403,
		"Host: localhost\r\nX-Forwarded-Whatever: x":                     403,
		"Host: localhost\r\nForwarded: for=203.0.113.66":                 403,
		"Host: localhost\r\nVia: 1.1 proxy":                              403,
		"Host: localhost\r\nx-real-ip: 127.0.0.1":                        403,
		"Host: localhost\r\nCF-Connecting-IP: 203.0.113.66":              403,
		"Host: localhost\r\nOrigin: https://calls.example.com":           403,
		"Host: calls.example.com\r\nX-Forwarded-For: 203.0.113.66":       421,
		"Host: calls.example.com":                                        421,
		"Host: 127.0.0.1.example.com":                                    421,
		"Host: localhost\r\nAuthorization: Bearer x\r\nX-Client-IP: ::1": 403,
	} {
		for _, path := range []string{"/", "/campaigns/x/results.csv", "/metrics", "/healthz"} {
			if got := h.raw("GET " + path + " HTTP/1.1\r\n" + headers + "\r\nConnection: close\r\n\r\n"); got != want {
				t.Errorf("%s with %q: %d, want %d", path, headers, got, want)
			}
		}
	}
	// nginx that is told nothing but proxy_pass.
	if got := h.raw("GET / HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n"); got != 403 {
		t.Errorf("HTTP/1.0: %d", got)
	}
	if got := h.raw("POST /monitor/api/queues/x:pause HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); got != 403 {
		t.Errorf("a button through a proxy: %d", got)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	m := &Middleware{Config: Config{Proxies: proxies(t, "127.0.0.1, ::1,10.0.0.0/8")}}
	for _, tt := range []struct {
		peer, says, want string
	}{
		{"127.0.0.1:1", "203.0.113.66", "203.0.113.66"},
		{"127.0.0.1:1", "6.6.6.6, 203.0.113.66", "203.0.113.66"}, // the left one is the stranger's invention
		{"127.0.0.1:1", "203.0.113.66, 10.1.2.3", "203.0.113.66"},
		{"127.0.0.1:1", "10.1.2.3, 10.1.2.4", "10.1.2.3"},
		{"127.0.0.1:1", "nonsense", "127.0.0.1"},
		{"127.0.0.1:1", "203.0.113.66, nonsense", "127.0.0.1"},
		{"127.0.0.1:1", "[2001:db8::1]:443", "2001:db8::1"},
		{"127.0.0.1:1", "203.0.113.66:4711", "203.0.113.66"},
		{"127.0.0.1:1", "", "127.0.0.1"},
		{"[::1]:1", "::ffff:203.0.113.66", "203.0.113.66"},
		{"[::ffff:127.0.0.1]:1", "203.0.113.66", "203.0.113.66"},
		{"203.0.113.1:1", "8.8.8.8", "203.0.113.1"}, // no proxy of ours
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
		if tt.says != "" {
			r.Header.Set("X-Forwarded-For", tt.says)
		}
		if got := m.client(r).String(); got != tt.want {
			t.Errorf("%s says %q: %s, want %s", tt.peer, tt.says, got, tt.want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("203.0.113.66, 10.1.2.3", "https")
	m := &Middleware{Config: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	f.Fuzz(func(t *testing.T, says, proto string) {
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {says + ",203.0.113.66"}, "X-Forwarded-Proto": {proto}}}
		if got := m.client(r); got != netip.MustParseAddr("203.0.113.66") {
			t.Errorf("%q makes %s of the last hop", says, got)
		}
		r.RemoteAddr = "203.0.113.1:1"
		if m.secure(r) || m.client(r) != netip.MustParseAddr("203.0.113.1") {
			t.Errorf("a stranger's %q and %q are believed", says, proto)
		}
	})
}

func TestParseProxiesAndURL(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"": "", "127.0.0.1": "", "10.0.0.0/24, ::1,": "", "proxy.example.com": "neither an address nor a network", "0.0.0.0/0": "is everybody", "::/0": "is everybody",
		"10.0.0.0/33": "neither",
	} {
		if _, err := ParseProxies(text); says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("proxies %q: %v, want %q", text, err, says)
		}
	}
	for text, says := range map[string]string{
		"https://calls.example.com": "", "https://calls.example.com/ringqueue/": "", "http://10.0.0.5:8080/a/b-c": "", "calls.example.com": "no address", "ftp://x/": "no address",
		"https://u:p@x/": "no address", "https://x/?a=b": "no address", "https://x/a b": "the path takes", "https://x/../y": "the path takes", "https://x//y": "the path takes",
		"https://x/monitor": "cannot begin with /monitor", "https://x/api/v2": "cannot begin with /api", `https://x/"`: "the path takes",
	} {
		if _, err := ParseURL(text); says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("URL %q: %v, want %q", text, err, says)
		}
	}
}

// behind is a console behind a TLS proxy on this machine, which says who asks.
func behind(t *testing.T) *site {
	t.Helper()
	cfg := local8080(t)
	cfg.Proxies, cfg.URL = proxies(t, "127.0.0.1"), at(t, "https://calls.example.com/ringqueue")
	return build(t, cfg)
}

// from are the headers that the proxy adds for somebody.
func from(addr string, more ...string) []string {
	return append([]string{
		"Host", "calls.example.com", "Origin", "https://calls.example.com", "X-Forwarded-For", addr, "X-Forwarded-Proto", "https",
	}, more...)
}

func form(name, password string) string {
	return url.Values{"name": {name}, "password": {password}, "next": {"/campaigns/x"}}.Encode()
}

func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	h := behind(t)
	a := h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", password), from("203.0.113.66")...)
	if a.status != 303 || a.location != "/ringqueue/campaigns/x" {
		t.Fatalf("login: %+v", a)
	}
	var session string
	for _, c := range a.header.Values("Set-Cookie") {
		if !strings.Contains(c, "; Secure") || !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "Path=/ringqueue/") {
			t.Errorf("cookie %q", c)
		}
		if strings.HasPrefix(c, "__Secure-ringqueue-") {
			session, _, _ = strings.Cut(c, ";")
		}
	}
	if a.header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
	if !strings.Contains(h.log.String(), `"from":"203.0.113.66"`) {
		t.Errorf("the log does not say who: %s", h.log)
	}
	for path, want := range map[string]string{"/ringqueue/": "inside / as olga", "/ringqueue/monitor/": "inside /monitor/ as olga", "/": "inside / as olga"} {
		if a := h.ask(h.browser(), "GET", path, "", from("203.0.113.66", "Cookie", session)...); a.body != want {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	if a := h.ask(h.browser(), "GET", "/ringqueue", "", from("203.0.113.66")...); a.location != "/ringqueue/" {
		t.Errorf("without a slash: %d %s", a.status, a.location)
	}
	if a := h.ask(h.browser(), "GET", "/ringqueue/campaigns/x", "", from("203.0.113.66")...); a.location != "/ringqueue/login?next=%2Fcampaigns%2Fx" {
		t.Errorf("a stranger: %d %s", a.status, a.location)
	}
	if a := h.ask(h.browser(), "GET", "/ringqueue/login", "", from("203.0.113.66")...); !strings.Contains(a.body, `action="/ringqueue/login"`) {
		t.Errorf("the form: %s", a.body)
	}
	if a := h.ask(h.browser(), "POST", "/ringqueue/x", "", from("203.0.113.66", "Cookie", session)...); a.status != 200 ||
		!strings.Contains(h.log.String(), `"user":"olga","role":"operator","from":"203.0.113.66","method":"POST","path":"/x"`) {
		t.Errorf("the audit: %d %s", a.status, h.log)
	}
	// The other paths' tricks are no better under the prefix.
	for _, path := range []string{"/ringqueue//monitor", "/ringqueue/%2e%2e/x", "/ringqueue/../x"} {
		if got := h.raw("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); got != 400 {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// TestNobodyLocksAnotherOut has an attacker try all day.
func TestNobodyLocksAnotherOut(t *testing.T) {
	t.Parallel()
	h := behind(t)
	now := time.Now()
	h.way.now = func() time.Time { return now }
	h.way.passwords.check = func(_, given []byte) error { // many are compared here, and bcrypt is slow by design
		if string(given) != password {
			return bcrypt.ErrMismatchedHashAndPassword
		}
		return nil
	}
	slept := 0
	h.way.sleep = func(context.Context, time.Duration) error { slept++; return nil }
	olgas := h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", password), from("198.51.100.1")...)
	known := ""
	for _, c := range olgas.header.Values("Set-Cookie") {
		if strings.Contains(c, "Path=/ringqueue/login") {
			known, _, _ = strings.Cut(c, ";")
		}
	}
	compared := 0
	for minute := range 6 {
		for range 40 {
			if h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", "guess"), from("203.0.113.66")...).status == 401 {
				compared++
			}
		}
		now = now.Add(10 * time.Second)
		// She at home, where she never was, and she at her desk, whose address the attacker shares.
		if a := h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", password), from(fmt.Sprintf("198.51.100.%d", 10+minute))...); a.status != 303 {
			t.Errorf("from a new address: %d", a.status)
		}
		if a := h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", password), from("203.0.113.66", "Cookie", known)...); a.status != 303 {
			t.Errorf("from a browser that is known, at the attacker's address: %d", a.status)
		}
	}
	if most := tries + 60/6; compared > most {
		t.Errorf("%d passwords were compared, want %d at most", compared, most)
	}
	// Many attackers make strangers slow, and nobody else.
	for i := range 3 * nameTries {
		h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", "guess"), from(fmt.Sprintf("192.0.2.%d", i))...)
	}
	if slept == 0 {
		t.Error("strangers are not slowed down")
	}
	before := slept
	if a := h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", password), from("192.0.2.1", "Cookie", known)...); a.status != 303 || slept != before {
		t.Errorf("a browser that is known: %d, slept %d times", a.status, slept-before)
	}
	if a := h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", password), from("198.51.100.99")...); a.status != 303 || slept != before+1 {
		t.Errorf("a stranger: %d, slept %d times", a.status, slept-before)
	}
	// A cookie that is stolen, forged, another's or too old helps with nothing but being tried ten times.
	for name, value := range map[string]string{"forged": known[:len(known)-3] + "xxx", "cut": known[:len(known)/2], "empty": known[:strings.Index(known, "=")+1]} {
		_, value, _ = strings.Cut(value, "=")
		if account, _ := h.way.account("olga"); h.way.sessions.knows(account, value, now) {
			t.Errorf("a %s cookie is believed", name)
		}
	}
	_, value, _ := strings.Cut(known, "=")
	olga, _ := h.way.account("olga")
	vera, _ := h.way.account("vera")
	if h.way.sessions.knows(vera, value, now) || h.way.sessions.knows(olga, value, now.Add(knownFor+25*time.Hour)) || !h.way.sessions.knows(olga, value, now) {
		t.Error("whose the cookie is, and how old, does not matter")
	}
	refused := 0
	for range 3 * tries {
		if h.ask(h.browser(), "POST", "/ringqueue/login", form("olga", "guess"), from("192.0.2.1", "Cookie", known)...).status == 429 {
			refused++
		}
	}
	if refused < 2*tries {
		t.Errorf("with the cookie, %d of %d tries are refused", refused, 3*tries)
	}
}

// TestAFloodOfLogins sends what a stranger may: large names, many names. It costs nothing that lasts, and few log lines.
func TestAFloodOfLogins(t *testing.T) {
	t.Parallel()
	h := behind(t)
	now := time.Now()
	h.way.now = func() time.Time { return now }
	c := h.browser()
	heap := func() (alive uint64, routines int) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	post := func(body string) int {
		return h.ask(c, "POST", "/ringqueue/login", body, from("203.0.113.66")...).status
	}
	post(form("x", "x"))
	before, routines := heap()
	large := strings.Repeat("A", 1_000_000)
	for i := range 100 {
		if got := post(fmt.Sprintf("name=u%05d%s&password=x", i, large)); got != 413 {
			t.Fatalf("a large login: %d", got)
		}
	}
	compared := 0
	for i := range 2000 {
		switch got := post(form(fmt.Sprintf("x%d%s", i, strings.Repeat("y", 40)), "x")); got {
		case 401:
			compared++
		case 429:
		default:
			t.Fatalf("a login: %d", got)
		}
		if i%500 == 0 && post(form("olga", "guess")) == 401 {
			compared++
		}
	}
	if compared > tries {
		t.Errorf("%d passwords were compared while the clock stood still, want %d at most", compared, tries)
	}
	after, now2 := heap()
	if after > before+8<<20 {
		t.Errorf("the heap has grown from %d to %d KiB", before>>10, after>>10)
	}
	if now2 > routines+10 {
		t.Errorf("goroutines: %d before, %d after", routines, now2)
	}
	if n := strings.Count(h.log.String(), "\n"); n > 4 {
		t.Errorf("%d log lines:\n%.2000s", n, h.log)
	}
	if strings.Contains(h.log.String(), "yyyy") || strings.Contains(h.log.String(), "AAAA") {
		t.Error("what strangers type is in the log")
	}
}

func TestLimitsForgetTheOldestOnly(t *testing.T) {
	t.Parallel()
	l := newLimits()
	now := time.Now()
	attacker := netip.MustParseAddr("203.0.113.66")
	use := func(addr netip.Addr, name string) bool {
		v := l.stranger(addr, name, now)
		if v.done != nil {
			v.done()
		}
		return !v.refused
	}
	for use(attacker, "olga") {
	}
	for i := range 4 * remembered {
		use(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprint("name", i))
		if i%1000 == 0 && use(attacker, "olga") {
			t.Fatalf("after %d other addresses, the attacker's is forgotten", i)
		}
	}
	for what, n := range map[string]int{"addresses": l.addresses.Len(), "names": l.names.Len()} {
		if n > remembered {
			t.Errorf("%d %s are kept", n, what)
		}
	}
	if len(l.each) != 0 || l.waiting != 0 {
		t.Errorf("in hand: %d, %d", len(l.each), l.waiting)
	}
	// One network of IPv6 is one address.
	for i := range tries {
		use(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)), "x")
	}
	if use(netip.MustParseAddr("2001:db8:1:2:ffff::1"), "x") || !use(netip.MustParseAddr("2001:db8:1:3::1"), "x") {
		t.Error("networks of IPv6 are not told apart as they should be")
	}
	// No address has all places.
	held := 0
	for range 2 * mostOfAddress {
		if v := l.stranger(netip.MustParseAddr("192.0.2.1"), "x", now); !v.refused {
			held++
		}
	}
	if held != mostOfAddress || !use(netip.MustParseAddr("192.0.2.2"), "x") {
		t.Errorf("one address has %d tries in hand", held)
	}
}

// TestTheSameWorkForEverybody adds up the rounds of bcrypt: times would tell which users there are.
func TestTheSameWorkForEverybody(t *testing.T) {
	t.Parallel()
	var users []string
	for c := leastCost; c <= 13; c++ {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), leastCost)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, fmt.Sprintf("user%d:viewer:$2a$%d%s", c, c, hash[6:])) // as if made with that cost
	}
	list, err := ParseUsers(strings.Join(users, ";"))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= len(list); n++ {
		p, err := newPasswords(list[:n])
		if err != nil {
			t.Fatal(err)
		}
		work := func(a Account, ok bool) (rounds int) {
			for _, hash := range p.plan(a, ok) {
				c, err := bcrypt.Cost(hash)
				if err != nil {
					t.Fatal(err)
				}
				rounds += 1 << c
			}
			return rounds
		}
		want := work(Account{}, false)
		for _, a := range list[:n] {
			if got := work(a, true); got != want {
				t.Errorf("%s makes %d rounds, a stranger %d", a.Name, got, want)
			}
		}
	}
	p, err := newPasswords(list[:2])
	if err != nil {
		t.Fatal(err)
	}
	if fits, err := p.compare(t.Context(), list[0], true, false, password); err != nil || !fits {
		t.Errorf("the right password: %v, %v", fits, err)
	}
	for _, wrong := range []string{"", "nobody has this password", password + "x"} {
		for _, ok := range []bool{true, false} {
			if fits, err := p.compare(t.Context(), list[0], ok, true, wrong); err != nil || fits {
				t.Errorf("%q (%t): %v, %v", wrong, ok, fits, err)
			}
		}
	}
	if fits, _ := p.compare(t.Context(), list[0], false, false, password); fits {
		t.Error("a user that is not there is let in")
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Buffer
		tl := newTally(zerolog.New(&log), "refused")
		for i := range 100_000 {
			tl.add("wrong", fmt.Sprintf("192.0.2.%d", i%7/6), "")
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines at once", n)
		}
		time.Sleep(tallyEvery + time.Second)
		if !strings.HasSuffix(strings.TrimSpace(log.String()), `{"level":"warn","wrong":99999,"from":"192.0.2.0","addresses":2,"message":"refused"}`) {
			t.Errorf("the log says %s", log.String())
		}
		time.Sleep(10 * tallyEvery)
		tl.add("wrong", "192.0.2.9", "")
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines, want the third at once: %s", n, log.String())
		}
		time.Sleep(10 * tallyEvery)
	})
}

// TestStrangersAtTheTLSPort speak something else.
func TestStrangersAtTheTLSPort(t *testing.T) {
	t.Parallel()
	cfg := local8080(t)
	cfg.TLS = true
	h := build(t, cfg)
	for range 200 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
	if n := strings.Count(h.log.String(), "\n"); n != 1 || !strings.Contains(h.log.String(), "connections that failed") {
		t.Errorf("%d lines: %s", n, h.log)
	}
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// TestRedisHangs: whoever asks is told at once, and since when.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	quick := *rdb.Options()
	quick.ReadTimeout, quick.MaxRetries, quick.ContextTimeoutEnabled = 500*time.Millisecond, -1, true
	h := buildOn(t, newClient(t, &quick), local8080(t))
	olga := h.as("olga")
	server.Pause()
	defer server.Continue()
	if a := h.ask(olga, "GET", "/", ""); a.status != 503 || !strings.Contains(a.body, "has not answered since") {
		t.Errorf("the first: %d %s", a.status, a.body)
	}
	began := time.Now()
	for range 50 {
		if a := h.ask(olga, "GET", "/", ""); a.status != 503 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if took := time.Since(began); took > 15*time.Second { // 50 times the patience would be 25
		t.Errorf("50 requests took %s", took)
	}
	if a := h.ask(h.browser(), "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("healthz: %d", a.status)
	}
	// Inventions never get as far as Redis.
	if a := h.ask(h.browser(), "GET", "/", "", "Cookie", h.way.cookie+"=invented"); a.status != 303 {
		t.Errorf("an invented session: %d", a.status)
	}
	server.Continue()
	for deadline := time.Now().Add(time.Minute); h.ask(olga, "GET", "/", "").status != 200; {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
}
