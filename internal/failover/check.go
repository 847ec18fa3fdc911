// Package failover keeps a worker from dialling on what Redis may have forgotten.
//
// A Redis that was restarted, or that took over from another one, may lack claims which the workers were told are stored.
// Its run id gives it away: the ledger refuses every claim until a run id is approved. The watcher of each worker compares
// RingCentral's records with the ledger for the lines that the worker has, and approves once all lines were compared.
package failover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/redisurl"
)

// The oldest Redis that has what the scripts and Asynq need.
const (
	oldestMajor = 6
	oldestMinor = 2
)

// Check looks at how Redis is set up. An error says what must be changed before a worker may run; the log gets what a crash
// of Redis means for claims, and what the user may not do that would tell more. A Redis that does not tell, the one embedded
// for demos or one that forbids INFO, passes; one that refuses scripts does not.
func Check(ctx context.Context, rdb redis.UniversalClient, log zerolog.Logger) error {
	switch err := redisurl.Probe(ctx, rdb); {
	case errors.Is(err, redisurl.ErrScripts):
		return err
	case err != nil && redisurl.Refused(err):
		log.Error().Err(err).Msg("Redis takes nothing at present: nothing is dialled until it does")
	}
	if err := rdb.MemoryUsage(ctx, "ringqueue:{ledger}:redis").Err(); err != nil && redis.HasErrorPrefix(err, "NOPERM") {
		log.Info().Msg("Redis does not let the worker use MEMORY: Asynq's monitor cannot show its queues' pages; all else works without")
	}
	servers, err := askMasters(ctx, rdb)
	if redisurl.Refused(err) {
		log.Warn().Err(err).Msg("Redis does not let the worker read INFO, so its settings are not checked, and a restart or a " +
			"failover that loses claims is not noticed; allow it with `ACL SETUSER … +info +config|get`")
		return nil
	}
	if err != nil {
		return fmt.Errorf("check Redis: %w", err)
	}
	said := map[string]bool{}
	for _, s := range servers {
		if err := s.fit(); err != nil {
			return err
		}
		text, safe := s.durability()
		if text == "" || said[text] {
			continue
		}
		said[text] = true
		if safe {
			log.Info().Msg(text)
		} else {
			log.Warn().Msg(text)
		}
	}
	return nil
}

// server is what one Redis process says of itself; nil fields are not told.
type server struct {
	info  map[string]string
	fsync string // "" if it may not be read
}

// askMasters asks every master: a cluster has several.
func askMasters(ctx context.Context, rdb redis.UniversalClient) ([]server, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		s, err := ask(ctx, rdb)
		return []server{s}, err
	}
	var (
		mu      sync.Mutex
		servers []server
	)
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		s, err := ask(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		servers = append(servers, s)
		return err
	})
	return servers, err
}

func ask(ctx context.Context, rdb redis.Cmdable) (server, error) {
	text, err := rdb.Info(ctx).Result()
	if err != nil {
		return server{}, err
	}
	s := server{info: map[string]string{}}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			s.info[name] = value
		}
	}
	if s.info["aof_enabled"] != "1" {
		return s, nil
	}
	// Hosted ones forbid it.
	set, err := rdb.ConfigGet(ctx, "appendfsync").Result()
	if err != nil && !redisurl.Refused(err) {
		return s, err
	}
	s.fsync = set["appendfsync"]
	return s, nil
}

// fit says what is wrong with the server.
func (s server) fit() error {
	version := s.info["redis_version"]
	if s.info["valkey_version"] == "" && version != "" && tooOld(version) {
		return fmt.Errorf("redis %s is too old: ringqueue needs Redis %d.%d or newer, or Valkey", version, oldestMajor, oldestMinor)
	}
	if policy := s.info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fmt.Errorf("redis's maxmemory-policy is %s: when memory runs short it would delete claims, and people would be "+
			"called twice; set it with `redis-cli CONFIG SET maxmemory-policy noeviction`, and with the line "+
			"`maxmemory-policy noeviction` in redis.conf or in your provider's settings", policy)
	}
	return nil
}

func tooOld(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	b, err := strconv.Atoi(minor)
	return a < oldestMajor || (err == nil && a == oldestMajor && b < oldestMinor)
}

// durability says what a crash means for claims, and whether that is as good as it gets; "" if the server does not tell.
func (s server) durability() (text string, safe bool) {
	switch {
	case s.info["aof_enabled"] == "":
		return "", true
	case s.info["aof_enabled"] != "1":
		text = "Redis keeps no append-only file: when it stops, it loses the claims since its last snapshot, or all data; " +
			"set `appendonly yes` and `appendfsync always`"
	case s.fsync == "always":
		text, safe = "Redis has each claim on disk before a call is placed: a killed Redis or a power cut loses none", true
	case s.fsync == "everysec":
		text, safe = "Redis has claims on disk after a second: a killed Redis loses none while its disk keeps up, a power cut "+
			"about the last second's; `appendfsync always` loses none", true
	case s.fsync == "no":
		text = "Redis leaves it to the operating system when claims are on disk: a killed Redis loses none, a power cut those of " +
			"the last half minute or so; set `appendfsync always`"
	default:
		text, safe = "Redis keeps an append-only file, but does not let the worker read how often it is synced: a power cut may lose claims "+
			"unless that is `appendfsync always`", true
	}
	if n, err := strconv.Atoi(s.info["connected_slaves"]); err == nil && n > 0 {
		text += fmt.Sprintf("; a failover to one of its %d replicas loses the claims that had not reached it yet", n)
	}
	return text + "; after each restart or failover nothing is dialled until RingCentral's records were compared", safe
}
