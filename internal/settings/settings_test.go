package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/redisurl"
)

// secrets that stand in the tests' settings; no error or print may hold any of them.
func secrets() []string { return []string{"s3cret-app", "eyJhbGciOi", "hunter2"} }

// env is an environment with all that is needed, changed by pairs of names and values; an empty value
// is not set.
func env(pairs ...string) func(string) string {
	vars := map[string]string{
		ClientIDVar: "client", ClientSecretVar: "s3cret-app", JWTVar: "eyJhbGciOi.default", CallerVar: "+16505550001",
	}
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return vars[name] }
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func noSecrets(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range append(secrets(), "6505550001", "6505550002") {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds %q: %s", what, secret, text)
		}
	}
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	got, err := Load(env(), filepath.Join(t.TempDir(), ".env"), "")
	if err != nil {
		t.Fatal(err)
	}
	want := Worker{
		RedisURL:     "redis://127.0.0.1:6379/0",
		Credentials:  Credentials{Server: "https://platform.ringcentral.com", ClientID: "client", ClientSecret: "s3cret-app"},
		Lines:        []Line{{Name: "default", Number: "+16505550001", Team: "default", JWT: "eyJhbGciOi.default", JWTEnv: "RC_USER_JWT"}},
		PollInterval: 3 * time.Second,
		CoolDown:     5 * time.Minute,
		FailoverHold: 10 * time.Minute,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestLoadDotenv(t *testing.T) {
	t.Parallel()
	dotenv := write(t, ".env", "# secrets\nRC_APP_CLIENT_ID=from-file\nexport RC_APP_CLIENT_SECRET='s3cret-app$x#y'\nRC_USER_JWT=\"eyJhbGciOi.file\"\nRINGOUT_CALLER=+16505550002 # bob\nREDIS_URL=redis://:hunter2@redis:6379/1\n")
	only := func(name string) string {
		return map[string]string{CallerVar: " +16505550001\n", ClientIDVar: ""}[name]
	}
	w, err := Load(only, dotenv, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Lines[0]; got.Number != "+16505550001" || got.JWT.Reveal() != "eyJhbGciOi.file" {
		t.Errorf("line: %v, JWT %t", got, got.JWT != "")
	}
	if w.Credentials.ClientID != "from-file" || w.Credentials.ClientSecret.Reveal() != "s3cret-app$x#y" || w.RedisURL != "redis://:hunter2@redis:6379/1" {
		t.Error("not from the file")
	}
	address, err := RedisURL(only, dotenv)
	if err != nil || address != w.RedisURL {
		t.Errorf("RedisURL: %q, %v", redisurl.Redact(address), err)
	}
}

func TestLoadExamples(t *testing.T) {
	t.Parallel()
	w, err := Load(env("RC_USER_JWT_ALICE", "eyJhbGciOi.a", "RC_USER_JWT_BOB", "eyJhbGciOi.b", "RC_USER_JWT_CAROL", "eyJhbGciOi.c", JWTVar, "", CallerVar, ""),
		"", "../../examples/ringqueue.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Line{
		{"alice", "+16505550001", "sales", "eyJhbGciOi.a", "RC_USER_JWT_ALICE"},
		{"bob", "+16505550002", "sales", "eyJhbGciOi.b", "RC_USER_JWT_BOB"},
		{"carol", "+16505550003", "support", "eyJhbGciOi.c", "RC_USER_JWT_CAROL"},
	}
	if !reflect.DeepEqual(w.Lines, want) || w.PollInterval != DefaultPollInterval || w.CoolDown != DefaultCoolDown || w.MaxLines != 0 {
		t.Errorf("got %v, want lines %v and defaults", w, want)
	}

	// The example environment has every variable, and what it gives is the default.
	_, err = Load(func(string) string { return "" }, "../../.env.example", "")
	var bad *Error
	if !errors.As(err, &bad) || len(bad.Problems) != 4 {
		t.Fatalf("got %v, want the four variables that have no default", err)
	}
	src, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		ServerVar + "=" + DefaultServer, ClientIDVar + "=", ClientSecretVar + "=", JWTVar + "=", CallerVar + "=", RedisVar + "=" + DefaultRedisURL,
	} {
		if !strings.Contains("\n"+string(src), "\n"+line+"\n") {
			t.Errorf(".env.example has no line %s", line)
		}
	}
}

func TestLoadFileValues(t *testing.T) {
	t.Parallel()
	w, err := Load(env("A", "eyJhbGciOi.a"), "", write(t, "ringqueue.yaml",
		"teams:\n  t:\n    lines: [{name: a, number: +16505550001, jwt_env: A}, {name: b, number: \"+16505550002\", jwt_env: A}]\npoll_interval: 100ms\ncool_down: 0\nmax_lines: 7\nfailover_hold: 20m\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Lines) != 2 || w.Lines[1].JWT != w.Lines[0].JWT || w.PollInterval != 100*time.Millisecond || w.CoolDown != 0 || w.MaxLines != 7 || w.FailoverHold != 20*time.Minute {
		t.Errorf("got %v", w)
	}
	// A file without teams leaves the default line.
	w, err = Load(env(), "", write(t, "ringqueue.yaml", "max_lines: 1\n"))
	if err != nil || len(w.Lines) != 1 || w.Lines[0].Name != "default" || w.MaxLines != 1 {
		t.Errorf("got %v, %v", w, err)
	}
}

const redisTakes = "it takes redis://[user:password@]host:port/db, rediss://… for TLS, " +
	"redis-sentinel://host:port,host:port/db?master=NAME or redis-cluster://host:port,host:port"

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	const config = "ringqueue.yaml"
	tests := []struct {
		name   string
		env    func(string) string
		dotenv string
		file   string
		want   []string // FILE stands for the config's path, ENV for the .env's
	}{
		{"everything missing", func(string) string { return "" }, "", "", []string{
			"RC_APP_CLIENT_ID is not set: the client id of the app at RingCentral; takes it from the environment or a .env file",
			"RC_APP_CLIENT_SECRET is not set: the client secret of the app at RingCentral; takes it from the environment or a .env file",
			"RINGOUT_CALLER is not set: the agent's phone, which rings first, in E.164 such as +16505550001; takes it from the environment or a .env file",
			"RC_USER_JWT is not set: the JWT of the extension that dials for line default; takes it from the environment or a .env file",
		}},
		{"caller without +", env(CallerVar, "16505550001"), "", "", []string{
			`RINGOUT_CALLER: is "…0001"; takes the agent's phone in E.164, with its +, such as +16505550001`,
		}},
		{"plain http", env(ServerVar, "http://platform.ringcentral.com"), "", "", []string{
			`RC_SERVER_URL: is "http://platform.ringcentral.com"; takes https:// and a host, such as https://platform.ringcentral.com; http is for this machine only`,
		}},
		{"server with a password", env(ServerVar, "https://me:hunter2@example.com"), "", "", []string{
			"RC_SERVER_URL: is no plain address of a server; takes https:// and a host, such as https://platform.ringcentral.com; http is for this machine only",
		}},
		{"no scheme of Redis", env(RedisVar, "http://:hunter2@localhost"), "", "", []string{
			"REDIS_URL: has no scheme of Redis; " + redisTakes,
		}},
		{"no URL of Redis", env(RedisVar, "redis://:hunter2@local host\x7f"), "", "", []string{
			"REDIS_URL: has a space or a control character; " + redisTakes,
		}},
		{"no host of Redis", env(RedisVar, "redis:///0"), "", "", []string{
			"REDIS_URL: has no host; " + redisTakes,
		}},
		{"bad line in .env", env(), "A=1\nB='x\ny'\nRC_APP CLIENT-SECRET hunter2\nC=1\n", "", []string{
			"ENV:4: is not a line such as NAME=value",
		}},
		{"JWT of a line missing", env(), "", "teams: {sales: {lines: [{name: alice, number: \"+16505550001\", jwt_env: ALICE}, {name: bob, number: \"+16505550002\", jwt_env: ALICE}]}}", []string{
			"ALICE is not set: the JWT of the extension that dials for line alice; takes it from the environment or a .env file",
		}},
		{"duplicates over teams", env("J", "x"), "", "teams:\n  a:\n    lines:\n      - {name: x, number: \"+16505550001\", jwt_env: J}\n  b:\n    lines:\n      - {name: x, number: \"+16505550002\", jwt_env: J}\n      - {name: y, number: \"+16505550001\", jwt_env: J}\n", []string{
			`FILE:7: teams.b.lines[1].name: is "x", as a line of team a is already; takes a name of its own over all teams`,
			`FILE:8: teams.b.lines[2].number: is "…0001", as that of line x of team a is already; takes a number of its own over all teams`,
		}},
		{"bad lines", env("J", "x"), "", "teams:\n  sales:\n    lines:\n      - {name: Alice, number: 5550001, jwt_env: eyJhbGciOi.x.y}\n      - {name: bob, jwt: eyJhbGciOi.x.y, number: \"+16505550002\"}\n      - {}\n      - alice\n", []string{
			`FILE:4: teams.sales.lines[1].name: is "Alice"; takes 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit`,
			`FILE:4: teams.sales.lines[1].number: is "…0001"; takes the agent's phone in E.164, in quotes: "+16505550001"`,
			`FILE:4: teams.sales.lines[1].jwt_env: is no variable's name; takes the name of the environment variable that holds the extension's JWT, such as RC_USER_JWT_ALICE`,
			`FILE:5: teams.sales.lines[2].jwt: unknown field; did you mean jwt_env?`,
			`FILE:5: teams.sales.lines[2].jwt_env: missing; takes the name of the environment variable that holds the extension's JWT, such as RC_USER_JWT_ALICE`,
			`FILE:6: teams.sales.lines[3].name: missing; takes 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit`,
			`FILE:6: teams.sales.lines[3].number: missing; takes the agent's phone in E.164, in quotes: "+16505550001"`,
			`FILE:6: teams.sales.lines[3].jwt_env: missing; takes the name of the environment variable that holds the extension's JWT, such as RC_USER_JWT_ALICE`,
			`FILE:7: teams.sales.lines[4]: is a plain value; takes fields: jwt_env, name, number`,
		}},
		{"bad teams", env(), "", "teams:\n  Sales: {}\n  b: {lines: []}\n  c: {}\n  d: {line: x}\n", []string{
			`FILE:2: teams.Sales: is no team's name; takes 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit`,
			`FILE:3: teams.b.lines: is empty; takes a list of lines such as {name: alice, number: "+16505550001", jwt_env: RC_USER_JWT_ALICE}`,
			`FILE:4: teams.c.lines: missing; takes a list of lines such as {name: alice, number: "+16505550001", jwt_env: RC_USER_JWT_ALICE}`,
			`FILE:5: teams.d.line: unknown field; did you mean lines?`,
			`FILE:5: teams.d.lines: missing; takes a list of lines such as {name: alice, number: "+16505550001", jwt_env: RC_USER_JWT_ALICE}`,
		}},
		{"bad values", env(), "", "number_caps: {24h: 3}\npol_interval: 3s\npoll_interval: 2m\ncool_down: 25h\nmax_lines: -1\nteams: {}\n", []string{
			"FILE:1: number_caps: is not supported yet",
			"FILE:2: pol_interval: unknown field; did you mean poll_interval?",
			`FILE:3: poll_interval: is "2m"; takes a duration from 100ms to 1m, such as 20s, 15m, 4h or 2d`,
			`FILE:4: cool_down: is "25h"; takes a duration from 0s to 1d, such as 20s, 15m, 4h or 2d`,
			`FILE:5: max_lines: is "-1"; takes a whole number from 0 to 10000`,
			"FILE:6: teams: is empty; takes teams by name, each with its lines",
		}},
		{"no YAML, and nothing said of lines", env(CallerVar, "", JWTVar, ""), "", "teams: [", []string{
			"FILE:1: not valid YAML: sequence end token ']' not found",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file, dotenv := "", ""
			if tt.file != "" {
				file = write(t, config, tt.file)
			}
			if tt.dotenv != "" {
				dotenv = write(t, ".env", tt.dotenv)
			}
			w, err := Load(tt.env, dotenv, file)
			var bad *Error
			if !errors.As(err, &bad) || !reflect.DeepEqual(w, Worker{}) {
				t.Fatalf("got %v, %v; want an *Error", w, err)
			}
			got := err.Error()
			if file != "" {
				got = strings.ReplaceAll(got, file, "FILE")
			}
			if dotenv != "" {
				got = strings.ReplaceAll(got, dotenv, "ENV")
			}
			for _, secret := range secrets() {
				if strings.Contains(got, secret) {
					t.Errorf("error holds %q", secret)
				}
			}
			if want := strings.Join(tt.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, tt := range map[string]struct{ dotenv, config, want string }{
		"no config":        {"", filepath.Join(folder, "none.yaml"), filepath.Join(folder, "none.yaml") + ": no such file or directory"},
		"config is folder": {"", folder, folder + ": is a directory"},
		".env is folder":   {folder, "", folder + ": is a directory"},
		".env is too large": {
			write(t, ".env", strings.Repeat("#", maxFileBytes+1)), "", "larger than 64 KiB",
		},
	} {
		_, err := Load(env(), tt.dotenv, tt.config)
		var bad *Error
		if !errors.As(err, &bad) || len(bad.Problems) != 1 || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

func TestRedisURLNeedsNothingElse(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	if got, err := RedisURL(none, ""); err != nil || got != DefaultRedisURL {
		t.Errorf("got %q, %v", got, err)
	}
	for _, address := range []string{
		"redis://localhost", "rediss://u:p@h:6380/2?protocol=2", "redis-sentinel://a:1,b:2/0?master=mymaster", "redis-cluster://a:1,b:2",
	} {
		if got, err := RedisURL(env(RedisVar, address), ""); err != nil || got != address {
			t.Errorf("%s: got %q, %v", address, got, err)
		}
	}
	_, err := RedisURL(env(RedisVar, "localhost:6379"), "")
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("got %v", err)
	}
}

func TestServerURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://platform.ringcentral.com/": "https://platform.ringcentral.com", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"http://localhost:1": "http://localhost:1", "http://[::1]:1": "http://[::1]:1",
		"http://127.0.0.1.example.com": "", "ftp://localhost": "", "platform.ringcentral.com": "", "https://": "", "https://h?x=1": "",
	} {
		w, err := Load(env(ServerVar, address), "", "")
		if (err == nil) != (want != "") || w.Credentials.Server != want {
			t.Errorf("%s: got %q, %v", address, w.Credentials.Server, err)
		}
	}
}

func TestNothingShowsSecrets(t *testing.T) {
	t.Parallel()
	w, err := Load(env(RedisVar, "redis://u:hunter2@localhost:6379/0?client_name=hunter2"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	line := w.Lines[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for name, v := range map[string]any{
			"worker": w, "credentials": w.Credentials, "line": line, "line's address": &line, "lines": w.Lines, "secret": line.JWT,
		} {
			noSecrets(t, verb+" of "+name, fmt.Sprintf(verb, v))
			if hex := fmt.Sprintf("%x", "s3cret-app"); strings.Contains(fmt.Sprintf(verb, v), hex) {
				t.Errorf("%s of %s holds the secret in hexadecimal", verb, name)
			}
		}
	}
	noSecrets(t, "%d of secret", fmt.Sprintf("%d", line.JWT))
	for name, v := range map[string]any{"credentials": w.Credentials, "secret": line.JWT} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		noSecrets(t, "JSON of "+name, string(b))
	}
	var log bytes.Buffer
	logger := zerolog.New(&log)
	logger.Info().Object("line", line).EmbedObject(line).Interface("credentials", w.Credentials).Any("jwt", line.JWT).Stringer("worker", w).Send()
	noSecrets(t, "log", log.String())
	if want := `"line":"default","team":"default","number":"…0001","jwt_env":"RC_USER_JWT"`; !strings.Contains(log.String(), want) {
		t.Errorf("log %s has no %s", log.String(), want)
	}
	if line.JWT.Reveal() != "eyJhbGciOi.default" || line.JWT.String() != "***" || Secret("").String() != "" {
		t.Error("Reveal or String")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("teams: {a: {lines: [{name: x, number: \"+16505550001\", jwt_env: J}]}}", "J=eyJhbGciOi\n")
	f.Add("max_lines: 3\nteams:\n  - x\n", "A='b\nc'\n")
	f.Add("teams: {a: {lines: {name: x}}}", "export A=${B}\n#")
	f.Fuzz(func(t *testing.T, config, dotenv string) {
		file, envFile := write(t, "c.yaml", config), write(t, ".env", dotenv)
		w, err := Load(env("J", "eyJhbGciOi.j"), envFile, file)
		var bad *Error
		switch {
		case err != nil && !errors.As(err, &bad):
			t.Fatalf("got %T", err)
		case err == nil && len(w.Lines) == 0:
			t.Fatal("no lines")
		}
		for _, l := range w.Lines {
			if l.Name == "" || l.Number == "" || l.JWT == "" || l.Team == "" {
				t.Fatalf("accepted %v", l)
			}
		}
	})
}
