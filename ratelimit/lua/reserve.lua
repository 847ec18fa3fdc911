-- Reserves a slot for a token, or says where the token's slot is now.
--
-- A token has one slot at most, so that a repeated call takes no second one. A
-- slot that has come is confirmed by calling again: if it can no longer be used,
-- since a block came in between or its tolerance has passed, the token is given
-- a new one before everybody who waits.
--
-- KEYS[1] state, KEYS[2] log: see common.lua
-- KEYS[3] mark: exists if the token was given back
-- ARGV[1] limit, ARGV[2] window: see common.lua
-- ARGV[3] token
-- Reply: slot (µs; 0 if the token was given back), now (µs), limit, window (µs)
local mark, token = KEYS[3], ARGV[3]

if redis.call('EXISTS', mark) == 1 then
  return {0, now, limit, window}
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
