package ringout

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config says whose extension a Client dials for, and who shares its rate limits.
type Config struct {
	// Server is RingCentral's address, https://platform.ringcentral.com. A base path is kept. Plain http is allowed
	// for loopback hosts only. Required.
	Server string
	// ClientID and ClientSecret are the app's, JWT is the user's. All three are required.
	ClientID, ClientSecret, JWT string

	// Transport sends the requests. If nil, the client makes its own with timeouts. Of a *http.Transport a copy
	// without kept-alive connections sends Place and token requests; any other is used as it is, and must not send a
	// request twice.
	Transport http.RoundTripper
	// Timeout is for one request, from connecting to the last byte of the answer. If zero, 10 seconds.
	Timeout time.Duration
	// UserAgent names the program to RingCentral, with its version. If empty, "ringqueue".
	UserAgent string
	// Now tells the time. If nil, time.Now.
	Now func() time.Time

	// Admit is asked before each request that the client makes by itself: each token request (group Auth), and the
	// one repetition after a 401 (the group of the call). It may wait; an error means that nothing is sent. If nil,
	// all are admitted at once.
	Admit func(ctx context.Context, g Group) error
	// Observe is handed every answer's rate-limit facts, those of errors and of token requests included, before the
	// method returns. It may be called from several goroutines at once, and twice for a 429 that names a group other
	// than the request's own. Nil ignores them.
	Observe func(ctx context.Context, q Quota)
	// OnRequest is told of each request that was handed to the network, after its answer or failure; one that came too
	// late, or was stopped before, is none. It may be called from several goroutines at once, and should be quick. Nil ignores
	// them.
	OnRequest func(e Exchange)
	// UnknownStatus is told a status that the client does not know: RingCentral's name of the field (callStatus,
	// callerStatus, calleeStatus) and a cleaned, bounded form of the value. Nil ignores it.
	UnknownStatus func(ctx context.Context, field, value string)
}

// String hides the secrets.
func (c Config) String() string {
	return fmt.Sprintf("ringout.Config{Server: %q}", c.Server)
}

// GoString hides the secrets.
func (c Config) GoString() string {
	return c.String()
}

const (
	defaultTimeout   = 10 * time.Second
	defaultUserAgent = "ringqueue"
)

// New makes a client, and sends nothing. The error names every field that is wrong and what it takes, but no values
// of secrets.
func New(config Config) (*Client, error) {
	config.ClientID = strings.TrimSpace(config.ClientID)
	config.ClientSecret = strings.TrimSpace(config.ClientSecret)
	config.JWT = strings.TrimSpace(config.JWT)

	base, err := parseServer(config.Server)
	problems := []error{err}
	for _, field := range []struct{ name, value string }{
		{"ClientID", config.ClientID},
		{"ClientSecret", config.ClientSecret},
		{"JWT", config.JWT},
	} {
		problems = append(problems, checkSecret(field.name, field.value))
	}
	if strings.Contains(config.ClientID, ":") {
		problems = append(problems, errors.New("ClientID contains a colon"))
	}
	if strings.ContainsFunc(config.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		problems = append(problems, errors.New("UserAgent contains characters that cannot be sent"))
	}
	if config.Timeout < 0 {
		problems = append(problems, fmt.Errorf("%s is %s, want 0 for %s or more", "Timeout", config.Timeout, defaultTimeout))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("ringcentral settings: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}

	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.UserAgent == "" {
		config.UserAgent = defaultUserAgent
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Transport == nil {
		config.Transport = newTransport(config.Timeout)
	}
	c := &Client{
		config:  config,
		base:    base,
		secrets: secretsOf(config),
		pooled:  config.Transport,
		fresh:   withoutReuse(config.Transport),
		jitter:  jitter,
	}
	c.placing = c.fresh
	if t, ok := c.fresh.(*http.Transport); ok {
		if connect := connector(t, base); connect != nil {
			c.spares = &spares{connect: connect}
			c.placing = c.spares.transport(t)
		}
	}
	return c, nil
}

func checkSecret(name, value string) error {
	if value == "" {
		return fmt.Errorf("%s is empty", name)
	}
	if !sendable(value) {
		return fmt.Errorf("%s contains blanks or other characters that cannot be sent", name)
	}
	return nil
}

// secretsOf lists what must stay out of errors, in every spelling in which it is sent.
func secretsOf(config Config) []string {
	return []string{
		config.ClientSecret,
		config.JWT,
		url.QueryEscape(config.JWT),
		base64.StdEncoding.EncodeToString([]byte(config.ClientID + ":" + config.ClientSecret)),
	}
}

// parseServer returns the address without a slash at its end.
func parseServer(server string) (string, error) {
	const want = "want an address such as https://platform.ringcentral.com"
	wrong := func(how string) (string, error) {
		return "", fmt.Errorf("%s %s, %s", "Server", how, want)
	}
	u, err := url.Parse(server)
	switch {
	case server == "":
		return wrong("is empty")
	case err != nil:
		// The parser's error quotes the address, which may hold a password.
		return wrong("is no address")
	case u.User != nil:
		return wrong("contains a user name or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(server, "#"):
		return wrong("contains a query or fragment")
	case u.Opaque != "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return wrong("is no https address")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return wrong("is plain http, which only a loopback host such as 127.0.0.1 may be")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// idlePerHost keeps enough connections for the polls of hundreds of live calls.
const idlePerHost = 256

func newTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  timeout,
		IdleConnTimeout:        60 * time.Second,
		MaxIdleConns:           idlePerHost,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxResponseHeaderBytes: 256 << 10,
		// HTTP/1.1 only: a silently dead HTTP/2 connection would take all polls with it.
		Protocols: onlyHTTP1(),
	}
}

func onlyHTTP1() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

// withoutReuse is the transport for what must not be sent twice. A connection that was kept alive may have been dropped by the other side or
// by something in between, which only shows once the request is written: the outcome would be unknown, and a person
// would have to look into it. A fresh connection costs a handshake, which at ten calls a minute is nothing.
func withoutReuse(rt http.RoundTripper) http.RoundTripper {
	t, ok := rt.(*http.Transport)
	if !ok {
		return rt
	}
	t = t.Clone()
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = nil
	t.HTTP2 = nil
	t.Protocols = onlyHTTP1()
	return t
}
