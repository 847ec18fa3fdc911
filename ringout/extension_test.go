package ringout

import (
	"encoding/base64"
	"regexp"
	"testing"
)

func TestExtensionKey(t *testing.T) {
	t.Parallel()
	jwt := func(claims, signature string) string {
		return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + signature
	}
	alice := ExtensionKey("app", jwt(`{"sub":"62295327004","exp":1}`, "aaaa"))
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(alice) {
		t.Errorf("ExtensionKey = %q, want 12 hex digits", alice)
	}
	if want := "ce97e5c292b9"; alice != want {
		t.Errorf("ExtensionKey = %q, want %q as ever: it names keys in Redis", alice, want)
	}
	for name, same := range map[string]string{
		"another JWT of the same user": ExtensionKey("app", jwt(`{"exp":2,"sub":"62295327004"}`, "bbbb")),
		"sub as a number":              ExtensionKey("app", jwt(`{"sub":62295327004}`, "cccc")),
	} {
		if same != alice {
			t.Errorf("%s: %q, want %q", name, same, alice)
		}
	}
	seen := map[string]string{alice: "alice"}
	for name, other := range map[string]string{
		"another user":     ExtensionKey("app", jwt(`{"sub":"62295327005"}`, "aaaa")),
		"another app":      ExtensionKey("app2", jwt(`{"sub":"62295327004"}`, "aaaa")),
		"no sub":           ExtensionKey("app", jwt(`{"exp":1}`, "aaaa")),
		"no JSON":          ExtensionKey("app", jwt(`nonsense`, "aaaa")),
		"no JWT":           ExtensionKey("app", "opaque-alice"),
		"another opaque":   ExtensionKey("app", "opaque-bob"),
		"the sub in clear": ExtensionKey("app", "62295327004"),
		"bad base64":       ExtensionKey("app", "a.%%%.c"),
	} {
		if twin, ok := seen[other]; ok {
			t.Errorf("%s has the key of %s", name, twin)
		}
		seen[other] = name
	}
}
