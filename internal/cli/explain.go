package cli

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redisurl"
)

// explainedError says in plain words what a Redis error means and what to do.
type explainedError struct {
	text  string
	cause error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.cause }

// Explain puts into plain words what stands behind Redis's own error codes; any other error stays as it is. Run does so
// with every error, so that only a command which adds something to an error needs it.
func Explain(err error) error {
	var before *explainedError
	if err == nil || errors.As(err, &before) {
		return err
	}
	text := ""
	switch {
	case errors.Is(err, redisurl.ErrScripts), refusesScripts(err.Error()):
		text = redisurl.ErrScripts.Error()
	case redis.IsOOMError(err):
		text = "Redis is out of memory and stores nothing more: raise maxmemory in its settings (0 is no limit)"
	case redis.IsReadOnlyError(err):
		text = "this Redis is a replica, which stores nothing: REDIS_URL must name the master"
	case redis.IsLoadingError(err):
		text = "Redis is still loading its data: try again in a moment"
	case redis.HasErrorPrefix(err, "MISCONF"):
		text = "Redis cannot write to its disk and stores nothing more: make room there, its log says more"
	case redis.IsPermissionError(err):
		text = "the user in REDIS_URL may not do this: give it the rights to all commands and keys (ACL SETUSER)"
	default:
		return err
	}
	return &explainedError{text: text, cause: err}
}

// refusesScripts tells by the words: Asynq hands on no more than those of its errors, and Redis has no code for this.
func refusesScripts(text string) bool {
	text = strings.ToLower(text)
	for _, words := range []string{"undeclared key", "'eval' command", "'evalsha' command", "unknown command 'eval", "unknown command `eval"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
