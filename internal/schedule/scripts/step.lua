-- step.lua brings a leased run to its next state, or puts it off.
-- KEYS: 1 run, 2 open runs, 3 list as it was read ('' fields: none), 4 the run's list
-- ARGV: 1 run, 2 token, 3 state, 4 '1' if that is its end, 5 ms until somebody looks again (-1: the lease is kept),
--   6 '1' to make the list that was read the run's, then pairs of field and value
-- Reply: 1, or 0 if the lease is another's
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return 0 end
if ARGV[6] == '1' then
  redis.call('RENAME', KEYS[3], KEYS[4])
  redis.call('PERSIST', KEYS[4])
end
redis.call('HSET', KEYS[1], 'state', ARGV[3])
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1]) end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'ended', int(now_ms()))
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('UNLINK', KEYS[4])
end
if ARGV[5] ~= '-1' then
  redis.call('HSET', KEYS[1], 'retry', int(now_ms() + tonumber(ARGV[5])))
  redis.call('HDEL', KEYS[1], 'owner', 'lease')
end
return 1
