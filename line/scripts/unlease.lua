-- unlease.lua gives a lease back, so that the next worker need not wait for its end.
-- KEYS: 1 line
-- ARGV: 1 worker
-- Reply: 1 if it was this worker's
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner', 'lease')
return 1
