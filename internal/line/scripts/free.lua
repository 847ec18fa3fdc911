-- free.lua ends an occupancy.
-- KEYS: 1 line
-- ARGV: 1 token, 2 rest ('', 'wrap_up' or 'cooling'), 3 ms of rest
-- Reply: 1 if this token occupied or blocked the line, else 0 (it was freed before)
local h = redis.call('HMGET', KEYS[1], 'token', 'state')
if h[1] ~= ARGV[1] or (h[2] ~= 'occupied' and h[2] ~= 'blocked') then return 0 end
redis.call('HDEL', KEYS[1], 'token', 'campaign', 'contact')
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'until', int(now_ms() + tonumber(ARGV[3])), 'since', int(now_ms()))
return 1
