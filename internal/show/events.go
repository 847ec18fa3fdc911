package show

import (
	"fmt"

	"github.com/ringqueue/ringqueue/internal/ledger"
)

// Event says what happened, in words.
func Event(e ledger.Event) string {
	text := fmt.Sprintf("contact %s: %s", e.Contact, e.Kind)
	if e.Attempt > 0 {
		text = fmt.Sprintf("contact %s, attempt %d on %s: %s", e.Contact, e.Attempt, e.Line, e.Kind)
	}
	if e.Text != "" {
		text += " " + e.Text
	}
	return text
}
