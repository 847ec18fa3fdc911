package ringout

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		in   string
		want time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"30", 30 * time.Second},
		{" 7 ", 7 * time.Second},
		{"0.25", 250 * time.Millisecond},
		{"-5", 0},
		{"+5", 0},
		{"1e3", 0},
		{"0x10", 0},
		{"soon", 0},
		{"1.2.3", 0},
		{"99999999999999999999999", maxRetryAfter},
		{"86401", maxRetryAfter},
		{"Sun, 01 Mar 2026 12:01:30 GMT", 90 * time.Second},
		{"Sunday, 01-Mar-26 12:01:30 GMT", 90 * time.Second},
		{"Sun Mar  1 12:01:30 2026", 90 * time.Second},
		{"Sun, 01 Mar 2026 11:59:00 GMT", 0},
		{"Sun, 01 Mar 2099 12:00:00 GMT", maxRetryAfter},
	} {
		if got := parseRetryAfter(test.in, now); got != test.want {
			t.Errorf("parseRetryAfter(%q) = %s, want %s", test.in, got, test.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "30", "0.5", "-1", "Sun, 01 Mar 2026 12:01:30 GMT", "9e999", "NaN", "Inf", ".", "0x1p9", "٣"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got := parseRetryAfter(s, now)
		if got < 0 || got > maxRetryAfter {
			t.Fatalf("parseRetryAfter(%q) = %s, want 0 to %s", s, got, maxRetryAfter)
		}
		if n, err := strconv.ParseUint(s, 10, 32); err == nil && got != min(time.Duration(n)*time.Second, maxRetryAfter) {
			t.Errorf("parseRetryAfter(%q) = %s, want %d s", s, got, n)
		}
	})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	none := Quota{Group: Light, Limit: -1, Remaining: -1}
	for _, test := range []struct {
		name   string
		status int
		header http.Header
		want   []Quota
	}{
		{name: "nothing told", status: 200, want: []Quota{none}},
		{
			name: "all told", status: 200,
			header: http.Header{
				"X-Rate-Limit-Group": {"Light"}, "X-Rate-Limit-Limit": {"50"},
				"X-Rate-Limit-Remaining": {"0"}, "X-Rate-Limit-Window": {"60"},
			},
			want: []Quota{{Group: Light, Limit: 50, Remaining: 0, Window: time.Minute}},
		},
		{
			name: "a group of another name", status: 404,
			header: http.Header{"X-Rate-Limit-Group": {"feather"}, "X-Rate-Limit-Limit": {"7"}},
			want:   []Quota{{Group: Light, Limit: 7, Remaining: -1}},
		},
		{
			name: "nonsense", status: 200,
			header: http.Header{
				"X-Rate-Limit-Limit": {"-4"}, "X-Rate-Limit-Remaining": {"many"}, "X-Rate-Limit-Window": {"1e9"},
			},
			want: []Quota{none},
		},
		{
			name: "limited", status: 429, header: http.Header{"Retry-After": {"17"}},
			want: []Quota{{Group: Light, Limit: -1, Remaining: -1, Limited: true, RetryAfter: 17 * time.Second}},
		},
		{
			name: "a date by the server's clock", status: 503,
			header: http.Header{
				"Retry-After": {"Sun, 01 Mar 2026 12:01:30 GMT"}, "Date": {"Sun, 01 Mar 2026 12:01:00 GMT"},
			},
			want: []Quota{{Group: Light, Limit: -1, Remaining: -1, RetryAfter: 30 * time.Second}},
		},
		{
			name: "limited in another group", status: 429,
			header: http.Header{
				"X-Rate-Limit-Group": {"heavy"}, "X-Rate-Limit-Limit": {"10"},
				"X-Rate-Limit-Remaining": {"0"}, "Retry-After": {"9"},
			},
			want: []Quota{
				{Group: Heavy, Limit: 10, Remaining: 0, Limited: true, RetryAfter: 9 * time.Second},
				{Group: Light, Limit: -1, Remaining: -1, Limited: true, RetryAfter: 9 * time.Second},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []Quota
			began := time.Now()
			rc := &platform{api: func(w http.ResponseWriter, _ *http.Request, _ string) {
				maps.Copy(w.Header(), test.header)
				w.WriteHeader(test.status)
			}}
			c := rc.client(t, func(config *Config) {
				config.Observe = func(_ context.Context, q Quota) {
					if now := time.Now(); q.Sent.Before(began) || q.Sent.After(now) {
						t.Errorf("sent at %s, want between %s and %s", q.Sent, began, now)
					}
					q.Sent = time.Time{}
					got = append(got, q)
				}
			})
			mustLogin(t, c)
			if want := []Quota{{Group: Auth, Limit: -1, Remaining: -1}}; !slices.Equal(got, want) {
				t.Errorf("after Login observed %+v, want %+v", got, want)
			}
			got = nil
			_, _ = c.Status(t.Context(), "1") // its error is tested elsewhere
			if !slices.Equal(got, test.want) {
				t.Errorf("observed %+v, want %+v", got, test.want)
			}
		})
	}
}
