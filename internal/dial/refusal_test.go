package dial

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/campaign"
	"github.com/ringqueue/ringqueue/ringout"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	refused := func(codes ...string) error {
		return fmt.Errorf("place: %w", &ringout.Error{Op: "place call", Kind: ringout.Refused, Status: 400, Codes: codes})
	}
	for _, c := range []struct {
		name    string
		err     error
		proven  bool
		blame   blame
		outcome campaign.Outcome
		waits   bool
	}{
		{"number invalid", refused("TEL-109"), false, blameNumber, campaign.InvalidNumber, false},
		{"number blocked", refused("TEL-101"), false, blameNumber, campaign.Blocked, false},
		{"line's number", refused("TEL-108"), true, blameLine, "", false},
		{"line blocked", refused("TEL-102"), false, blameLine, "", false},
		{"forwarding number", refused("CMN-102"), false, blameLine, "", false},
		{"caller id", refused("TEL-107"), false, blameExtension, "", true},
		{"caller id no direct number", refused("RNG-102"), false, blameExtension, "", true},
		{"credit", refused("BIL-103"), false, blameExtension, "", true},
		{"extension type", refused("CMN-112"), false, blameExtension, "", true},
		{"feature", refused("CMN-113"), false, blameExtension, "", true},
		{"app permission", refused("CMN-401"), false, blameExtension, "", true},
		{"user permission", refused("CMN-408"), false, blameExtension, "", true},
		{"a number, line never used", refused("CMN-101"), false, blameLine, "", false},
		{"a number, line used before", refused("CMN-101"), true, blameNumber, campaign.InvalidNumber, false},
		{"two codes", refused("CMN-101", "TEL-108"), true, blameLine, "", false},
		{"unheard of", refused("XYZ-999"), true, blameExtension, "", true},
		{"no code", refused(), true, blameExtension, "", true},
		{"limited", &ringout.Error{Kind: ringout.Limited, Status: 429, Codes: []string{"CMN-301"}}, true, blameExtension, "", false},
		{"not logged in", fmt.Errorf("x: %w", ringout.ErrNotLoggedIn), true, blameExtension, "", true},
		{"not sent", &ringout.Error{Kind: ringout.NotSent}, true, blameExtension, "", true},
		{"something else", errors.New("broken"), true, blameExtension, "", true},
	} {
		got := judge(c.err, c.proven)
		if got.blame != c.blame || got.outcome != c.outcome || (got.wait > 0) != c.waits || got.text == "" {
			t.Errorf("%s: %+v", c.name, got)
		}
		if got.wait > time.Minute || strings.ContainsRune(got.text, '\n') {
			t.Errorf("%s: waits %s: %q", c.name, got.wait, got.text)
		}
	}
}
