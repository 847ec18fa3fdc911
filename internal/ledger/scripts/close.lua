-- close.lua takes a campaign in which nothing is left to do out of those that are open.
-- KEYS: 1 campaign, 2 open (set), 3 ended (zset by the ms at which to look for finished tasks that expire)
-- ARGV: 1 name
-- Reply: 1 if it is out (also when it is gone), 0 if something is left to do
local c = redis.call('HMGET', KEYS[1], 'state', 'waiting', 'live')
if c[1] == 'deleting' or tonumber(c[2] or '0') + tonumber(c[3] or '0') > 0 then return 0 end
redis.call('SREM', KEYS[2], ARGV[1])
if c[1] then
  redis.call('HSET', KEYS[1], 'closed', int(now_ms()))
  redis.call('ZADD', KEYS[3], now_ms(), ARGV[1])
end
return 1
