-- probe.lua does what ringqueue's and Asynq's scripts do, to see whether this Redis lets them.
-- KEYS: 1 check
-- ARGV: 1 a key of the same slot that is not among KEYS, as Asynq's scripts have them
-- Reply: 1
redis.call('TIME')
redis.call('EXISTS', ARGV[1])
redis.call('SET', KEYS[1], '1', 'PX', '60000')
return 1
