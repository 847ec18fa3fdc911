//go:build sdk

package sdk

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

func TestGuideWithTheOfficialSDK(t *testing.T) {
	if _, err := os.Stat("node_modules/.package-lock.json"); errors.Is(err, fs.ErrNotExist) {
		run(t, os.Environ(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	}
	const agent, client, secret, jwt = "+16505550001", "guide", "guide-secret", "guide-jwt"
	// Twenty times as fast: the SDK renews tokens a minute before their end, so they must live longer than that.
	sim, server := ringouttest.Start(t, ringouttest.Config{
		Scale: 20, ClientID: client, ClientSecret: secret,
		Extensions: []ringouttest.Extension{{ID: "62264425008", JWT: jwt}},
	})
	run(t, append(os.Environ(),
		"RC_SERVER_URL="+server, "RC_APP_CLIENT_ID="+client, "RC_APP_CLIENT_SECRET="+secret, "RC_USER_JWT="+jwt,
		"RINGOUT_CALLER="+agent,
	), "node", "--test")

	// What the SDK said it saw must be what happened.
	truth := sim.Truth()
	for to, ending := range map[string]ringouttest.Name{"+14155550130": ringouttest.Answered, "+14155550101": ringouttest.Busy} {
		dials := truth.DialsTo(to)
		if len(dials) != 1 {
			t.Fatalf("%d dials to a number, want 1", len(dials))
		}
		if d := dials[0]; d.Ending != ending || d.From != agent || d.EndedAt.IsZero() {
			t.Errorf("dial ended %q, from the agent's phone %v, ended %v", d.Ending, d.From == agent, !d.EndedAt.IsZero())
		}
	}
	if dials := truth.DialsTo("+14155550132"); len(dials) != 1 || dials[0].CancelledAt.IsZero() {
		t.Errorf("the third call was not placed and cancelled: %d dials", len(dials))
	}
	if len(truth.Refusals) != 1 {
		t.Errorf("%d refusals, want 1", len(truth.Refusals))
	}
	if n := len(truth.OverQuota) + len(truth.InPenalty); n != 0 {
		t.Errorf("%d requests were limited", n)
	}
}

// run starts a program and waits for it.
func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = env
	out, err := c.CombinedOutput()
	t.Logf("%s:\n%s", c, out)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
