-- erase.lua deletes contacts of a campaign that is being deleted, and at last the campaign.
-- KEYS: 1 campaign, 2 campaigns (zset), 3 open (set), 4 ended (zset), 5 deleted (zset by ms), 6.. what else is to be deleted
-- ARGV: 1 name, 2 created in ms, 3 '1' for the campaign itself too
-- Reply: 1, or 0 if that campaign is gone
local c = redis.call('HMGET', KEYS[1], 'state', 'created')
if c[1] ~= 'deleting' or c[2] ~= ARGV[2] then return 0 end
for k = 6, #KEYS do redis.call('UNLINK', KEYS[k]) end
if ARGV[3] == '1' then
  redis.call('UNLINK', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('SREM', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('ZADD', KEYS[5], int(now_ms()), ARGV[1])
end
return 1
