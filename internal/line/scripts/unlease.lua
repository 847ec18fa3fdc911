-- unlease.lua gives a lease back, so that the next worker need not wait for its end.
-- KEYS: 1 line
-- ARGV: 1 worker
-- Reply: 1 if it was this worker's
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
-- The name stays: its next owner must know that the line was another's meanwhile.
redis.call('HDEL', KEYS[1], 'lease')
return 1
