// Package redisurl opens the Redis that REDIS_URL names.
package redisurl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrURL marks an address that cannot be used, as opposed to a Redis that does not answer.
var ErrURL = errors.New("REDIS_URL")

const forms = "it takes redis://[user:password@]host:port/db, rediss://… for TLS, " +
	"redis-sentinel://host:port,host:port/db?master=NAME or redis-cluster://host:port,host:port"

// New returns a client without connecting. Errors never contain the password.
func New(address string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil, fmt.Errorf("%w: %q has no scheme; %s", ErrURL, "…", forms)
	}
	switch scheme {
	case "redis", "rediss":
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, fmt.Errorf("%w: cannot be read; %s", ErrURL, forms)
		}
		return redis.NewClient(o), nil
	case "redis-sentinel", "rediss-sentinel":
		u, hosts, err := split("redis", rest)
		if err != nil {
			return nil, err
		}
		master := u.Query().Get("master")
		if master == "" {
			return nil, fmt.Errorf("%w: redis-sentinel needs ?master=NAME; %s", ErrURL, forms)
		}
		db := 0
		if path := strings.Trim(u.Path, "/"); path != "" {
			if db, err = strconv.Atoi(path); err != nil {
				return nil, fmt.Errorf("%w: the database must be a number; %s", ErrURL, forms)
			}
		}
		password, _ := u.User.Password()
		o := &redis.FailoverOptions{
			MasterName: master, SentinelAddrs: hosts, Username: u.User.Username(), Password: password, DB: db,
		}
		if scheme == "rediss-sentinel" {
			o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		return redis.NewFailoverClient(o), nil
	case "redis-cluster", "rediss-cluster":
		plain := "redis"
		if strings.HasPrefix(scheme, "rediss") {
			plain = "rediss"
		}
		u, hosts, err := split(plain, rest)
		if err != nil {
			return nil, err
		}
		query := u.Query()
		for _, h := range hosts[1:] {
			query.Add("addr", h)
		}
		u.Host, u.RawQuery = hosts[0], query.Encode()
		o, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, fmt.Errorf("%w: cannot be read; %s", ErrURL, forms)
		}
		return redis.NewClusterClient(o), nil
	}
	return nil, fmt.Errorf("%w: unknown scheme %q; %s", ErrURL, scheme, forms)
}

// split reads an address with several hosts, which net/url does not.
func split(scheme, rest string) (*url.URL, []string, error) {
	user, hosts, found := strings.Cut(rest, "@")
	if !found {
		user, hosts = "", rest
	} else {
		user += "@"
	}
	end := strings.IndexAny(hosts, "/?")
	tail := ""
	if end >= 0 {
		hosts, tail = hosts[:end], hosts[end:]
	}
	list := strings.Split(hosts, ",")
	u, err := url.Parse(scheme + "://" + user + list[0] + tail)
	if err != nil || list[0] == "" {
		return nil, nil, fmt.Errorf("%w: cannot be read; %s", ErrURL, forms)
	}
	return u, list, nil
}

// Open returns a client whose Redis has answered.
func Open(ctx context.Context, address string) (redis.UniversalClient, error) {
	rdb, err := New(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err = rdb.Ping(ctx).Err()
	if err == nil {
		return rdb, nil
	}
	_ = rdb.Close() // never connected
	var said redis.Error
	switch {
	case redis.IsAuthError(err):
		return nil, fmt.Errorf("%w: Redis at %s wants a password that is not in it, or another one: "+
			"give it as redis://:PASSWORD@host:port/db, or as USER:PASSWORD@ where Redis has users", ErrURL, Redact(address))
	case errors.As(err, &said):
		return nil, fmt.Errorf("redis at %s refuses: %w", Redact(address), err)
	}
	return nil, fmt.Errorf("redis at %s does not answer: %w; is it running, and is REDIS_URL right?", Redact(address), err)
}

// Redact returns the address without user, password and parameters.
func Redact(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "…"
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest = rest[i+1:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}
