package settings

import (
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/ringqueue/ringqueue/internal/console/auth"
)

// Names of the console's environment variables.
const (
	ConsoleUsersVar      = "CONSOLE_USERS"
	ConsoleHostsVar      = "CONSOLE_HOSTS"
	ConsoleProxiesVar    = "CONSOLE_PROXIES"
	ConsoleURLVar        = "CONSOLE_URL"
	ConsoleTokenVar      = "CONSOLE_METRICS_TOKEN"
	ConsoleCertVar       = "CONSOLE_TLS_CERT"
	ConsoleKeyVar        = "CONSOLE_TLS_KEY"
	ConsolePrometheusVar = "CONSOLE_PROMETHEUS"
)

// minToken is the shortest bearer token of the metrics.
const minToken = 16

// Console is the settings of a worker's console.
type Console struct {
	Accounts   []auth.Account // none: whoever is on this machine
	Hosts      []string       // names under which it is reached beyond this machine
	Proxies    []netip.Prefix // whose forwarding headers count
	URL        *url.URL       // where people reach it; nil if that is not said
	Token      Secret         // that reads the metrics
	Cert, Key  string         // files; "" for no TLS
	Prometheus Secret         // address, for the monitor's charts; it may have a password
}

// LoadConsole reads the settings of the console. Environment, .env file and error are as with Load.
func LoadConsole(getenv func(string) string, dotenvPath string) (Console, error) {
	e := newEnvironment(getenv, dotenvPath)
	c := Console{
		Token: Secret(e.get(ConsoleTokenVar)), Cert: e.get(ConsoleCertVar), Key: e.get(ConsoleKeyVar),
		Prometheus: Secret(strings.TrimRight(e.get(ConsolePrometheusVar), "/")),
	}
	if users := e.get(ConsoleUsersVar); users != "" {
		accounts, err := auth.ParseUsers(users)
		if err != nil {
			e.fail("%s: %v", ConsoleUsersVar, err)
		}
		c.Accounts = accounts
	}
	for host := range strings.SplitSeq(e.get(ConsoleHostsVar), ",") {
		host = strings.Trim(strings.TrimSpace(host), "[]")
		switch {
		case host == "":
		case strings.ContainsAny(host, "/ *") || strings.Count(host, ":") == 1:
			e.fail("%s: takes names or addresses without scheme and port, such as calls.example.com,10.0.0.5", ConsoleHostsVar)
		default:
			c.Hosts = append(c.Hosts, host)
		}
	}
	var err error
	if c.Proxies, err = auth.ParseProxies(e.get(ConsoleProxiesVar)); err != nil {
		e.fail("%s: %v", ConsoleProxiesVar, err)
	}
	if at := e.get(ConsoleURLVar); at != "" {
		if c.URL, err = auth.ParseURL(at); err != nil {
			e.fail("%s: %v", ConsoleURLVar, err)
		}
	}
	if n := len(c.Token); n > 0 && n < minToken {
		e.fail("%s: has %d characters; takes %d or more, as from `openssl rand -hex 32`", ConsoleTokenVar, n, minToken)
	}
	if (c.Cert == "") != (c.Key == "") {
		e.fail("%s and %s go together: a certificate and its key", ConsoleCertVar, ConsoleKeyVar)
	}
	for name, path := range map[string]string{ConsoleCertVar: c.Cert, ConsoleKeyVar: c.Key} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			e.fail("%s: %v", name, err)
		}
	}
	if u, err := url.Parse(c.Prometheus.Reveal()); c.Prometheus != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		e.fail("%s: is no address; takes one such as http://127.0.0.1:9090", ConsolePrometheusVar)
	}
	if e.failed() {
		return Console{}, &Error{Problems: e.problems}
	}
	return c, nil
}
