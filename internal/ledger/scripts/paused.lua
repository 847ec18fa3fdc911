-- paused.lua records whether a campaign is paused, as both of its queues have it.
-- KEYS: 1 campaign
-- ARGV: 1 '1' if it is paused, else '0'
-- Reply: 1, or 0 if there is no such campaign
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'paused', ARGV[1])
return 1
