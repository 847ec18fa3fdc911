package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/safe"
)

const (
	sessionIdle = 12 * time.Hour
	sessionLife = 7 * 24 * time.Hour
	askAgain    = time.Second // how often it is asked whether sessions of open requests have ended
	stillAway   = time.Second // how long Redis is not asked again after it has not answered
)

// keySecret holds the deployment's secret; docs/redis-keys.md lists the keys.
const keySecret = "ringqueue:{console}:secret" //nolint:gosec // the name of a key

func keySession(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "ringqueue:{console}:session:" + hex.EncodeToString(sum[:])
}

var (
	//go:embed scripts/begin.lua
	beginSource string
	//go:embed scripts/use.lua
	useSource string

	beginScript = redis.NewScript(beginSource)
	useScript   = redis.NewScript(useSource)
)

// AwayError says that Redis does not answer, and since when.
type AwayError struct {
	Since time.Time
	Err   error
}

func (e *AwayError) Error() string {
	return fmt.Sprintf("Redis has not answered since %s, so that nobody can be told from a stranger; calls that are live go on",
		e.Since.UTC().Format("15:04:05 MST"))
}
func (e *AwayError) Unwrap() error { return e.Err }

// sessions are in Redis, so that all workers know them, and known there by hashes only. What is not ours does not get that far:
// an id is signed with the deployment's secret.
type sessions struct {
	rdb    redis.UniversalClient
	secret []byte

	mu     sync.Mutex
	away   *AwayError // the last question had no answer
	failed time.Time
	trying bool                                        // somebody asks whether that is still so
	open   map[string]map[*context.CancelFunc]struct{} // by session: requests that end with it
}

// newSessions reads the deployment's secret, or makes it. Ended sessions end requests until ctx ends.
func newSessions(ctx context.Context, rdb redis.UniversalClient, log zerolog.Logger) (*sessions, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	if err := rdb.SetNX(ctx, keySecret, secret, 0).Err(); err != nil {
		return nil, fmt.Errorf("the console's secret: %w", err)
	}
	secret, err := rdb.Get(ctx, keySecret).Bytes()
	if err != nil {
		return nil, fmt.Errorf("the console's secret: %w", err)
	}
	s := &sessions{rdb: rdb, secret: secret, open: map[string]map[*context.CancelFunc]struct{}{}}
	go safe.Keep(ctx, log, "the console's sessions", s.watch)
	return s, nil
}

// sign is a tag that only workers of this deployment can make; what keeps its uses apart.
func (s *sessions) sign(what string, parts ...string) []byte {
	mac := hmac.New(sha256.New, s.secret)
	for _, p := range append([]string{what}, parts...) {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(p), p) // it never fails
	}
	return mac.Sum(nil)
}

// name tells the cookies of deployments on one host apart.
func (s *sessions) name() string { return "ringqueue-" + hex.EncodeToString(s.sign("cookies"))[:8] }

// mark changes with an account's password and role.
func (s *sessions) mark(a Account) string {
	return hex.EncodeToString(s.sign("account", a.Name, string(a.Role), string(a.hash))[:16])
}

const (
	idBytes  = 24
	tagBytes = 16
)

// begin makes a session for an account and returns its id.
func (s *sessions) begin(ctx context.Context, a Account) (string, error) {
	raw := make([]byte, idBytes)
	_, _ = rand.Read(raw) // it never fails
	id := base64.RawURLEncoding.EncodeToString(append(raw, s.sign("session", string(raw))[:tagBytes]...))
	err := s.ask(func() error {
		return beginScript.Run(ctx, s.rdb, []string{keySession(id)}, a.Name, s.mark(a), sessionIdle.Milliseconds()).Err()
	})
	return id, err
}

// user is whose session an id is, with the mark that the account had; "" for nobody's.
func (s *sessions) user(ctx context.Context, id string) (name, mark string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != idBytes+tagBytes || !hmac.Equal(raw[idBytes:], s.sign("session", string(raw[:idBytes]))[:tagBytes]) {
		return "", "", nil //nolint:nilerr // a stranger's invention
	}
	var found []string
	err = s.ask(func() error {
		var err error
		found, err = useScript.Run(ctx, s.rdb, []string{keySession(id)}, sessionIdle.Milliseconds(), sessionLife.Milliseconds()).StringSlice()
		return err //nolint:wrapcheck // looked at below
	})
	if errors.Is(err, redis.Nil) {
		return "", "", nil
	}
	if err != nil || len(found) != 2 {
		return "", "", err
	}
	return found[0], found[1], nil
}

// end ends a session everywhere; requests of this process that belong to it end at once, those of others within askAgain.
func (s *sessions) end(ctx context.Context, id string) error {
	err := s.ask(func() error { return s.rdb.Del(ctx, keySession(id)).Err() })
	if err == nil {
		s.drop(keySession(id))
	}
	return err
}

// ask asks Redis. While it does not answer, one question at a time, and not all the time; the others fail at once.
func (s *sessions) ask(question func() error) error {
	s.mu.Lock()
	trying := s.away != nil
	if trying && (s.trying || time.Since(s.failed) < stillAway) {
		defer s.mu.Unlock()
		return s.away
	}
	s.trying = trying
	s.mu.Unlock()
	asked := time.Now()
	err := question()
	s.mu.Lock()
	defer s.mu.Unlock()
	if trying {
		s.trying = false
	}
	var said redis.Error
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		s.away = nil
		return err
	case errors.As(err, &said) || errors.Is(err, context.Canceled): // an answer, or whoever asked has gone
		return err
	case s.away == nil:
		s.away = &AwayError{asked, err}
	}
	s.failed = time.Now()
	return s.away
}

// during returns a context that ends with the session, and a function that says that the request is over.
func (s *sessions) during(ctx context.Context, id string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	key := keySession(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key] == nil {
		s.open[key] = map[*context.CancelFunc]struct{}{}
	}
	s.open[key][&cancel] = struct{}{}
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.open[key], &cancel); len(s.open[key]) == 0 {
			delete(s.open, key)
		}
	}
}

// drop ends the requests of a session.
func (s *sessions) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cancel := range s.open[key] {
		(*cancel)()
	}
}

// watch ends the requests of sessions that have ended elsewhere, or of old age.
func (s *sessions) watch(ctx context.Context) {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		exist := make(map[string]*redis.IntCmd, len(s.open))
		for key := range s.open {
			exist[key] = nil
		}
		s.mu.Unlock()
		if len(exist) == 0 {
			continue
		}
		_ = s.ask(func() error { // while Redis does not answer, nobody can sign out either
			p := s.rdb.Pipeline()
			for key := range exist {
				exist[key] = p.Exists(ctx, key)
			}
			if _, err := p.Exec(ctx); err != nil {
				return err //nolint:wrapcheck // as above
			}
			for key, cmd := range exist {
				if cmd.Val() == 0 {
					s.drop(key)
				}
			}
			return nil
		})
	}
}

// A browser that a user has logged in from is known by a cookie that is signed for that user, and for as long as the password
// stays the same.

const knownFor = 180 * 24 * time.Hour

// remember makes the value of such a cookie.
func (s *sessions) remember(a Account, now time.Time) string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // it never fails
	at := now.UTC().Format("20060102")
	text := base64.RawURLEncoding.EncodeToString(nonce) + "." + at
	return text + "." + base64.RawURLEncoding.EncodeToString(s.sign("browser", a.Name, s.mark(a), text))
}

// knows says whether a cookie's value was made for the account, not too long ago.
func (s *sessions) knows(a Account, value string, now time.Time) bool {
	const day = len("20060102")
	head := base64.RawURLEncoding.EncodedLen(16)
	if len(value) <= head+day+2 {
		return false
	}
	text, tag := value[:head+1+day], value[head+day+2:]
	given, err := base64.RawURLEncoding.DecodeString(tag)
	at, bad := time.Parse("20060102", text[head+1:])
	return err == nil && bad == nil && now.Sub(at) < knownFor && subtle.ConstantTimeCompare(given, s.sign("browser", a.Name, s.mark(a), text)) == 1
}
