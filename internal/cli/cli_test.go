package cli

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ringqueue/ringqueue/internal/redistest"
	"github.com/ringqueue/ringqueue/internal/redisurl"
	"github.com/ringqueue/ringqueue/internal/settings"
)

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		args []string
		code int
		says string
	}{
		{"done", nil, nil, 0, ""},
		{"met while running", errors.New("no such campaign"), nil, 1, "tool: no such campaign\n"},
		{"usage", fmt.Errorf("list.csv: %w", Usage(errors.New("empty"))), nil, 2, "tool: list.csv: empty\n"},
		{"settings", &settings.Error{Problems: []string{"A is not set", "B is not set"}}, nil, 2, "tool: A is not set\nB is not set\n"},
		{"address", fmt.Errorf("%w: cannot be read", redisurl.ErrURL), nil, 2, "tool: REDIS_URL: cannot be read\n"},
		{"flag", nil, []string{"do", "--nope"}, 2, "tool: unknown flag: --nope (tool do --help says more)\n"},
		{"argument missing", nil, []string{"do"}, 2, "tool: tool do NAME: accepts 1 arg(s), received 0 (tool do --help says more)\n"},
		{"flag missing", nil, []string{"strict"}, 2, "tool: required flag(s) \"must\" not set (tool strict --help says more)\n"},
		{"no such command", nil, []string{"frob"}, 2, "tool: unknown command \"frob\" for \"tool\" (tool --help says more)\n"},
	} {
		root := &cobra.Command{Use: "tool", RunE: Group}
		do := &cobra.Command{Use: "do NAME", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return c.err }}
		strict := &cobra.Command{Use: "strict", RunE: func(*cobra.Command, []string) error { return nil }}
		strict.Flags().Bool("must", false, "")
		if err := strict.MarkFlagRequired("must"); err != nil {
			t.Fatal(err)
		}
		root.AddCommand(do, strict)
		if c.args == nil {
			c.args = []string{"do", "it"}
		}
		var out, errs bytes.Buffer
		root.SetArgs(c.args)
		root.SetOut(&out)
		root.SetErr(&errs)
		if code := Run(t.Context(), root); code != c.code || errs.String() != c.says || out.Len() > 0 {
			t.Errorf("%s: status %d, %q %q; want %d, %q", c.name, code, out.String(), errs.String(), c.code, c.says)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t, "--maxmemory", "1kb", "--maxmemory-policy", "noeviction").Client(t)
	set := redis.NewScript("return redis.call('SET', KEYS[1], 'x')")
	full := set.Run(t.Context(), rdb, []string{"key"}).Err() // an empty Redis needs more than this
	if !redis.IsOOMError(full) {
		t.Fatalf("not out of memory: %v", full)
	}
	got := Explain(fmt.Errorf("add contacts: %w", full))
	if want := "Redis is out of memory and stores nothing more: raise maxmemory in its settings (0 is no limit)"; got.Error() != want {
		t.Errorf("says %q", got)
	}
	if !redis.IsOOMError(got) {
		t.Error("the cause is lost")
	}
	more := fmt.Errorf("%w; 7 contacts were imported", got)
	if Explain(more).Error() != more.Error() {
		t.Errorf("explained twice: %q", Explain(more))
	}
	plain := errors.New("broken")
	if got := Explain(plain); !errors.Is(got, plain) || got.Error() != "broken" {
		t.Errorf("another error became %q", got)
	}
	if Explain(nil) != nil || Usage(nil) != nil {
		t.Error("no error became one")
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := JSON(&b, map[string]string{"a": "<é & \">"}); err != nil || b.String() != "{\n  \"a\": \"<é & \\\">\"\n}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if err := JSON(&b, func() {}); err == nil {
		t.Error("a function became JSON")
	}
}
