-- Tells how much of the quota is in use. Changes nothing.
--
-- KEYS[1] state, KEYS[2] log: see common.lua
-- ARGV[1] limit, ARGV[2] window: see common.lua
-- Reply: limit, window (µs), slots in the present window, slots still to come,
--        blocked until (µs; 0 if not), where a slot reserved now would be (µs),
--        now (µs)
local last = redis.call('ZRANGE', log, '-1', '-1', 'WITHSCORES')
local nth = redis.call('ZRANGE', log, int(-limit), int(-limit), 'WITHSCORES')
local used = redis.call('ZCOUNT', log, '(' .. int(now - span), int(now))
local waiting = redis.call('ZCOUNT', log, '(' .. int(now), '+inf')
local next = earliest(now, tonumber(last[2] or nil), tonumber(nth[2] or nil))
if blocked <= now then blocked = 0 end
return {limit, window, used, waiting, blocked, next, now}
