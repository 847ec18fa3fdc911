package campaign

import (
	"testing"
	"time"
)

func TestFaster(t *testing.T) {
	t.Parallel()
	r := Default("x")
	r.Ends = time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC)
	got := r.Faster(60)
	if got.Retry.Busy != Delay(15*time.Second) || got.Retry.NoAnswer != Delay(4*time.Minute) || got.Retry.Rejected != Never {
		t.Errorf("retry %+v", got.Retry)
	}
	if got.RingLimit != time.Second || got.LongestCall != 4*time.Minute || got.WrapUp != time.Second/3 {
		t.Errorf("ring limit %s, longest call %s, wrap-up %s", got.RingLimit, got.LongestCall, got.WrapUp)
	}
	if !got.Ends.Equal(r.Ends) || got.CallingHours.String() != r.CallingHours.String() || got.Retry.MaxAttempts != r.Retry.MaxAttempts {
		t.Errorf("got %+v, want hours, end and attempts as they were", got)
	}
}
