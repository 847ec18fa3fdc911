package failover

import (
	"slices"
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/line"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	one, two := &call{}, &call{}
	for _, tt := range []struct {
		name     string
		pairs    []pair
		one, two bool
	}{
		{"nothing", nil, false, false},
		{"one each", []pair{{one, "a", 3}, {two, "b", 3}}, true, true},
		{"the nearest call has the attempt", []pair{{one, "a", 40 * time.Second}, {two, "a", 2 * time.Second}}, false, true},
		{"one attempt is not two calls", []pair{{one, "a", 0}, {two, "a", 0}}, true, false},
		{"two attempts for one call leave one over", []pair{{one, "a", 1}, {one, "b", 2}, {two, "b", 5}}, true, true},
	} {
		one.explained, two.explained = false, false
		explain(slices.Clone(tt.pairs))
		if one.explained != tt.one || two.explained != tt.two {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.name, one.explained, two.explained, tt.one, tt.two)
		}
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	plain := &call{Found: line.Found{Numbers: []string{"+16505550001", "+12122000030"}}}
	bare := &call{Found: line.Found{Numbers: []string{"16505550001", "(212) 200-0030", "1 212 200 0030"}}}
	masked := &call{Found: line.Found{Numbers: []string{"+1650555XXXX", "+1212200XXXX"}}}
	silent := &call{Found: line.Found{Numbers: []string{"", "101"}}}
	x := indexOf([]*call{plain, bare, masked, silent})
	for number, want := range map[string]int{
		"+12122000030": 3, // all three, each once
		"+12122009999": 1, // the masked one
		"+13125550100": 0,
	} {
		if got := x.find(number); len(got) != want {
			t.Errorf("%s: %d calls, want %d", number, len(got), want)
		}
	}
}
