// Package ringouttest simulates the part of RingCentral that places RingOut calls: login, quotas, calls that ring
// and end, presence and call records, and the ways in which all of that fails.
//
// It rings no phone. Each destination number has an [Ending], a timeline of statuses that is fixed when the call is
// placed and computed from the clock at each request: there are no timers and no goroutines, so a test steps
// [Config.Now] and sees what a poll would have seen. [Config.Scale] makes everything run faster: timelines, quota
// windows, penalties, the life of tokens, lags and retention. Only [Fault.Delay] is never scaled, because it exists to
// run into a client's own timeouts.
//
// The simulator keeps the truth apart from what it answers: every dial, every overlap on one phone, every request over
// quota or inside a penalty ([Simulator.Truth]). Tests prove with it that a client dialled nobody twice.
//
// What RingCentral documents is simulated as documented; what nobody has documented is an option of [Config].
package ringouttest
