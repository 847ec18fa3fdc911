-- put.lua stores a rule.
-- KEYS: 1 rule, 2 names
-- ARGV: 1 name, 2 rule (JSON), 3 next instant in ms ('' for none), 4 '1' to replace another rule
-- Reply: 'created', 'same', 'updated' or 'differs'
local h = redis.call('HMGET', KEYS[1], 'rule', 'next', 'paused')
local old = h[1]
if old == ARGV[2] then return 'same' end
if old and ARGV[4] ~= '1' then return 'differs' end
local next, late = ARGV[3], now_ms() - (tonumber(h[2] or '') or math.huge)
-- An instant that has just come and is not fired yet still runs.
if late >= 0 and late < 60000 and not h[3] then next = h[2] end
redis.call('HSET', KEYS[1], 'rule', ARGV[2], 'next', next)
redis.call('HINCRBY', KEYS[1], 'rev', 1)
redis.call('HSETNX', KEYS[1], 'created', int(now_ms()))
redis.call('SADD', KEYS[2], ARGV[1])
return old and 'updated' or 'created'
