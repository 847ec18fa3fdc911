-- clear.lua deletes some of the tasks of one of Asynq's lists or sorted sets of ids.
-- KEYS: 1 the list or set
-- ARGV: 1 what the keys of its tasks begin with (they share its hash tag), 2 how many at most
-- Reply: how many are left
local set, most = KEYS[1], tonumber(ARGV[2])
local kind = redis.call('TYPE', set).ok
local ids
if kind == 'list' then
  ids = redis.call('LRANGE', set, -most, -1)
elseif kind == 'zset' then
  ids = redis.call('ZRANGE', set, 0, most - 1)
else
  return 0
end
for _, id in ipairs(ids) do redis.call('UNLINK', ARGV[1] .. id) end
if kind == 'list' then
  redis.call('LTRIM', set, 0, -most - 1)
  return redis.call('LLEN', set)
end
redis.call('ZREMRANGEBYRANK', set, 0, most - 1)
return redis.call('ZCARD', set)
