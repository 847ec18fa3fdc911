package redisurl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/probe.lua
var probeSource string

var probeScript = redis.NewScript(probeSource)

// keyCheck is written to see whether Redis can be written to; in the ledger's slot, which matters most.
const keyCheck = "ringqueue:{ledger}:check"

// Probe says whether Redis can do what calls need: it answers, takes what is written, and runs scripts. One that refuses
// scripts is ErrScripts.
func Probe(ctx context.Context, rdb redis.Scripter) error {
	err := probeScript.Run(ctx, rdb, []string{keyCheck}, keyCheck+":undeclared").Err()
	switch {
	case err == nil:
		return nil
	case Refused(err) && !passing(err):
		return fmt.Errorf("%w: %w", ErrScripts, err)
	}
	return fmt.Errorf("write to Redis: %w", err)
}

// ErrScripts says that Redis does not run ringqueue's scripts, and what to do about it.
var ErrScripts = errors.New("this Redis refuses ringqueue's scripts: a user with rights needs +eval, +evalsha and all commands that they run; " +
	"Dragonfly must be started with --default_lua_flags=allow-undeclared-keys")

// passing says whether an answer of Redis is about its state, which may change, and not about the script.
func passing(err error) bool {
	for _, prefix := range []string{
		"OOM", "READONLY", "MISCONF", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "MOVED", "ASK", "NOAUTH", "WRONGPASS",
	} {
		// Redis 6.2 and proxies put words of their own before it.
		if text := err.Error(); strings.HasPrefix(text, prefix+" ") || strings.Contains(text, " "+prefix+" ") || strings.Contains(text, "-"+prefix+" ") {
			return true
		}
	}
	return false
}

// Refused says whether Redis itself said no to a command, as opposed to not answering, or not at present.
func Refused(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && !errors.Is(err, redis.Nil) && !redis.IsLoadingError(err) && !redis.IsReadOnlyError(err)
}
