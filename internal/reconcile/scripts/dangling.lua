-- dangling.lua removes an id from one of Asynq's lists or sorted sets, and what is left of its task, if the task is gone.
-- KEYS: 1 the task's hash, 2 the list or set, 3 the queue's leases (zset)
-- ARGV: 1 the id
-- Reply: 1 if it was removed, 0 if the task is there
if redis.call('HEXISTS', KEYS[1], 'msg') == 1 then return 0 end
if redis.call('TYPE', KEYS[2]).ok == 'list' then
  redis.call('LREM', KEYS[2], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('UNLINK', KEYS[1])
return 1
