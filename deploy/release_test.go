package deploy_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease builds what a release is made of for this machine, by the release's own flags: each command says its version. The
// files that come along are there.
func TestRelease(t *testing.T) {
	t.Parallel()
	release := documents(t, "../.goreleaser.yaml")[0]
	texts := func(v any) (all []string) {
		for _, x := range list(v) {
			s, _ := x.(string)
			all = append(all, s)
		}
		return all
	}
	commands, err := filepath.Glob("../cmd/*")
	if err != nil {
		t.Fatal(err)
	}
	builds := list(at(release, "builds"))
	if len(builds) != len(commands) {
		t.Errorf("%d commands are built, there are %d", len(builds), len(commands))
	}
	for _, b := range builds {
		name, _ := at(b, "binary").(string)
		main, _ := at(b, "main").(string)
		path := filepath.Join(t.TempDir(), name)
		flags := strings.ReplaceAll(strings.Join(texts(at(b, "ldflags")), " "), "{{ .Version }}", "1.2.3")
		args := append([]string{"build", "-o", path, "-ldflags", flags}, texts(at(b, "flags"))...)
		build := exec.CommandContext(t.Context(), "go", append(args, main)...)
		build.Dir, build.Env = "..", append(build.Environ(), texts(at(b, "env"))...)
		run(t, build)
		out, err := exec.CommandContext(t.Context(), path, "--version").Output()
		if want := name + " v1.2.3\n"; err != nil || string(out) != want {
			t.Errorf("%s --version says %q, %v; want %q", name, out, err, want)
		}
	}
	for _, a := range list(at(release, "archives")) {
		for _, file := range texts(at(a, "files")) {
			if found, err := filepath.Glob(filepath.Join("..", file)); err != nil || len(found) == 0 {
				t.Errorf("there is no %s, %v", file, err)
			}
		}
	}
}
