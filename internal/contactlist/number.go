package contactlist

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Number reads one phone number as a list's cell would be read, and returns it in E.164. region is the country of numbers
// written without +, as in Options. It prepares for a whole list each time: a Reader is the way for many.
func Number(written, region string) (string, error) {
	known, err := knownRegion(region)
	if err != nil {
		return "", err
	}
	n := newNumbering(known)
	found, why := n.numbers(written, way{region: n.list}, nil)
	if why == flawStop {
		return "", fmt.Errorf("the number%s %s", masked(written), why.alone())
	}
	switch {
	case len(found) > 1:
		return "", errors.New("give one number at a time")
	case len(found) == 0 && why == flawNone:
		return "", errors.New("the number is empty")
	case len(found) == 0:
		return "", fmt.Errorf("the number%s %s", masked(written), why.alone())
	}
	return found[0], nil
}

// idBytes is how much of the hash is enough: with ten million contacts two share an id with a chance of 1 in 10^10.
const idBytes = 10

// ContactID is the id of a contact whose list has none: a hash of its number under the key that Options.IDKey takes.
func ContactID(key []byte, number string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(number))
	return hex.EncodeToString(mac.Sum(nil)[:idBytes])
}
