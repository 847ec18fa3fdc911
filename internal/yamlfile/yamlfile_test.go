package yamlfile

import (
	"slices"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"soon", `"soon"`},
		{"+1 (650) 555-0100", `"…0100"`},
		{"6505550100", `"…0100"`},
		{"2026-12-31", `"2026-12-31"`},
		{"a\nb", `"a\nb"`},
		{strings.Repeat("ä", 50), `"` + strings.Repeat("ä", 40) + `…"`},
	}
	for _, tt := range tests {
		if got := Quote(tt.text); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"busy", "no_answer", "max_attempts", "calling_hours"}
	for name, want := range map[string]string{
		"busi": "busy", "no-answer": "no_answer", "noanswer": "no_answer", "MAX_ATTEMPTS": "max_attempts", "max_attemtps": "max_attempts",
		"maxattempts": "max_attempts", "caling_hour": "calling_hours", "calling": "calling_hours", "max": "max_attempts", "no": "", "colour": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestReadYAMLOrder(t *testing.T) {
	t.Parallel()
	err := ReadYAML("f.yaml", []byte("a: 1\nb: 2\nc: 3\n"), func(top Node) {
		var nodes []Node
		top.Each("anything", func(_ string, n Node) { nodes = append(nodes, n) })
		for _, node := range slices.Backward(nodes) {
			node.Fail("wrong %d", node.line)
		}
	})
	if want := "f.yaml:1: a: wrong 1\nf.yaml:2: b: wrong 2\nf.yaml:3: c: wrong 3"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
