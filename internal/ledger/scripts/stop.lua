-- stop.lua ends a campaign for good: from then on nothing is claimed for it and nothing added to it.
-- KEYS: 1 campaign
-- ARGV: 1 'cancelled', or 'deleting' to have it deleted, which no live call may go on in
-- Reply: {'ok', created in ms, which tells this campaign from a later one of its name}, {'live'} or {'gone'}
local c = redis.call('HMGET', KEYS[1], 'rules', 'live', 'state', 'created')
if not c[1] then return {'gone'} end
if c[3] ~= 'deleting' and c[3] ~= ARGV[1] then
  if ARGV[1] == 'deleting' then
    if tonumber(c[2] or '0') > 0 then return {'live'} end
    redis.call('HSET', KEYS[1], 'deleting', int(now_ms()))
  end
  redis.call('HSET', KEYS[1], 'state', ARGV[1])
  opened(KEYS[1])
end
return {'ok', c[4]}
