package settings

import (
	"fmt"
	"io"
)

const hidden = "***"

// Secret is text that must not be shown: it prints as *** with every verb, and in JSON and logs. Reveal is the
// text itself.
type Secret string

// Reveal is the secret text, for the one who must send it.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret; an empty one stays empty, so that its absence can be seen.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// Format hides the secret with every verb, such as %x and %q.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // fmt ignores errors too

// MarshalText hides the secret in JSON, YAML and structured logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
