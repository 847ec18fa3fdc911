// Package redisurl opens the Redis that REDIS_URL names.
package redisurl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrURL marks an address that cannot be used, as opposed to a Redis that does not answer.
var ErrURL = errors.New("REDIS_URL")

const forms = "it takes redis://[user:password@]host:port/db, rediss://… for TLS, " +
	"redis-sentinel://host:port,host:port/db?master=NAME or redis-cluster://host:port,host:port"

// Check says whether an address can be used, without connecting; nil if it can. Errors hold no piece of the address.
func Check(text string) error {
	rdb, err := New(text)
	if err != nil {
		return err
	}
	_ = rdb.Close() // it was never connected
	return nil
}

// New returns a client without connecting. Errors hold no piece of the address.
func New(text string) (redis.UniversalClient, error) {
	a, err := parse(text)
	if err != nil {
		return nil, err
	}
	rdb, err := a.client()
	if err != nil {
		return nil, err
	}
	watch(rdb)
	return rdb, nil
}

var errParameters = fmt.Errorf("%w: has a parameter that is not valid; %s", ErrURL, forms)

func (a address) client() (redis.UniversalClient, error) {
	switch a.kind {
	case sentinel:
		o := &redis.FailoverOptions{
			MasterName: a.query.Get("master"), SentinelAddrs: a.hosts, DB: a.db,
			SentinelUsername: a.query.Get("sentinel_username"), SentinelPassword: a.query.Get("sentinel_password"),
		}
		o.Username, o.Password = a.user.Username(), a.password()
		if a.tls {
			o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		return redis.NewFailoverClient(o), nil
	case cluster:
		o, err := redis.ParseClusterURL(a.url().String())
		if err != nil {
			return nil, errParameters // go-redis's repeats the address
		}
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(a.url().String())
	if err != nil {
		return nil, errParameters
	}
	return redis.NewClient(o), nil
}

func (a address) password() string {
	password, _ := a.user.Password()
	return password
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

// Redact returns the address without user, password and parameters; "…" if it is not certain what they are.
func Redact(text string) string {
	a, err := parse(text)
	if err != nil {
		return "…"
	}
	shown := a.scheme + "://" + strings.Join(a.hosts, ",")
	if a.kind != cluster {
		shown += "/" + strconv.Itoa(a.db)
	}
	return shown
}
