package auth

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	tallyEvery     = time.Minute
	tallyAddresses = 100
)

// tally says in few lines what strangers may cause any number of: the first time at once, then once a minute how often.
type tally struct {
	log     zerolog.Logger
	message string

	mu    sync.Mutex
	quiet bool // a line was written less than a minute ago
	kinds map[string]int
	from  map[string]int
	said  string // an example
}

func newTally(log zerolog.Logger, message string) *tally {
	return &tally{log: log, message: message, kinds: map[string]int{}, from: map[string]int{}}
}

// add counts one; from and example may be empty.
func (t *tally) add(kind, from, example string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kinds[kind]++
	if _, ok := t.from[from]; from != "" && (ok || len(t.from) < tallyAddresses) {
		t.from[from]++
	}
	if t.said == "" {
		t.said = example
	}
	if !t.quiet {
		t.write()
	}
}

// write writes the line and holds the next one back; the lock is held.
func (t *tally) write() {
	line := t.log.Warn()
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		line.Int(kind, t.kinds[kind])
	}
	if len(t.from) > 0 {
		often := slices.MaxFunc(slices.Sorted(maps.Keys(t.from)), func(a, b string) int { return cmp.Compare(t.from[a], t.from[b]) })
		line.Str("from", often).Int("addresses", len(t.from))
	}
	if t.said != "" {
		line.Str("example", t.said)
	}
	line.Msg(t.message)
	clear(t.kinds)
	clear(t.from)
	t.said, t.quiet = "", true
	time.AfterFunc(tallyEvery, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.quiet = false; len(t.kinds) > 0 {
			t.write()
		}
	})
}

// Write takes lines of http.Server's log: what strangers do wrong before there is a request.
func (t *tally) Write(line []byte) (int, error) {
	const most = 200
	text := strings.TrimSpace(string(line[:min(len(line), most)]))
	t.add("errors", "", text)
	return len(line), nil
}
