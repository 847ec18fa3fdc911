-- notice.lua records that a Redis process was seen that is not the approved one.
-- KEYS: 1 redis
-- ARGV: 1 its run id, 2 ms by which contacts' due times may be off, 3 ms for which contacts wait at most
-- Reply: 1, or 0 if it was recorded before, or another process runs by now
if run_id() ~= ARGV[1] or redis.call('HGET', KEYS[1], 'new') == ARGV[1] then return 0 end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local kind = string.sub(all[i], 1, 5)
  if kind == 'line:' or kind == 'team:' then redis.call('HDEL', KEYS[1], all[i]) end
end
local now = now_ms()
redis.call('HSET', KEYS[1], 'new', ARGV[1], 'noticed', int(now), 'before', int(now + tonumber(ARGV[2])),
  'until', int(now + tonumber(ARGV[3])))
return 1
