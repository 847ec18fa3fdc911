-- due.lua lists the campaigns that may have a call to place now.
-- KEYS: 1 due (zset: campaign, ms before which it has none), 2 wakes (hash: campaign, when it was last woken)
-- ARGV: 1 how many at most
-- Reply: {campaign, when it was last woken, …}, the longest due first
local reply = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now_ms()), 'LIMIT', 0, tonumber(ARGV[1]))) do
  reply[#reply+1] = name
  reply[#reply+1] = redis.call('HGET', KEYS[2], name) or ''
end
return reply
