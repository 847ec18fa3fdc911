// Package deploy_test holds the files for deployments to what the programs promise and need.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/failover"
	"github.com/ringqueue/ringqueue/internal/metrics"
	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/settings"
)

// drain is how long a worker may take to hand its calls over and end.
const drain = 10 * time.Second

// object is a mapping of a YAML or JSON file.
type object = map[string]any

// documents reads all documents of a YAML file. A key that stands twice is an error.
func documents(t *testing.T, path string) []object {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, path, src)
}

func parse(t *testing.T, name string, src []byte) []object {
	t.Helper()
	var all []object
	for d := yaml.NewDecoder(bytes.NewReader(src), yaml.Strict()); ; {
		var o object
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o != nil {
			all = append(all, o)
		}
	}
}

// at is the value under the keys, nil if one is missing.
func at(v any, keys ...string) any {
	for _, key := range keys {
		o, _ := v.(object)
		v = o[key]
	}
	return v
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// number is a YAML number, whatever type it was read as; -1 for anything else.
func number(v any) int {
	switch n := v.(type) {
	case uint64:
		if n <= math.MaxInt32 {
			return int(n)
		}
	case int64:
		return int(n)
	case int:
		return n
	}
	return -1
}

// tool finds a program. Where CI runs, it must be there; elsewhere the test is left out.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not on PATH: run `make setup`, which installs it with %s", name, from)
	}
	t.Skipf("%s is not on PATH (%s has it): left out", name, from)
	return ""
}

// run runs a program; the test fails unless it ends well.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

func TestEveryYAMLFileIsStrict(t *testing.T) {
	t.Parallel()
	count := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err == nil && (ext == ".yaml" || ext == ".yml") {
			count++
			if len(documents(t, path)) == 0 {
				t.Errorf("%s is empty", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 10 {
		t.Errorf("only %d files were found", count)
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^RUN CGO_ENABLED=0 go build -trimpath .*\./cmd/worker \./cmd/enqueue \./cmd/campaign$`,
		`(?m)^FROM scratch$`,
		`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`,
		`(?m)^STOPSIGNAL SIGTERM$`,
		`(?m)^COPY --from=build /etc/ssl/certs/ca-certificates.crt `,
		`(?m)^ENTRYPOINT \["/usr/local/bin/worker"\]$`,
	} {
		if !regexp.MustCompile(want).Match(src) {
			t.Errorf("Dockerfile has no line %s", want)
		}
	}
	goMod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(goMod)
	if version == nil || !bytes.Contains(src, append([]byte("FROM golang:"), append(version[1], '-')...)) {
		t.Errorf("Dockerfile does not build with Go %s, as go.mod asks for", version[1])
	}
	ignored, err := os.ReadFile("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".git", "**/.env", "**/*.env"} {
		if !slices.Contains(strings.Fields(string(ignored)), want) {
			t.Errorf(".dockerignore lets %s into the build", want)
		}
	}
}

// TestStaticBinary runs the worker as the image does: built without cgo, as a user without rights, in an empty folder,
// without an environment.
func TestStaticBinary(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "ringqueue-deploy-") //nolint:usetesting // other users must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "./cmd/worker", "./cmd/enqueue", "./cmd/campaign")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	run(t, build)
	for _, name := range []string{"worker", "enqueue", "campaign"} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, name), "--help")
		cmd.Dir, cmd.Env = dir, []string{}
		attr := &syscall.SysProcAttr{}
		if os.Getuid() == 0 {
			attr.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
			if name == "worker" {
				attr.Chroot, cmd.Path, cmd.Dir = dir, "/worker", "/" // nothing else is there, as in the image
			}
		}
		cmd.SysProcAttr = attr
		if out := run(t, cmd); !strings.Contains(out, "Usage:") {
			t.Errorf("%s --help says:\n%s", name, out)
		}
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	compose := documents(t, "compose.yaml")[0]
	services, _ := at(compose, "services").(object)
	defaults := env(t, "compose.env")
	for name, s := range services {
		for _, p := range list(at(s, "ports")) {
			if text, _ := p.(string); !strings.HasPrefix(text, "127.0.0.1:") {
				t.Errorf("%s publishes %v beyond this machine", name, p)
			}
		}
		if at(s, "read_only") != true || !slices.Contains(list(at(s, "cap_drop")), any("ALL")) ||
			!slices.Contains(list(at(s, "security_opt")), any("no-new-privileges:true")) {
			t.Errorf("%s is not hardened: %v", name, s)
		}
		if at(s, "privileged") != nil || at(s, "network_mode") != nil {
			t.Errorf("%s is privileged or on the machine's network", name)
		}
		if image, _ := at(s, "image").(string); !regexp.MustCompile(`:.+[0-9]|:local$`).MatchString(image) {
			t.Errorf("%s has image %q without a version", name, image)
		}
		for _, v := range list(at(s, "volumes")) {
			source, _, _ := strings.Cut(v.(string), ":")
			if !strings.HasPrefix(source, "./") || strings.HasSuffix(source, "ringqueue.yaml") { // that one is the user's
				continue
			}
			if _, err := os.Stat(source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
	}
	for _, name := range []string{"worker-1", "worker-2"} {
		s := services[name]
		text, _ := at(s, "stop_grace_period").(string)
		if grace, err := time.ParseDuration(text); err != nil || grace < 2*drain {
			t.Errorf("%s has stop_grace_period %q, want twice the drain of %s", name, text, drain)
		}
		if !slices.Contains(strings.Split(defaults["CONSOLE_HOSTS"], ","), name) {
			t.Errorf("%s does not answer to its own name: CONSOLE_HOSTS is %q", name, defaults["CONSOLE_HOSTS"])
		}
		// What the operator sets must win, and environment wins over every env_file.
		if at(s, "environment") != nil {
			t.Errorf("%s has an environment that ringqueue.env cannot change: %v", name, at(s, "environment"))
		}
		var order []string
		for _, f := range list(at(s, "env_file")) {
			path, _ := at(f, "path").(string)
			if order = append(order, path); at(f, "format") != "raw" {
				t.Errorf("%s: a bcrypt hash's $ would be expanded in %s", name, path)
			}
		}
		if !slices.Equal(order, []string{"compose.env", "secrets/redis.env", "ringqueue.env"}) {
			t.Errorf("%s reads %v, want ringqueue.env last", name, order)
		}
	}
	for name := range defaults {
		if example, ok := env(t, "ringqueue.env.example")[name]; ok {
			t.Errorf("the example sets %s to %q, which takes compose's value away", name, example)
		}
	}
	for name, s := range services {
		on := slices.Contains(list(at(s, "networks")), any("redis"))
		if want := slices.Contains([]string{"redis", "worker-1", "worker-2", "tools"}, name); on != want {
			t.Errorf("%s on Redis's network: %t", name, on)
		}
	}
	if at(compose, "networks", "redis", "internal") != true || len(list(at(services["redis"], "networks"))) != 1 {
		t.Error("Redis's network is not its own")
	}
	if command := fmt.Sprint(at(services["redis"], "command")); !strings.Contains(command, "--include /run/secrets/redis-auth") || strings.Contains(command, "protected-mode no") {
		t.Errorf("redis asks for no password: %s", command)
	}
	redis := services["redis"]
	if command := list(at(redis, "command")); len(command) < 2 || command[1] != "/etc/redis/redis.conf" {
		t.Errorf("redis does not read redis.conf: %v", command)
	}
	if at(redis, "ports") != nil {
		t.Error("redis is published")
	}
	if !slices.Contains(list(at(redis, "volumes")), any("redis-data:/data")) {
		t.Error("redis has no volume for its data")
	}
}

// env reads a file of settings as compose does.
func env(t *testing.T, path string) map[string]string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(src)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			all[name] = value
		}
	}
	return all
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	found := map[string]object{}
	paths, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if path == "kubernetes/ringqueue.yaml" { // the worker's file
			continue
		}
		for _, o := range documents(t, path) {
			kind, _ := at(o, "kind").(string)
			name, _ := at(o, "metadata", "name").(string)
			if kind == "" || name == "" || at(o, "apiVersion") == nil {
				t.Errorf("%s: an object without apiVersion, kind or name", path)
			}
			found[kind+"/"+name] = o
		}
	}
	for _, name := range []string{"Deployment/ringqueue-worker", "StatefulSet/ringqueue-redis"} {
		spec := at(found[name], "spec", "template", "spec")
		if at(spec, "securityContext", "runAsNonRoot") != true || number(at(spec, "securityContext", "runAsUser")) <= 0 ||
			at(spec, "securityContext", "seccompProfile", "type") != "RuntimeDefault" || at(spec, "automountServiceAccountToken") != false {
			t.Errorf("%s: the pod is not restricted: %v", name, at(spec, "securityContext"))
		}
		grace := time.Duration(number(at(spec, "terminationGracePeriodSeconds"))) * time.Second
		if grace < 2*drain {
			t.Errorf("%s: a grace period of %s, want twice the drain of %s", name, grace, drain)
		}
		for _, c := range list(at(spec, "containers")) {
			sc := at(c, "securityContext")
			if at(sc, "allowPrivilegeEscalation") != false || at(sc, "readOnlyRootFilesystem") != true ||
				!slices.Contains(list(at(sc, "capabilities", "drop")), any("ALL")) {
				t.Errorf("%s: the container is not restricted: %v", name, sc)
			}
			if at(c, "livenessProbe") == nil || at(c, "readinessProbe") == nil || at(c, "resources", "limits", "memory") == nil {
				t.Errorf("%s: a container without probes or limits", name)
			}
		}
		// What selects the pods must be on them.
		selector, _ := at(found[name], "spec", "selector", "matchLabels").(object)
		for key, want := range selector {
			if at(found[name], "spec", "template", "metadata", "labels", key) != want {
				t.Errorf("%s: its pods have no label %s=%v", name, key, want)
			}
		}
	}
	worker := found["Deployment/ringqueue-worker"]
	c := list(at(worker, "spec", "template", "spec", "containers"))[0]
	if at(c, "livenessProbe", "httpGet", "path") != "/healthz" || at(c, "readinessProbe", "httpGet", "path") != "/readyz" {
		t.Error("worker: probes ask something else than /healthz and /readyz")
	}
	if n := number(at(worker, "spec", "replicas")); n < 2 {
		t.Errorf("worker: %d replicas, want 2 or more", n)
	}
	if number(at(worker, "spec", "strategy", "rollingUpdate", "maxUnavailable")) != 0 {
		t.Error("worker: a rollout takes a worker away before the new one is ready")
	}
	if number(at(found["PodDisruptionBudget/ringqueue-worker"], "spec", "minAvailable")) != 1 {
		t.Error("worker: no disruption budget")
	}
	if list(at(found["StatefulSet/ringqueue-redis"], "spec", "volumeClaimTemplates")) == nil {
		t.Error("redis: no volume for its data")
	}
	for _, want := range []string{"NetworkPolicy/ringqueue-redis", "NetworkPolicy/ringqueue-worker", "ServiceMonitor/ringqueue-worker"} {
		if found[want] == nil {
			t.Errorf("%s is missing", want)
		}
	}
	for _, c := range list(at(found["StatefulSet/ringqueue-redis"], "spec", "template", "spec", "containers")) {
		if command := fmt.Sprint(at(c, "command")); !strings.Contains(command, "--include /etc/redis-auth/auth.conf") || strings.Contains(command, "protected-mode no") {
			t.Errorf("redis asks for no password: %s", command)
		}
	}
	if password, _ := at(found["Secret/ringqueue-redis"], "stringData", "auth.conf").(string); strings.TrimSpace(password) != "requirepass PASSWORD" {
		t.Errorf("the Secret's example has %q", password)
	}
	if from := fmt.Sprint(at(found["NetworkPolicy/ringqueue-redis"], "spec", "ingress")); !strings.Contains(from, "[worker tools]") {
		t.Errorf("who may reach Redis: %s", from)
	}
	secret, _ := at(found["Secret/ringqueue"], "stringData").(object)
	for _, name := range []string{"RC_APP_CLIENT_SECRET", "RC_USER_JWT_ALICE", "RC_USER_JWT_BOB", "CONSOLE_USERS", "CONSOLE_METRICS_TOKEN"} {
		if value, ok := secret[name]; !ok || value != "" {
			t.Errorf("the Secret's example must have %s, and empty", name)
		}
	}
}

// TestSettings has the worker read the environment of the example and the Secret, and the files of lines that go with them.
func TestSettings(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("ringqueue.env.example")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(src)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsAny(name, " '\"") || strings.ContainsAny(value, "'\" ") {
			t.Errorf("not all of systemd, compose and Kubernetes read this line the same: %s", line)
		}
		if value != "" && regexp.MustCompile("SECRET|JWT|TOKEN|USERS").MatchString(name) {
			t.Errorf("the example has a secret: %s", name)
		}
		env[name] = value
	}
	secret, _ := at(documents(t, "kubernetes/secret.example.yaml")[0], "stringData").(object)
	for _, tt := range []struct {
		file string
		get  func(string) (string, bool)
	}{
		{"../examples/ringqueue.yaml", func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		}},
		{"kubernetes/ringqueue.yaml", func(name string) (string, bool) {
			v, ok := secret[name].(string)
			return v, ok
		}},
	} {
		_, err := settings.Load(func(name string) string {
			v, ok := tt.get(name)
			if ok && v == "" {
				return "filled-in"
			}
			return v
		}, "", tt.file)
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
	}
}

// TestKustomize builds what `kubectl apply -k` would send.
func TestKustomize(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("kubectl is not on PATH: left out")
	}
	out := run(t, exec.CommandContext(t.Context(), kubectl, "kustomize", "."))
	for _, o := range parse(t, "kubectl kustomize", []byte(out)) {
		if at(o, "kind") != "Namespace" && at(o, "metadata", "namespace") != "ringqueue" {
			t.Errorf("%v %v is in no namespace", at(o, "kind"), at(o, "metadata", "name"))
		}
		for _, v := range list(at(o, "spec", "template", "spec", "volumes")) {
			if name, _ := at(v, "configMap", "name").(string); name != "" && !regexp.MustCompile(`-[a-z0-9]{10}$`).MatchString(name) {
				t.Errorf("the ConfigMap %s is not the generated one", name)
			}
		}
	}
}

// TestRedisConf starts a Redis with the file and asks for what it made of it.
func TestRedisConf(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	// The test's server has a port of its own, and an included file would win over it.
	path := filepath.Join(t.TempDir(), "redis.conf")
	src = regexp.MustCompile(`(?m)^port .*$`).ReplaceAll(src, nil)
	if err := os.WriteFile(path, src, 0o600); err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, "--include", path)
	rdb := server.Client(t)
	for name, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "no-appendfsync-on-rewrite": "no",
		"maxmemory": strconv.Itoa(2 << 30), "stop-writes-on-bgsave-error": "yes", "protected-mode": "yes",
	} {
		got, err := rdb.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	var log bytes.Buffer
	if err := failover.Check(t.Context(), rdb, zerolog.New(&log)); err != nil {
		t.Errorf("the worker refuses it: %v", err)
	}
	if strings.Contains(log.String(), `"warn"`) {
		t.Errorf("the worker warns of it: %s", log.String())
	}
	if err := rdb.Set(t.Context(), "claim", "kept", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart()
	if got, err := rdb.Get(t.Context(), "claim").Result(); err != nil || got != "kept" {
		t.Errorf("after a kill: %q, %v", got, err)
	}
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("systemd/ringqueue-worker@.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"EnvironmentFile=/etc/ringqueue/ringqueue.env", "Restart=on-failure", "DynamicUser=yes", "NoNewPrivileges=yes",
		"ProtectSystem=strict", "SystemCallFilter=@system-service", "KillSignal=SIGTERM",
	} {
		if !slices.Contains(strings.Split(string(src), "\n"), want) {
			t.Errorf("the unit has no line %s", want)
		}
	}
	stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(.+)$`).FindSubmatch(src)
	if stop == nil {
		t.Fatal("the unit has no TimeoutStopSec")
	}
	if d, err := time.ParseDuration(string(stop[1])); err != nil || d < 2*drain {
		t.Errorf("TimeoutStopSec=%s, want twice the drain of %s", stop[1], drain)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not on PATH: left out")
	}
	// The program is installed nowhere here.
	unit := filepath.Join(t.TempDir(), "ringqueue-worker@1.service")
	src = bytes.ReplaceAll(src, []byte("/usr/local/bin/worker"), []byte("/bin/true"))
	if err := os.WriteFile(unit, src, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, exec.CommandContext(t.Context(), analyze, "verify", unit)); strings.Contains(out, "ringqueue") {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	// 20 is 2.0, which systemd calls OK; most services have more than 9.
	run(t, exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", unit))
}

// alert is a rule of rules.yaml.
type alert struct{ name, expr, runbook string }

func alerts(t *testing.T) []alert {
	t.Helper()
	var all []alert
	for _, g := range list(at(documents(t, "prometheus/rules.yaml")[0], "groups")) {
		for _, r := range list(at(g, "rules")) {
			name, _ := at(r, "alert").(string)
			expr, _ := at(r, "expr").(string)
			runbook, _ := at(r, "annotations", "runbook_url").(string)
			if name == "" || expr == "" || at(r, "labels", "severity") == nil || at(r, "annotations", "summary") == nil {
				t.Errorf("a rule lacks a name, an expression, a severity or a summary: %v", r)
			}
			all = append(all, alert{name, expr, runbook})
		}
	}
	if len(all) == 0 {
		t.Fatal("no alerts")
	}
	return all
}

// TestRunbook wants a section of docs/operations.md for each alert, and a test in rules_test.yaml that fires it.
func TestRunbook(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(doc), -1) {
		anchors[anchor(m[1])] = true
	}
	tests, err := os.ReadFile("prometheus/rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(t) {
		page, fragment, _ := strings.Cut(a.runbook, "#")
		if !strings.HasSuffix(page, "/docs/operations.md") || !anchors[fragment] {
			t.Errorf("%s: its runbook %s is no section of docs/operations.md", a.name, a.runbook)
		}
		if !strings.Contains(string(tests), `alertname="`+a.name+`"`) {
			t.Errorf("%s: no test fires it", a.name)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(string(doc), -1) {
		if !anchors[m[1]] {
			t.Errorf("docs/operations.md links to #%s, which it does not have", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\((\.\./[^)#]+)`).FindAllStringSubmatch(string(doc), -1) {
		if _, err := os.Stat(filepath.Join("../docs", m[1])); err != nil {
			t.Errorf("docs/operations.md links to what is not there: %v", err)
		}
	}
}

// anchor is the fragment that a heading gets.
func anchor(heading string) string {
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_ ", r) {
			return r
		}
		return -1
	}, strings.ToLower(heading))
	return strings.ReplaceAll(kept, " ", "-")
}

// expressions are the dashboard's, with Grafana's variables filled in.
func expressions(t *testing.T) []string {
	t.Helper()
	src, err := os.ReadFile("grafana/dashboards/ringqueue.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID         int    `json:"id"`
			Title      string `json:"title"`
			Datasource struct {
				UID string `json:"uid"`
			} `json:"datasource"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
		Templating struct {
			List []struct {
				Definition string `json:"definition"`
			} `json:"list"`
		} `json:"templating"`
	}
	if err := json.Unmarshal(src, &board); err != nil {
		t.Fatal(err)
	}
	source := documents(t, "grafana/provisioning/datasources/prometheus.yaml")[0]
	uid := at(list(at(source, "datasources"))[0], "uid")
	ids := map[int]bool{}
	var all []string
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Datasource.UID != uid {
			t.Errorf("panel %s reads from %s, which is not provisioned", p.Title, p.Datasource.UID)
		}
		if len(p.Targets) == 0 {
			t.Errorf("panel %s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$team", ".*", "$campaign", ".*").Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("panel %s has an unknown variable: %s", p.Title, target.Expr)
			}
			all = append(all, expr)
		}
	}
	for _, v := range board.Templating.List {
		if m := regexp.MustCompile(`^label_values\((\w+), \w+\)$`).FindStringSubmatch(v.Definition); m != nil {
			all = append(all, m[1])
		} else {
			t.Errorf("a variable is not label_values(metric, label): %s", v.Definition)
		}
	}
	return all
}

// TestMetricsExist holds alerts and dashboard to the names that workers serve, and each of those to being of use.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	all := expressions(t)
	for _, a := range alerts(t) {
		all = append(all, a.expr)
	}
	used := map[string]bool{}
	for _, expr := range all {
		for _, name := range regexp.MustCompile(`ringqueue_\w+`).FindAllString(expr, -1) {
			if !slices.Contains(metrics.Names(), name) {
				histogram, ok := strings.CutSuffix(name, "_bucket")
				if !ok || !slices.Contains(metrics.Names(), histogram) {
					t.Errorf("%s is no metric of a worker: %s", name, expr)
				}
				name = histogram
			}
			used[name] = true
		}
	}
	for _, name := range metrics.Names() {
		if !used[name] {
			t.Errorf("%s is in no alert and no panel", name)
		}
	}
}

func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool", "the package prometheus")
	check := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		run(t, cmd)
	}
	check("prometheus", "check", "rules", "rules.yaml")
	check("prometheus", "test", "rules", "rules_test.yaml")

	// The configuration names a file that only the deployment has.
	dir := t.TempDir()
	src, err := os.ReadFile("prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	configured := bytes.ReplaceAll(src, []byte("/run/secrets/metrics-token"), []byte(token))
	if bytes.Equal(configured, src) {
		t.Error("prometheus.yml has no token for /metrics")
	}
	// Every expression of the dashboard, as if it were a rule.
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var wrapped []rule
	for i, expr := range expressions(t) {
		wrapped = append(wrapped, rule{"panel:" + strconv.Itoa(i), expr})
	}
	board, err := json.Marshal(object{"groups": []any{object{"name": "dashboard", "rules": wrapped}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"prometheus.yml": configured, "rules.yaml": rules, "token": []byte("x"), "dashboard.yaml": board,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check(dir, "check", "config", "prometheus.yml")
	check(dir, "check", "rules", "dashboard.yaml")
}
