package ringouttest

import "time"

// quotaKey says whose requests are counted together. All requests are one app's.
type quotaKey struct{ extension, group string }

// bucket is the quota of one key: a sliding window of granted requests, and a penalty.
type bucket struct {
	limit   Limit       // already scaled
	granted []time.Time // within the window, oldest first

	blockedUntil time.Time
	penalty      time.Duration // of the block that runs

	recent     []time.Time // all requests within the window, for the peak
	count      Count
	operations map[Operation]int
}

// grant is what became of one request.
type grant int

const (
	admitted  grant = iota
	overQuota       // the window was full: this request starts a penalty
	inPenalty       // came during a penalty, and starts it anew
)

// take asks for one request at now.
func (b *bucket) take(now time.Time, op Operation) grant {
	b.recent = append(since(b.recent, now.Add(-b.limit.Window)), now)
	b.count.Peak = max(b.count.Peak, len(b.recent))
	b.operations[op]++

	if now.Before(b.blockedUntil) {
		b.blockedUntil = now.Add(b.penalty)
		b.count.Limited++
		return inPenalty
	}
	if b.remaining(now) == 0 {
		b.block(now, b.limit.Penalty)
		b.count.Limited++
		return overQuota
	}
	b.granted = append(b.granted, now)
	b.count.Granted++
	return admitted
}

// remaining is how many requests the window has room for.
func (b *bucket) remaining(now time.Time) int {
	b.granted = since(b.granted, now.Add(-b.limit.Window))
	if b.limit.N < 0 {
		return 1 << 20
	}
	if now.Before(b.blockedUntil) {
		return 0
	}
	return max(0, b.limit.N-len(b.granted))
}

// block starts a penalty.
func (b *bucket) block(now time.Time, penalty time.Duration) {
	b.penalty = penalty
	b.blockedUntil = now.Add(penalty)
}

// since drops what is not after start. A request leaves the window exactly one window after it came.
func since(times []time.Time, start time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(start) {
		times = times[1:]
	}
	return times
}

// bucket finds or makes the quota of a key. s.mu is held.
func (s *Simulator) bucket(extension, group string) *bucket {
	key := quotaKey{extension, group}
	b, ok := s.buckets[key]
	if !ok {
		limit := s.config.Limits[group]
		limit.Window, limit.Penalty = s.config.scaled(limit.Window), s.config.scaled(limit.Penalty)
		b = &bucket{
			limit:      limit,
			count:      Count{Extension: extension, Group: group},
			operations: make(map[Operation]int),
		}
		s.buckets[key] = b
		s.bucketOrder = append(s.bucketOrder, b)
	}
	return b
}

// Spend uses n requests of an extension's quota, as another app of the same user would that shares it. What the
// window has no room for is not spent.
func (s *Simulator) Spend(extension, group string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	b := s.bucket(extension, group)
	for range min(n, b.remaining(now)) {
		b.granted = append(b.granted, now)
	}
}
