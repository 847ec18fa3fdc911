-- rest.lua says that a campaign has no call to place before an instant, unless it was woken since that was looked up.
-- KEYS: 1 due, 2 wakes
-- ARGV: 1 campaign, 2 when it had last been woken, 3 ms from now; '' for never, until it is woken
-- Reply: 1, or 0 if it was woken
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[1], int(now_ms() + tonumber(ARGV[3])), ARGV[1])
end
return 1
