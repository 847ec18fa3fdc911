package worker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ringqueue/ringqueue/internal/settings"
	"github.com/ringqueue/ringqueue/internal/testlog"
	"github.com/ringqueue/ringqueue/ringout/ringouttest"
)

func TestMissingPermissionIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	for _, permission := range []string{"ReadCallLog", "ReadPresence"} {
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			sim, url := ringouttest.Start(t, ringouttest.Config{Deny: []string{permission}})
			rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
			t.Cleanup(func() { _ = rdb.Close() })
			var log testlog.Buffer
			w, err := New(rdb, settings.Worker{
				Credentials: settings.Credentials{Server: url, ClientID: "id", ClientSecret: "secret"},
				Lines:       []settings.Line{{Name: "alice", Number: "+16505550101", Team: "default", JWT: "alice"}},
			}, zerolog.New(&log), 1)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- w.Run(ctx) }()
			deadline := time.After(90 * time.Second)
			for tick := time.NewTicker(10 * time.Millisecond); !strings.Contains(log.String(), `"permission":"`+permission+`"`); {
				select {
				case <-tick.C:
				case err := <-ended:
					t.Fatalf("the worker ended: %v\n%s", err, log.String())
				case <-deadline:
					t.Fatalf("nothing was said of %s:\n%s", permission, log.String())
				}
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if n := len(sim.Truth().Dials); n != 0 {
				t.Errorf("%d phones rang", n)
			}
		})
	}
}
