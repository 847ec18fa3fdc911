// Package settings reads the settings of the programs: the environment, a .env file and the worker's file.
package settings

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/internal/redisurl"
	"github.com/ringqueue/ringqueue/internal/yamlfile"
)

// Names of the environment variables, RingCentral's own where it has one.
const (
	ServerVar       = "RC_SERVER_URL"
	ClientIDVar     = "RC_APP_CLIENT_ID"
	ClientSecretVar = "RC_APP_CLIENT_SECRET" //nolint:gosec // a variable's name
	JWTVar          = "RC_USER_JWT"
	CallerVar       = "RINGOUT_CALLER"
	RedisVar        = "REDIS_URL"
)

// What the settings are where nothing else is given.
const (
	DefaultServer       = "https://platform.ringcentral.com"
	DefaultRedisURL     = "redis://127.0.0.1:6379/0"
	DefaultTeam         = "default"
	DefaultLine         = "default"
	DefaultPollInterval = 3 * time.Second
	DefaultCoolDown     = 5 * time.Minute
	DefaultFailoverHold = 10 * time.Minute
)

// Credentials are those of the app at RingCentral.
type Credentials struct {
	Server       string // without a slash at its end
	ClientID     string
	ClientSecret Secret
}

// Line is an agent's phone and the extension that dials for it.
type Line struct {
	Name   string
	Number string // E.164
	Team   string
	JWT    Secret // the extension's
	JWTEnv string // the variable from which JWT came
}

// String names the line, without its secret.
func (l Line) String() string {
	return fmt.Sprintf("line %s of team %s at %s", l.Name, l.Team, campaign.Mask(l.Number))
}

// GoString is String.
func (l Line) GoString() string { return l.String() }

// MarshalZerologObject logs the line without its secret.
func (l Line) MarshalZerologObject(e *zerolog.Event) {
	e.Str("line", l.Name).Str("team", l.Team).Str("number", campaign.Mask(l.Number)).Str("jwt_env", l.JWTEnv)
}

// Worker is the settings of a worker.
type Worker struct {
	RedisURL     string `json:"-"` // may hold a password
	Credentials  Credentials
	Lines        []Line        // in the file's order, at least one
	PollInterval time.Duration // between looks at a call that rings
	CoolDown     time.Duration // of a line after its own leg failed
	MaxLines     int           // that one worker leases; 0: as many as there are
	FailoverHold time.Duration // that contacts wait at most after Redis changed, for lines that may have called them
}

// String is the settings without secrets.
func (w Worker) String() string {
	return fmt.Sprintf("redis %s, server %s, lines %v, poll_interval %s, cool_down %s, max_lines %d, failover_hold %s",
		redisurl.Redact(w.RedisURL), w.Credentials.Server, w.Lines,
		campaign.FormatDuration(w.PollInterval), campaign.FormatDuration(w.CoolDown), w.MaxLines, campaign.FormatDuration(w.FailoverHold))
}

// GoString is String.
func (w Worker) GoString() string { return w.String() }

// Error is all that is wrong with the settings, a line each. A command that gets it ends with the
// status for wrong arguments, files and settings.
type Error struct{ Problems []string }

// Error is one line for each problem.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Load reads the settings of a worker: the environment by getenv, the file at dotenvPath for what the
// environment does not have (it need not exist), and the worker's file at configPath ("" for none). The
// error, if any, is an *Error that tells everything which is wrong, without any secret.
func Load(getenv func(string) string, dotenvPath, configPath string) (Worker, error) {
	e := newEnvironment(getenv, dotenvPath)
	w := Worker{PollInterval: DefaultPollInterval, CoolDown: DefaultCoolDown, FailoverHold: DefaultFailoverHold}
	w.RedisURL = e.redisURL()
	w.Credentials = Credentials{
		Server:       e.server(),
		ClientID:     e.required(ClientIDVar, "the client id of the app at RingCentral"),
		ClientSecret: Secret(e.required(ClientSecretVar, "the client secret of the app at RingCentral")),
	}
	w.fromFile(e, configPath)
	if e.failed() {
		return Worker{}, &Error{Problems: e.problems}
	}
	return w, nil
}

// RedisURL is the address of Redis, for the commands that need nothing else. Environment, .env file and error
// are as with Load.
func RedisURL(getenv func(string) string, dotenvPath string) (string, error) {
	e := newEnvironment(getenv, dotenvPath)
	address := e.redisURL()
	if e.failed() {
		return "", &Error{Problems: e.problems}
	}
	return address, nil
}

func (e *environment) redisURL() string {
	address := e.get(RedisVar)
	if address == "" {
		return DefaultRedisURL
	}
	if err := redisurl.Check(address); err != nil {
		e.problems = append(e.problems, err.Error()) // which names the variable
		return ""
	}
	return address
}

func (e *environment) server() string {
	const takes = "takes https:// and a host, such as " + DefaultServer + "; http is for this machine only"
	address := e.get(ServerVar)
	if address == "" {
		return DefaultServer
	}
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		e.fail("%s: is no plain address of a server; %s", ServerVar, takes)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return strings.TrimRight(address, "/")
	default:
		e.fail("%s: is %s; %s", ServerVar, yamlfile.Quote(address), takes)
	}
	return ""
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
