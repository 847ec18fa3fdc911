-- agree.lua lets lines dial, and teams' contacts be called, in a Redis process that is not approved as a whole.
-- KEYS: 1 redis
-- ARGV: 1 run id of the process that this was decided for, 2.. 'line:NUMBER' or 'team:NAME'
-- Reply: how many were not let before; -1 if another process runs by now
if run_id() ~= ARGV[1] or redis.call('HGET', KEYS[1], 'new') ~= ARGV[1] then return -1 end
local n = 0
for i = 2, #ARGV do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1])
    n = n + 1
  end
end
return n
