package auth

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Role is what somebody may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // looks, at masked numbers
	Operator Role = "operator" // changes things too
)

// User is who asks.
type User struct {
	Name string
	Role Role
}

// Account is a user with the hash of their password.
type Account struct {
	User
	hash []byte
}

func (a Account) cost() int {
	c, err := bcrypt.Cost(a.hash)
	if err != nil {
		return leastCost // ParseUsers lets none in
	}
	return c
}

// MinPassword is the shortest password that Hash takes, in bytes; bcrypt takes at most 72.
const (
	MinPassword = 12
	maxPassword = 72
	cost        = 11
	leastCost   = 10
	mostCost    = 14 // a login takes a second then
	maxAccounts = 1000
)

// Hash makes the bcrypt hash of a password.
func Hash(password string) (string, error) {
	if len(password) < MinPassword || len(password) > maxPassword {
		return "", fmt.Errorf("a password has %d to %d bytes", MinPassword, maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	return string(hash), nil
}

// ParseUsers reads CONSOLE_USERS: name:role:hash, several with ; or line ends between them. The errors name the entry, never
// a hash.
func ParseUsers(text string) ([]Account, error) {
	var list []Account
	seen := map[string]bool{}
	for i, entry := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		fail := func(format string, args ...any) ([]Account, error) {
			return nil, fmt.Errorf("user %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		name, rest, _ := strings.Cut(entry, ":")
		role, hash, ok := strings.Cut(rest, ":")
		strength, err := bcrypt.Cost([]byte(hash))
		switch {
		case !ok:
			return fail("takes name:role:hash, as `worker hash-password` explains")
		case !validName(name):
			return fail("the name takes 1 to 64 letters, digits, and . _ @ -")
		case seen[name]:
			return fail("%s is there twice", name)
		case Role(role) != Viewer && Role(role) != Operator:
			return fail("%s: the role takes viewer or operator", name)
		case err != nil:
			return fail("%s: the hash is none of bcrypt's; `worker hash-password` makes one (quote it: it has $ in it)", name)
		case strength < leastCost:
			return fail("%s: the hash is too weak (cost %d); `worker hash-password` makes a better one", name, strength)
		case strength > mostCost:
			return fail("%s: the hash has cost %d, with which a login takes seconds; takes %d at most: `worker hash-password`", name, strength, mostCost)
		case len(list) == maxAccounts:
			return fail("takes at most %d users", maxAccounts)
		}
		seen[name] = true
		list = append(list, Account{User{name, Role(role)}, []byte(hash)})
	}
	if len(list) == 0 {
		return nil, errors.New("has no user; takes name:role:hash")
	}
	return list, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._@-", r)
	})
}
