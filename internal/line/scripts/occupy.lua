-- occupy.lua occupies a free line for one attempt. Occupancy has no end of its own.
-- KEYS: 1 line
-- ARGV: 1 worker, 2 token, 3 campaign, 4 contact
-- Reply: 'ok' (also when repeated), 'lost' (another worker has the lease), 'taken', or 'paused' (the agent has a break)
local now = now_ms()
local h = redis.call('HMGET', KEYS[1], 'owner', 'lease', 'token', 'state', 'paused')
if h[4] == 'occupied' and h[3] == ARGV[2] then return 'ok' end
if h[1] ~= ARGV[1] or tonumber(h[2] or '0') <= now then return 'lost' end
if state(KEYS[1], now) ~= '' then return 'taken' end
if h[5] then return 'paused' end
redis.call('HDEL', KEYS[1], 'blocked', 'why')
redis.call('HSET', KEYS[1], 'state', 'occupied', 'token', ARGV[2], 'campaign', ARGV[3], 'contact', ARGV[4],
  'since', int(now), 'until', '0', 'phase', '')
return 'ok'
