-- set.lua pauses, resumes or removes a rule.
-- KEYS: 1 rule, 2 names
-- ARGV: 1 name, 2 'pause', 'resume' or 'remove', 3 next instant for 'resume' ('' for none)
-- Reply: 1, or 0 if there is no such rule
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[2] == 'remove' then
  redis.call('UNLINK', KEYS[1])
  redis.call('SREM', KEYS[2], ARGV[1])
elseif ARGV[2] == 'pause' then
  redis.call('HSET', KEYS[1], 'paused', '1')
elseif redis.call('HDEL', KEYS[1], 'paused') == 1 then
  redis.call('HSET', KEYS[1], 'next', ARGV[3])
end
return 1
