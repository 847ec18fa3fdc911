package redistest_test

import (
	"testing"
	"time"

	"github.com/ringqueue/ringqueue/internal/redistest"
)

func TestSkewed(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{70 * time.Second, -70 * time.Second} {
		rdb := redistest.StartSkewed(t, ahead).Client(t)
		before := time.Now()
		now, err := rdb.Time(t.Context()).Result()
		after := time.Now()
		if err != nil {
			t.Fatal(err)
		}
		// Between the two instants, moved; libfaketime's offset is exact.
		if now.Before(before.Add(ahead-time.Millisecond)) || now.After(after.Add(ahead+time.Millisecond)) {
			t.Errorf("Redis's clock is %s ahead, want %s", now.Sub(before), ahead)
		}
		// Deadlines within the server go on as usual.
		if err := rdb.Set(t.Context(), "k", "v", 50*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); rdb.Exists(t.Context(), "k").Val() != 0; {
			if time.Now().After(end) {
				t.Fatal("a key does not expire")
			}
		}
	}
}
