-- seize.lua blocks a line whose agent is on a call that is no attempt's.
-- KEYS: 1 line
-- ARGV: 1 worker, 2 fresh token, 3 why, for people
-- Reply: 'ok', 'taken' (occupied or blocked already) or 'lost' (another worker has the lease)
local now = now_ms()
local h = redis.call('HMGET', KEYS[1], 'owner', 'lease', 'state')
if h[1] ~= ARGV[1] or tonumber(h[2] or '0') <= now then return 'lost' end
if h[3] == 'occupied' or h[3] == 'blocked' then return 'taken' end
redis.call('HDEL', KEYS[1], 'campaign', 'contact')
redis.call('HSET', KEYS[1], 'state', 'blocked', 'token', ARGV[2], 'since', int(now), 'until', '0', 'blocked', int(now), 'why', ARGV[3])
return 'ok'
