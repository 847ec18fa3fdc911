package version

import (
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	t.Parallel()
	built := func(version string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	for _, c := range []struct {
		name, release string
		info          *debug.BuildInfo
		want          string
	}{
		{"a release", "v1.4.0", built("(devel)"), "v1.4.0"},
		{"installed by the Go tool", "", built("v1.4.1"), "v1.4.1"},
		{"built from a commit", "", built("(devel)", "vcs.revision", "0123456789abcdef", "vcs.modified", "false"), "devel-0123456789ab"},
		{"and changed since", "", built("", "vcs.revision", "0123456789abcdef", "vcs.modified", "true"), "devel-0123456789ab+dirty"},
		{"an odd revision", "", built("", "vcs.revision", "7"), "devel-7"},
		{"a test", "", built("(devel)"), "devel"},
		{"nothing known", "", nil, "devel"},
	} {
		if got := of(c.release, c.info); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	if got := UserAgent(); !regexp.MustCompile(`^ringqueue/[!-~]+$`).MatchString(got) || strings.HasPrefix(got, "ringqueue/v") {
		t.Errorf("%q", got)
	}
}
