-- block.lua marks an occupied line as one of which nobody knows whether its call is over.
-- KEYS: 1 line
-- ARGV: 1 token
-- Reply: 1 if this token occupies the line
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'blocked')
return 1
