package ringout

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// ExtensionKey is a short opaque name for what RingCentral's rate limits belong to: one user with one app. It is the
// same for every JWT of the same user ("sub") and app; of a credential that is no JWT the whole counts.
func ExtensionKey(clientID, jwt string) string {
	owner := "jwt\x00" + jwt
	if sub := subject(jwt); sub != "" {
		owner = "sub\x00" + sub
	}
	sum := sha256.Sum256([]byte(clientID + "\x00" + owner))
	return hex.EncodeToString(sum[:6])
}

// subject is the JWT's sub claim, "" where there is none. The signature is RingCentral's business.
func subject(jwt string) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return ""
	}
	var claims struct {
		Subject text `json:"sub"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return ""
	}
	return string(claims.Subject)
}
