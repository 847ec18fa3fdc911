package ringout

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Group is RingCentral's usage plan group: all requests of one group share one limit per extension and app.
// See https://developers.ringcentral.com/guide/basics/rate-limits.
type Group string

// The groups, spelled as in X-Rate-Limit-Group.
const (
	Light  Group = "light"  // Status, Presence
	Medium Group = "medium" // nothing of this package
	Heavy  Group = "heavy"  // Place, Cancel, ActiveCalls, CallLog
	Auth   Group = "auth"   // token requests
)

// Quota is what one answer told about the rate limit.
type Quota struct {
	Group      Group         // the group that the answer named, else the one that the request belongs to
	Limit      int           // requests per window; -1 if absent
	Remaining  int           // requests left in the window; -1 if absent
	Window     time.Duration // 0 if absent
	Limited    bool          // the answer was a 429
	RetryAfter time.Duration // 0 if absent
	Sent       time.Time     // when the request was sent, by the local clock
}

// Bounds of what headers may ask for, so that a nonsensical one cannot stop an extension for good. RingCentral documents
// penalties of a minute, and no window longer than that.
const (
	maxRetryAfter = 5 * time.Minute
	maxWindow     = 24 * time.Hour
)

// maxLimit bounds a believable number of requests per window.
const maxLimit = 1_000_000

// observe hands over the rate-limit facts of one answer to a request of group g.
func (c *Client) observe(ctx context.Context, g Group, sent time.Time, resp *http.Response) {
	if c.config.Observe == nil {
		return
	}
	q := Quota{
		Group:      g,
		Limit:      headerCount(resp.Header.Get("X-Rate-Limit-Limit")),
		Remaining:  headerCount(resp.Header.Get("X-Rate-Limit-Remaining")),
		Window:     headerSeconds(resp.Header.Get("X-Rate-Limit-Window")),
		Limited:    resp.StatusCode == http.StatusTooManyRequests,
		RetryAfter: c.retryAfter(resp.Header),
		Sent:       sent,
	}
	named := Group(strings.ToLower(strings.TrimSpace(resp.Header.Get("X-Rate-Limit-Group"))))
	switch named {
	case Light, Medium, Heavy, Auth:
		q.Group = named
	}
	c.config.Observe(ctx, q)
	if q.Limited && q.Group != g {
		// The limit that was hit belongs to another group than expected. Its numbers are that group's, but this
		// kind of request must stop too.
		c.config.Observe(ctx, Quota{Group: g, Limit: -1, Remaining: -1, Limited: true, RetryAfter: q.RetryAfter, Sent: sent})
	}
}

// retryAfter reads Retry-After; a date in it is taken against the server's own clock where the answer has one.
func (c *Client) retryAfter(h http.Header) time.Duration {
	now := serverTime(h)
	if now.IsZero() {
		now = c.now()
	}
	return parseRetryAfter(h.Get("Retry-After"), now)
}

// serverTime is the answer's Date header, zero if absent or unreadable.
func serverTime(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// parseRetryAfter reads seconds or an HTTP date. It is 0 for what it cannot read and for a date that has passed, and
// never more than maxRetryAfter.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	seconds, ok := parseSeconds(value)
	if !ok {
		return 0
	}
	return min(seconds, maxRetryAfter)
}

// headerSeconds reads a duration in seconds, 0 for what is absent, unreadable or beyond belief.
func headerSeconds(value string) time.Duration {
	seconds, ok := parseSeconds(strings.TrimSpace(value))
	if !ok || seconds > maxWindow {
		return 0
	}
	return seconds
}

// parseSeconds reads a plain decimal number of seconds; the fraction of a nanosecond is rounded up. A number too large
// for a Duration gives the largest one.
func parseSeconds(value string) (time.Duration, bool) {
	if value == "" || strings.Trim(value, "0123456789.") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if math.IsInf(seconds, 1) {
		return math.MaxInt64, true
	}
	if err != nil {
		return 0, false
	}
	nanos := math.Ceil(seconds * float64(time.Second))
	if nanos >= math.MaxInt64 {
		return math.MaxInt64, true
	}
	return time.Duration(nanos), true
}

// headerCount reads a number of requests, -1 for what is absent, unreadable or beyond belief.
func headerCount(value string) int {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 0 || n > maxLimit {
		return -1
	}
	return n
}
