-- dncend.lua takes numbers off the do-not-call list whose time is over.
-- KEYS: 1 dnc (set of numbers), 2 their details (hash), 3 when they end (zset)
-- ARGV: 1 at most how many
-- Reply: how many were taken off
local over = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', int(now_ms()), 'LIMIT', 0, tonumber(ARGV[1]))
for _, number in ipairs(over) do
  redis.call('SREM', KEYS[1], number)
  redis.call('HDEL', KEYS[2], number)
  redis.call('ZREM', KEYS[3], number)
end
return #over
