-- fire.lua moves a rule on to its next instant and records the runs of the instants that have come.
-- KEYS: 1 rule, 2 runs of the schedule (zset by instant), 3 open runs (set), 4.. one per run
-- ARGV: 1 the rule's revision, 2 next instant as the caller read it, 3 the one after ('' for none), 4 rule (JSON), 5 schedule,
--   6 '1' for a run by hand, which leaves the next instant; four per run: name, instant in ms, state, detail
-- Reply: 1, or 0 if another worker was first or the rule has changed
local h = redis.call('HMGET', KEYS[1], 'rev', 'next', 'paused')
if h[1] ~= ARGV[1] then return 0 end
if ARGV[6] ~= '1' then
  if h[2] ~= ARGV[2] or h[3] == '1' then return 0 end
  redis.call('HSET', KEYS[1], 'next', ARGV[3])
end
for k = 4, #KEYS do
  local v = 6 + (k - 4) * 4
  if redis.call('EXISTS', KEYS[k]) == 0 then
    redis.call('HSET', KEYS[k], 'schedule', ARGV[5], 'rule', ARGV[4], 'instant', ARGV[v+2], 'state', ARGV[v+3],
      'detail', ARGV[v+4], 'fired', int(now_ms()))
    redis.call('ZADD', KEYS[2], ARGV[v+2], ARGV[v+1])
    if ARGV[v+3] == 'due' then
      redis.call('SADD', KEYS[3], ARGV[v+1])
    else
      redis.call('HSET', KEYS[k], 'ended', int(now_ms()))
    end
  end
end
return 1
