-- unblock.lua frees a blocked line because a person says so.
-- KEYS: 1 line
-- ARGV: 1 token that blocks it
-- Reply: 1 if it did
local h = redis.call('HMGET', KEYS[1], 'token', 'state')
if (h[1] or '') ~= ARGV[1] or h[2] ~= 'blocked' then return 0 end
redis.call('HDEL', KEYS[1], 'token', 'campaign', 'contact', 'blocked', 'why')
redis.call('HSET', KEYS[1], 'state', '', 'until', '0', 'since', int(now_ms()))
return 1
