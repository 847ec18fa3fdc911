package contactlist

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ringqueue/ringqueue/campaign"
)

// Maker makes contacts of what a program knows, by the rules by which a list's rows are read. It is for one goroutine.
type Maker struct {
	numbering *numbering
	zones     *zones
	key       []byte
}

// NewMaker takes the country of numbers written without + (ISO 3166; empty is US), and the key under which numbers are hashed
// to ids.
func NewMaker(region string, idKey []byte) (*Maker, error) {
	known, err := knownRegion(region)
	if err != nil {
		return nil, err
	}
	return &Maker{numbering: newNumbering(known), zones: newZones(), key: idKey}, nil
}

// Contact makes a contact. An empty id is a keyed hash of the number; an empty zone is found by the number. The errors say
// what is wrong, with numbers masked.
func (m *Maker) Contact(number, name, id, zone string) (campaign.Contact, error) {
	c := campaign.Contact{Name: name, Zone: ""}
	found, why := m.numbering.numbers(number, way{region: m.numbering.list}, nil)
	switch {
	case len(found) > 1:
		return c, errors.New("give one number at a time")
	case len(found) == 0 && why == flawNone:
		return c, errors.New("the number is empty")
	case len(found) == 0 || why == flawStop:
		return c, fmt.Errorf("the number%s %s", masked(number), why.alone())
	}
	c.Numbers = found
	if zone = strings.TrimSpace(zone); zone != "" {
		if c.Zone = m.zones.of(zone, found[0]); c.Zone == "" {
			return c, fmt.Errorf("the time zone %q is not known; give an IANA name such as America/New_York", zone)
		}
	}
	switch id = strings.TrimSpace(id); {
	case id == "":
		c.ID = ContactID(m.key, found[0])
	case !usableID(id, found) || m.numbering.isNumber(id):
		return c, errors.New("the id is a phone number or an address, or has more than 64 bytes: it would stand in keys and logs; " +
			"give another one, or none")
	default:
		c.ID = id
	}
	return c, nil
}
