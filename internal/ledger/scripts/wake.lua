-- wake.lua says that a campaign may have a call to place from an instant on.
-- KEYS: 1 due, 2 wakes
-- ARGV: 1 campaign, 2 ms from now
-- Reply: 1
redis.call('ZADD', KEYS[1], 'LT', int(now_ms() + tonumber(ARGV[2])), ARGV[1])
local t = redis.call('TIME')
redis.call('HSET', KEYS[2], ARGV[1], t[1] .. '.' .. t[2])
return 1
