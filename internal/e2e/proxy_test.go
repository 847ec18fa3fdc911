package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/console/auth"
	"github.com/ringqueue/ringqueue/internal/testlog"
)

const proxyName = "calls.example.com"

// certificate writes a certificate for proxyName and its key.
func (w *world) certificate() (cert, key string, roots *x509.CertPool) {
	w.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{proxyName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		w.t.Fatal(err)
	}
	src, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	cert = w.file("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = w.file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: src})))
	return filepath.Join(w.dir, filepath.Base(cert)), filepath.Join(w.dir, filepath.Base(key)), roots
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// recipe is the first block of a language in docs/operations.md, with what stands for a machine's own replaced.
func recipe(t *testing.T, language string, own ...string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(doc)
	if block == nil {
		t.Fatalf("docs/operations.md has no recipe for %s", language)
	}
	text := string(block[1])
	for i := 0; i < len(own); i += 2 {
		if !strings.Contains(text, own[i]) {
			t.Errorf("the recipe has no %q", own[i])
		}
		text = strings.ReplaceAll(text, own[i], own[i+1])
	}
	return text
}

// person is a browser at an address of this machine, which finds proxyName at a port.
func person(t *testing.T, from, port string, roots *x509.CertPool) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask makes a request as a page of the console's would.
func ask(t *testing.T, c *http.Client, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+proxyName+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if method != http.MethodGet {
		req.Header.Set("Origin", "https://"+proxyName)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	src, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(src)
}

// TestBehindNginx runs the recipe of docs/operations.md: nginx with TLS, two workers, people and strangers beyond it.
func TestBehindNginx(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(nginx); err != nil {
		t.Fatal("there is no nginx; `make setup` installs it")
	}
	w := newWorld(t, talking(20*time.Second))
	hash, err := auth.Hash(consolePassword)
	if err != nil {
		t.Fatal(err)
	}
	open := w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice)) // without users
	unguarded := strings.TrimPrefix(consoleOf(w, open), "http://")
	w.vars["CONSOLE_USERS"], w.vars["CONSOLE_URL"], w.vars["CONSOLE_PROXIES"] = "olga:operator:"+hash, "https://"+proxyName+"/ringqueue", "127.0.0.1"
	workers := []*process{w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice)), w.start("worker", "--http", "127.0.0.1:0", "--config", w.agents(alice))}
	cert, key, roots := w.certificate()
	port, bare := freePort(t), freePort(t)
	conf := recipe(
		t, "nginx", "127.0.0.1:8081", strings.TrimPrefix(consoleOf(w, workers[0]), "http://"), "127.0.0.1:8082", strings.TrimPrefix(consoleOf(w, workers[1]), "http://"),
		"listen 443", "listen 127.0.0.1:"+port, "/etc/ssl/"+proxyName+".pem", cert, "/etc/ssl/"+proxyName+".key", key,
	)
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", kind, w.dir, kind)
	}
	file := filepath.Join(w.dir, "nginx.conf")
	// The second server is what is written by whoever does not know better.
	whole := fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/nginx.pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n%s%s\nserver { listen 127.0.0.1:%s; location / { proxy_pass http://%s; } }\n}\n",
		w.dir, temporary.String(), conf, bare, unguarded)
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), nginx, "-p", w.dir, "-c", file, "-e", "stderr")
	var said testlog.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
	w.eventually("nginx listens", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		return err == nil && conn.Close() == nil
	})

	login := func(c *http.Client, password string, headers ...string) int {
		resp, _ := ask(t, c, "POST", "/ringqueue/login", url.Values{"name": {"olga"}, "password": {password}}.Encode(), headers...)
		return resp.StatusCode
	}
	olga, stranger := person(t, "127.0.0.2", port, roots), person(t, "127.0.0.3", port, roots)
	for path, want := range map[string]int{"/ringqueue/": 303, "/ringqueue/campaigns/x/results.csv": 303, "/ringqueue/metrics": 303, "/ringqueue/login": 200, "/": 404} {
		if resp, _ := ask(t, stranger, "GET", path, ""); resp.StatusCode != want {
			t.Errorf("a stranger asks for %s: %d", path, resp.StatusCode)
		}
	}
	refused := 0
	for range 30 {
		if login(stranger, "guess", "X-Forwarded-For", "127.0.0.2", "X-Real-IP", "127.0.0.2") == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("a stranger may try for ever")
	}
	resp, _ := ask(t, olga, "POST", "/ringqueue/login", url.Values{"name": {"olga"}, "password": {consolePassword}}.Encode())
	if resp.StatusCode != 303 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("olga's login: %d %v", resp.StatusCode, resp.Header)
	}
	for _, c := range resp.Cookies() {
		if !c.Secure || !c.HttpOnly || !strings.HasPrefix(c.Path, "/ringqueue/") {
			t.Errorf("cookie %v", c)
		}
	}
	for range 6 { // they go to the workers in turn
		if resp, body := ask(t, olga, "GET", "/ringqueue/", ""); resp.StatusCode != 200 || !strings.Contains(body, `href="/ringqueue/static/console.css"`) {
			t.Errorf("olga's page: %d %.500s", resp.StatusCode, body)
		}
	}
	if resp, body := ask(t, olga, "GET", "/ringqueue/monitor/", ""); resp.StatusCode != 200 || !strings.Contains(body, `href="/ringqueue/monitor/`) {
		t.Errorf("the monitor: %d %.500s", resp.StatusCode, body)
	}
	ask(t, olga, "POST", "/ringqueue/monitor/api/queues/none:pause", "")
	for _, want := range []string{`"user":"olga","role":"operator","from":"127.0.0.2"`, `"from":"127.0.0.2","method":"POST"`, `"from":"127.0.0.3"`} {
		w.eventually("the logs have "+want, func() bool { return strings.Contains(workers[0].err.String()+workers[1].err.String(), want) })
	}
	// Her streams end with her session, on both workers.
	ended := make(chan struct{}, 2)
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+proxyName+"/ringqueue/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := olga.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("stream: %v, %v", resp, err)
		}
		stream := bufio.NewReader(resp.Body)
		if _, err := stream.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, stream)
			_ = resp.Body.Close()
			ended <- struct{}{}
		}()
	}
	if resp, _ := ask(t, olga, "POST", "/ringqueue/logout", ""); resp.StatusCode != 303 {
		t.Errorf("logout: %d", resp.StatusCode)
	}
	for range 2 {
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("a stream goes on after the logout")
		}
	}
	// Without users, nobody comes through a proxy, not even through one that says nothing of itself.
	resp, err = http.Get("http://127.0.0.1:" + bare + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("through a bare proxy to a console without users: %d", resp.StatusCode)
	}
}
