package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/status"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

// bin is the folder of the built commands, which TestMain fills.
var bin string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringqueue-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	bin = dir
	if err := watchSources("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, buildFlags()...)
	cmd := exec.Command("go", append(args, "github.com/ringqueue/ringqueue/cmd/...")...) // go test has a timeout
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the commands: %v\n%s", err, out)
		return 1
	}
	// The tests mostly wait, so that there may be more of them at once than processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// watchSources looks at what the commands are made of: go test repeats an old result unless a file that the test has looked
// at has changed, and does not see what the compiler reads.
func watchSources(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a file of somebody else's, gone in the meantime
			return nil
		}
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); slices.Contains([]string{".go", ".lua", ".mod", ".html", ".css", ".js"}, ext) {
			_, err = os.Stat(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// patience bounds every wait; only a failure takes as long.
const patience = 60 * time.Second

// scale is how many times faster than real time the simulator's calls and quotas run.
const scale = 60

// The secrets that no log and no task may hold.
const (
	clientID     = "client-id-e2e"
	clientSecret = "client-secret-e2e"
)

// agent is one line of the worker's file.
type agent struct{ name, number, jwt string }

var (
	alice = agent{"alice", "+16505550001", "jwt-of-alice-e2e"}
	bob   = agent{"bob", "+16505550002", "jwt-of-bob-e2e"}
)

// world is a Redis, a RingCentral and a folder in which the commands run.
type world struct {
	t     *testing.T
	redis *redistest.Server
	rdb   *redis.Client
	sim   *ringouttest.Simulator
	url   string // the simulator's
	dir   string
	vars  map[string]string
}

func newWorld(t *testing.T, cfg ringouttest.Config, redisArgs ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.redis = redistest.Start(t, redisArgs...)
	w.rdb = w.redis.Client(t)
	cfg.Scale = scale
	// The worker does not know that time is scaled until it has seen the first quota, and polls too seldom before.
	cfg.Retention = 30 * time.Minute
	w.sim, w.url = ringouttest.Start(t, cfg)
	w.vars = map[string]string{
		"REDIS_URL": w.redis.URL(), "RC_SERVER_URL": w.url, "RC_APP_CLIENT_ID": clientID, "RC_APP_CLIENT_SECRET": clientSecret,
	}
	return w
}

// file writes a file into the world's folder.
func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// campaign writes a campaign file that calls at any hour and retries soon; more are further lines.
func (w *world) campaign(name string, more ...string) string {
	w.t.Helper()
	return w.file(name+".yaml", "name: "+name+"\ncalling_hours: always\nwrap_up: 0s\n"+
		"retry: {max_attempts: 2, busy: 1s, no_answer: 1s, unreachable: 1s}\n"+strings.Join(more, "\n")+"\n")
}

// agents writes the worker's file and the variables that it names.
func (w *world) agents(list ...agent) string {
	w.t.Helper()
	text := "poll_interval: 100ms\ncool_down: 1s\nteams:\n  default:\n    lines:\n"
	for _, a := range list {
		text += fmt.Sprintf("      - {name: %s, number: %q, jwt_env: JWT_%s}\n", a.name, a.number, strings.ToUpper(a.name))
		w.vars["JWT_"+strings.ToUpper(a.name)] = a.jwt
	}
	return w.file("ringqueue.yaml", text)
}

// list writes a call list with a row for each number; the id of the n-th is cN.
func (w *world) list(name string, numbers ...string) string {
	w.t.Helper()
	text := "id,name,phone\n"
	for i, n := range numbers {
		text += fmt.Sprintf("c%d,Contact %d,%s\n", i+1, i+1, n)
	}
	return w.file(name, text)
}

func (w *world) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if name == "worker" && (len(args) == 0 || args[0] == "--config") {
		args = append(args, "--http", "off") // its port is everybody's
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Dir = w.dir
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1"}
	for k, v := range w.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// run runs a command to its end.
func (w *world) run(name string, args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := w.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("%s %v: %v", name, args, err)
	}
	if ctx.Err() != nil {
		w.t.Fatalf("%s %v does not end; it said:\n%s", name, args, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must runs a command that has to succeed.
func (w *world) must(name string, args ...string) result {
	w.t.Helper()
	r := w.run(name, args...)
	if r.code != 0 {
		w.t.Fatalf("%s %v ended with status %d:\n%s", name, args, r.code, r.err)
	}
	return r
}

// process is a command that runs beside the test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  testlog.Buffer
	err  testlog.Buffer
	gone chan struct{}
}

// start starts a command; what is left of it at the end of the test is killed.
func (w *world) start(name string, args ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: w.command(context.Background(), name, args...), gone: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // the status is read from the process's state
	}()
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // gone already, mostly
		<-p.gone
		if w.t.Failed() {
			w.t.Logf("%s said:\n%s", name, p.err.String())
		}
		if strings.Contains(p.err.String(), "DATA RACE") {
			w.t.Errorf("%s has a data race", name)
		}
	})
	return p
}

// worker starts a worker with lines for these agents.
func (w *world) worker(list ...agent) *process {
	w.t.Helper()
	return w.start("worker", "--config", w.agents(list...))
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("send %v: %v", sig, err)
	}
}

// kill ends the process as a crash does.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.gone
}

// ends waits for the process's end and returns its status.
func (p *process) ends(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.gone:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("the process has not ended within %s; it said:\n%s", within, p.err.String())
		return -1
	}
}

// eventually waits for a condition.
func (w *world) eventually(what string, met func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(20 * time.Millisecond); !met(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("within %s it has not come about that %s", patience, what)
		}
	}
}

// status is what `campaign status --json` prints, without the time that a process takes.
func (w *world) status(name string) status.Status {
	w.t.Helper()
	s, err := status.NewReader(w.rdb).Read(context.Background(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	if s.Waiting+s.Live+s.Done+s.Unconfirmed != s.Total {
		w.t.Fatalf("the counts do not add up: %+v", s)
	}
	return s
}

// done waits until nothing of a campaign waits or is live.
func (w *world) done(name string) status.Status {
	w.t.Helper()
	var s status.Status
	w.eventually(name+" is done", func() bool {
		s = w.status(name)
		return s.Waiting+s.Live == 0
	})
	return s
}

func (w *world) decode(src string, to any) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(src), to); err != nil {
		w.t.Fatalf("not JSON: %v\n%s", err, src)
	}
}

// row is a row of results as JSON.
type row map[string]any

func (w *world) results(name string, flags ...string) []row {
	w.t.Helper()
	var rows []row
	w.decode(w.must("campaign", append([]string{"results", name, "--format", "json"}, flags...)...).out, &rows)
	return rows
}

// honest fails the test where RingCentral saw what a worker must never do.
func (w *world) honest() ringouttest.Truth {
	w.t.Helper()
	truth := w.sim.Truth()
	for _, o := range truth.Overlaps {
		w.t.Errorf("two calls at once on a line: to %s and %s", o.First.To, o.Second.To)
	}
	if n := len(truth.OverQuota) + len(truth.InPenalty); n > 0 {
		w.t.Errorf("%d requests over quota or in a penalty", n)
	}
	return truth
}

// dialled counts the dials to each number.
func dialled(truth ringouttest.Truth) map[string]int {
	counts := map[string]int{}
	for _, d := range truth.Dials {
		counts[d.To]++
	}
	return counts
}

// keys lists all keys of Redis, sorted.
func (w *world) keys() []string {
	w.t.Helper()
	keys, err := w.rdb.Keys(context.Background(), "*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}
