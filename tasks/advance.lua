-- advance.lua makes those tasks of a queue ready to be taken whose time has come, on Redis's clock.
-- Those that were put off come before all that wait, the longest due first; those that were scheduled join at the end.
-- KEYS: 1 pending, 2 scheduled, 3 retry, 4 active, 5 paused
-- ARGV: 1 what the keys of the queue's tasks begin with (they share its hash tag), 2 how many of each at most
-- Reply: {1 if the queue is paused, pending, active, ms until the next one is due; -1 for none}
local t = redis.call('TIME')
local now, most = tonumber(t[1]), tonumber(ARGV[2])
local since = t[1] .. string.format('%06d', tonumber(t[2])) .. '000'

local function ready(set, push, from, to, step)
  local ids = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, most)
  for i = from or #ids, to or #ids, step do
    local id = ids[i]
    redis.call('ZREM', set, id)
    -- An id whose task is gone leads nowhere.
    if redis.call('EXISTS', ARGV[1] .. id) == 1 then
      redis.call(push, KEYS[1], id)
      redis.call('HSET', ARGV[1] .. id, 'state', 'pending', 'pending_since', since)
    end
  end
end

local paused = redis.call('EXISTS', KEYS[5])
if paused == 0 then
  ready(KEYS[2], 'LPUSH', 1, nil, 1)
  ready(KEYS[3], 'RPUSH', nil, 1, -1)
end
local next = -1
for k = 2, 3 do
  local first = redis.call('ZRANGE', KEYS[k], 0, 0, 'WITHSCORES')
  if first[2] then
    local ms = math.max(tonumber(first[2]) * 1000 - now * 1000 - math.floor(tonumber(t[2]) / 1000), 0)
    if next < 0 or ms < next then next = ms end
  end
end
return {paused, redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[4]), next}
