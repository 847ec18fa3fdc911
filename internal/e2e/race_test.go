//go:build race

package e2e

// buildFlags makes the binaries look for data races where the tests do.
func buildFlags() []string { return []string{"-race"} }
