// Package version says which ringqueue this is: for --version, RingCentral's logs, the worker's first line and a metric.
package version

import (
	"runtime/debug"
	"strings"
)

// release is set by the linker when a release is built.
var release string

// String is the version of this program: a release's, as v1.4.0; what the Go tool stamped, as a version of the module or the
// commit that it was built from; or "devel" where nothing is known.
func String() string {
	info, _ := debug.ReadBuildInfo() // nil where there is none
	return of(release, info)
}

// UserAgent is how ringqueue calls itself to servers.
func UserAgent() string { return "ringqueue/" + strings.TrimPrefix(String(), "v") }

func of(release string, info *debug.BuildInfo) string {
	if release != "" {
		return release
	}
	if info == nil {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + dirty
}
