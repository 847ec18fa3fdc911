package auth

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

const (
	tries    = 10 // of one address, or of one browser, at once; then one each
	tryEvery = 6 * time.Second

	nameTries = 20 // of strangers with one name, at once; then one each nameEvery, others are slowed down
	nameEvery = 2 * time.Second
	slowdown  = 3 * time.Second

	remembered    = 8192 // addresses, and as many names and browsers; the one that was not used for longest is forgotten
	mostWaiting   = 64   // tries of strangers that are in hand at a time
	mostOfAddress = 4    // of one address
)

// limits bound tries to log in, and the work that they make. Nobody can use up another's: an address has its own, a browser
// that a user has logged in from has its own, and with a name that many try strangers are slow, not refused.
type limits struct {
	mu        sync.Mutex
	addresses *simplelru.LRU[[16]byte, *rate.Limiter]
	names     *simplelru.LRU[[16]byte, *rate.Limiter]
	browsers  *simplelru.LRU[[16]byte, *rate.Limiter]
	waiting   int
	each      map[[16]byte]int // tries in hand by address
}

func newLimits() *limits {
	return &limits{addresses: newLimiters(), names: newLimiters(), browsers: newLimiters(), each: map[[16]byte]int{}}
}

func newLimiters() *simplelru.LRU[[16]byte, *rate.Limiter] {
	l, err := simplelru.NewLRU[[16]byte, *rate.Limiter](remembered, nil)
	if err != nil {
		panic(err) // for a size that is not positive
	}
	return l
}

// allow counts a use of a key.
func allow(l *simplelru.LRU[[16]byte, *rate.Limiter], key [16]byte, every time.Duration, burst int, now time.Time) bool {
	limiter, ok := l.Get(key)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(every), burst)
		l.Add(key, limiter)
	}
	return limiter.AllowN(now, 1)
}

func digest(s string) (key [16]byte) {
	sum := sha256.Sum256([]byte(s))
	copy(key[:], sum[:])
	return key
}

// place is what an address is counted as: of IPv6, a network that one person commonly has whole.
func place(addr netip.Addr) [16]byte {
	if addr.Is6() && !addr.Is4In6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	return addr.As16()
}

// verdict is what becomes of a try.
type verdict struct {
	refused bool          // try again later
	slow    time.Duration // first wait so long
	done    func()        // to be called when the try is over; nil if it was refused
}

// stranger counts a try from an address with a name.
func (l *limits) stranger(addr netip.Addr, name string, now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := place(addr)
	if l.waiting >= mostWaiting || l.each[at] >= mostOfAddress || !allow(l.addresses, at, tryEvery, tries, now) {
		return verdict{refused: true}
	}
	v := verdict{done: sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting--
		if l.each[at]--; l.each[at] <= 0 {
			delete(l.each, at)
		}
	})}
	l.waiting++
	l.each[at]++
	// Only what the address's limit lets through counts, so that one address does not use up a name.
	if !allow(l.names, digest(name), nameEvery, nameTries, now) {
		v.slow = slowdown
	}
	return v
}

// browser counts a try from a browser that the user has logged in from.
func (l *limits) browser(cookie string, now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !allow(l.browsers, digest(cookie), tryEvery, tries, now) {
		return verdict{refused: true}
	}
	return verdict{done: func() {}}
}

// passwords compares passwords with hashes, always with the same work: that of the most expensive hash.
type passwords struct {
	most      int            // cost
	fill      map[int][]byte // by cost, hashes that nothing is the password of
	strangers chan struct{}  // bcrypt is slow by design: one at a time
	known     chan struct{}  // as well, for browsers that are known
	check     func(hash, password []byte) error
}

func newPasswords(accounts []Account) (*passwords, error) {
	p := &passwords{most: cost, fill: map[int][]byte{}, strangers: make(chan struct{}, 1), known: make(chan struct{}, 1), check: bcrypt.CompareHashAndPassword}
	least := cost
	for _, a := range accounts {
		p.most, least = max(p.most, a.cost()), min(least, a.cost())
	}
	// One real hash gives the others: a hash that nothing fits may have any cost written on it.
	hash, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), leastCost)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what for
	}
	for c := least; c <= p.most; c++ {
		p.fill[c] = append([]byte(nil), hash...)
		p.fill[c][4], p.fill[c][5] = byte('0'+c/10), byte('0'+c%10)
	}
	return p, nil
}

// plan lists the hashes that a password is compared with: an account's own first, if there is one, then as many that nothing
// fits as make up for its lower cost. Each step of the cost doubles the work, so c, c, c+1, … up to most-1 is that of most.
func (p *passwords) plan(a Account, ok bool) [][]byte {
	if !ok {
		return [][]byte{p.fill[p.most]}
	}
	all := [][]byte{a.hash}
	for c := a.cost(); c < p.most; c++ {
		all = append(all, p.fill[c])
	}
	return all
}

// compare says whether the password is the account's; ok is false where there is no such account.
func (p *passwords) compare(ctx context.Context, a Account, ok, known bool, password string) (bool, error) {
	turn := p.strangers
	if known {
		turn = p.known
	}
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err() //nolint:wrapcheck // whoever asked has gone
	}
	defer func() { <-turn }()
	if len(password) > maxPassword {
		password = "" // bcrypt would cut it
	}
	fits := false
	for i, hash := range p.plan(a, ok) {
		if p.check(hash, []byte(password)) == nil && i == 0 {
			fits = ok
		}
	}
	return fits, nil
}
