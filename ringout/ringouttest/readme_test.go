package ringouttest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var missing strings.Builder
	for _, e := range Endings() {
		digits, last := e.Digits, strings.Join([]string{e.Call, e.Caller, e.Callee}, ", ")
		if digits == "" {
			digits = "others"
		}
		timing := fmt.Sprintf("%v | %v | %v", e.Answer, e.Ring, e.Talk)
		if e.Refused != 0 {
			timing, last = " | | ", fmt.Sprintf("the POST is answered %d %s", e.Refused, e.Code)
		}
		row := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", digits, e.Name, e.Text, timing, last)
		if !strings.Contains(string(src), row) {
			missing.WriteString(row)
		}
	}
	if missing.Len() > 0 {
		t.Errorf("README.md lacks these rows:\n%s", missing.String())
	}
}
