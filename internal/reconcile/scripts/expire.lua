-- expire.lua deletes some of a queue's finished tasks whose time is over, as Asynq does while it serves the queue.
-- KEYS: 1 the queue's completed tasks (zset by the second at which they expire)
-- ARGV: 1 what the keys of its tasks begin with (they share its hash tag), 2 how many at most
-- Reply: {how many were deleted, the second at which the next one expires, or 0 if there is none}
local now = tonumber(redis.call('TIME')[1])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
for _, id in ipairs(ids) do
  redis.call('UNLINK', ARGV[1] .. id)
  redis.call('ZREM', KEYS[1], id)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {#ids, tonumber(next[2] or '0')}
