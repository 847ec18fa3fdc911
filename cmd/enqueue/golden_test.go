package main

import (
	"testing"

	"github.com/ringqueue/ringqueue/internal/golden"
)

// TestHelp pins what --help says.
func TestHelp(t *testing.T) {
	golden.Check(t, "help.txt", golden.Help(newRoot()))
}
