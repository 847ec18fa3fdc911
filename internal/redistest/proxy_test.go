package redistest_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestProxy(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond
	p := redistest.StartProxy(t, redistest.Start(t).Addr(), delay)
	rdb := redis.NewClient(&redis.Options{Addr: p.Addr()})
	defer rdb.Close() //nolint:errcheck // it has been asked all
	value := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	if err := rdb.Set(t.Context(), "k", value, 0).Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got, err := rdb.Get(t.Context(), "k").Bytes(); err != nil || !bytes.Equal(got, value) {
		t.Errorf("a megabyte came back as %d bytes, %v", len(got), err)
	}
	if d := time.Since(began); d < 2*delay {
		t.Errorf("a round trip took %s, less than twice %s", d, delay)
	}
	p.Cut()
	if err := rdb.Ping(t.Context()).Err(); err != nil { // go-redis dials again
		t.Errorf("after the cut: %v", err)
	}
}
