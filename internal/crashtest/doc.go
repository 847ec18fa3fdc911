// Package crashtest kills workers, and what they depend on, at named instants and at random ones, and judges by the
// simulator's truth that nobody was called twice and nobody was lost. docs/never-twice.md says what it proves.
package crashtest
