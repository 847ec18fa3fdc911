-- create.lua creates a campaign, or returns the one that is there.
-- KEYS: 1 campaign, 2 campaigns (zset by creation)
-- ARGV: 1 name, 2 rules (JSON), 3 ends in ms ('' for none), 4 '1' to replace other rules
-- Reply: {'created'|'same'|'updated'|'differs'|'cancelled'|'deleting', rules as they are now in force}
local rules = redis.call('HGET', KEYS[1], 'rules')
if not rules then
  redis.call('HSET', KEYS[1], 'rules', ARGV[2], 'ends', ARGV[3], 'state', 'active', 'created', int(now_ms()))
  redis.call('ZADD', KEYS[2], now_ms(), ARGV[1])
  return {'created', ARGV[2]}
end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'active' then return {state, rules} end
if rules == ARGV[2] then return {'same', rules} end
if ARGV[4] ~= '1' then return {'differs', rules} end
redis.call('HSET', KEYS[1], 'rules', ARGV[2], 'ends', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'rev', 1)
return {'updated', ARGV[2]}
