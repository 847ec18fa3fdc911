// Package e2e tests the commands as a user meets them: built binaries, a real Redis, and the simulator, which knows which
// phones really rang.
package e2e
