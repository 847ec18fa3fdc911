//go:build !crash

// Package crash names the instants at which a worker may die, for tests that kill it exactly there. Without the build tag
// "crash", as in every program that is shipped, a point does nothing.
package crash

// Point is an instant of the protocol. Names are those of docs/never-twice.md.
func Point(string) {}

// Scale is how many times faster than real time RingCentral runs.
func Scale() int { return 1 }
