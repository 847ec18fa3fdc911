package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/cli"
	"github.com/ringqueue/ringqueue/internal/redistest"
)

// rig is a Redis and a folder in which commands run in this process. Tests with one cannot run in parallel: they set
// the environment.
type rig struct {
	t      *testing.T
	server *redistest.Server
	rdb    *redis.Client
	stdin  string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	server := redistest.Start(t)
	t.Chdir(t.TempDir())
	t.Setenv("REDIS_URL", server.URL())
	r := &rig{t: t, server: server, rdb: server.Client(t)}
	r.file("a.yaml", "name: a\ncalling_hours: always\n")
	r.file("people.csv", "id,name,phone,city\n"+
		"c1,Ada,(212) 200-0030,Ulm\nc2,Bo,+1 212 200 0130,Rom\nc3,Cy,12,Bonn\nc4,Di,212-200-0330,\nc5,Ada too,2122000030,Ulm\nc6,Ed,2122000530,\n")
	return r
}

func (r *rig) file(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string) string {
	r.t.Helper()
	src, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(src)
}

type result struct {
	code     int
	out, err string
}

func (r *rig) run(args ...string) result {
	r.t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(r.stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	code := cli.Run(context.Background(), root)
	return result{code, out.String(), errs.String()}
}

func (r *rig) must(args ...string) result {
	r.t.Helper()
	got := r.run(args...)
	if got.code != 0 {
		r.t.Fatalf("enqueue %v ended with status %d: %s", args, got.code, got.err)
	}
	return got
}

// refused runs a command that must fail with one line that says all of these, and nothing on standard output.
func (r *rig) refused(code int, says []string, args ...string) {
	r.t.Helper()
	got := r.run(args...)
	if got.code != code || got.out != "" {
		r.t.Errorf("enqueue %v: status %d, want %d; standard output %q", args, got.code, code, got.out)
	}
	if strings.Count(got.err, "\n") != 1 || !strings.HasPrefix(got.err, "enqueue: ") {
		r.t.Errorf("enqueue %v: not one line: %q", args, got.err)
	}
	for _, want := range says {
		if !strings.Contains(got.err, want) {
			r.t.Errorf("enqueue %v: does not say %q: %q", args, want, got.err)
		}
	}
}

// keys lists Redis's keys but the installation's key for ids.
func (r *rig) keys() []string {
	r.t.Helper()
	keys, err := r.rdb.Keys(context.Background(), "*").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(keys, func(k string) bool { return k == "ringqueue:{ledger}:id-key" })
}

// pending lists the contacts of a campaign's pending tasks, in the order in which they come.
func (r *rig) pending(name string) []string {
	r.t.Helper()
	inspector := asynq.NewInspectorFromRedisClient(r.rdb)
	known, err := inspector.Queues()
	if err != nil {
		r.t.Fatal(err)
	}
	if !slices.Contains(known, name) {
		return nil
	}
	tasks, err := inspector.ListPendingTasks(name, asynq.PageSize(10_000))
	if err != nil {
		r.t.Fatal(err)
	}
	ids := make([]string, len(tasks))
	for i, task := range tasks {
		ids[i] = strings.Split(task.ID, ":")[1]
	}
	return ids
}

func (r *rig) summary(src string) summary {
	r.t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(src), &s); err != nil {
		r.t.Fatalf("not one JSON value: %v\n%s", err, src)
	}
	return s
}
