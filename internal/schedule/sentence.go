package schedule

import (
	"fmt"
	"strconv"
)

// Sentence says where the run stands, for people.
func (r Run) Sentence() string {
	text := string(r.State)
	if r.Contacts > 0 || r.State == StateRunning || r.State == StateDone {
		text += ", " + strconv.Itoa(r.Contacts) + " contacts"
	}
	if r.Rejected > 0 {
		text += fmt.Sprintf(", %d rows rejected", r.Rejected)
	}
	if r.LeftOut > 0 {
		text += fmt.Sprintf(", %d left out: still open in an earlier run", r.LeftOut)
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return text
}
