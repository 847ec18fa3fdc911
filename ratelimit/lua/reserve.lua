-- Reserves a slot for a token, or says where the token's slot is now.
--
-- A token has one slot at most, so that a repeated call takes no second one. A
-- slot that has come is confirmed by calling again: if it can no longer be used,
-- since a block came in between or its tolerance has passed, the token is given
-- a new one before everybody who waits.
--
-- The Limiter says which slot it was given last. If that is gone, Redis has lost
-- slots; none is given before the Limiter has restored its own.
--
-- KEYS[1] state, KEYS[2] log: see common.lua
-- KEYS[3] mark: exists if the token was given back
-- ARGV[1] limit, ARGV[2] window: see common.lua
-- ARGV[3] token
-- ARGV[4] token of the slot that this Limiter was given last; '' if it does not matter
-- ARGV[5] that slot, µs
-- ARGV[6] how long the quota is still blocked as far as this Limiter knows, µs
-- Reply: slot (µs; 0 if the token was given back, -1 if slots were lost), now (µs), limit, window (µs)
local mark, token = KEYS[3], ARGV[3]

if redis.call('EXISTS', mark) == 1 then
  return {0, now, limit, window}
end
local told, left = tonumber(ARGV[5]), tonumber(ARGV[6])
-- The margin: a block that was told of is measured anew each time, and not exactly.
if ARGV[4] ~= '' and told > now - span and misses(ARGV[4], told) or left > margin and blocked < now + left - margin then
  return {-1, now, limit, window}
end
redis.call('ZREMRANGEBYSCORE', log, '-inf', int(now - 2 * span))

local at = tonumber(redis.call('ZSCORE', log, token) or nil)
if at then
  if at < blocked or now - at > tolerance then
    redis.call('ZREM', log, token)
    at = reflow(token)
    retain(tonumber(redis.call('ZRANGE', log, '-1', '-1', 'WITHSCORES')[2]))
  end
else
  local last = redis.call('ZRANGE', log, '-1', '-1', 'WITHSCORES')
  local nth = redis.call('ZRANGE', log, int(-limit), int(-limit), 'WITHSCORES')
  at = earliest(now, tonumber(last[2] or nil), tonumber(nth[2] or nil))
  redis.call('ZADD', log, int(at), token)
  retain(at)
end
return {at, now, limit, window}
