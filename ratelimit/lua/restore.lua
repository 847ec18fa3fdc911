-- Enters slots again that Redis gave to one Limiter and has lost: it came back
-- from an old snapshot, or a replica took over that had not received all.
--
-- Others have lost theirs too. The quota is blocked for an eighth of the window,
-- for each Limiter to enter its own; one that comes while it is blocked anyway
-- does not block it for longer.
--
-- KEYS[1] state, KEYS[2] log: see common.lua
-- KEYS[2+I] mark of the I-th slot's token: exists if it was given back
-- ARGV[1] limit, ARGV[2] window: see common.lua
-- ARGV[3] how long a learned limit lives without further news, ms
-- ARGV[4] limit, ARGV[5] window (µs) that were learned; 0 if none was
-- ARGV[6] how long the quota is still blocked for a refusal, µs; 0 if it is not
-- ARGV[4+3*I], ARGV[5+3*I], ARGV[6+3*I] the I-th slot's token, its instant, and how long ago that
--         was, µs: another server may have another clock, so the later counts
-- Reply: how many were lost
if not known[1] and tonumber(ARGV[4]) > 0 then
  redis.call('HSET', state, 'limit', ARGV[4], 'window', ARGV[5])
  lengthen(tonumber(ARGV[3]))
  apply(tonumber(ARGV[4]), tonumber(ARGV[5]))
end

local lost = 0
for i = 1, #KEYS - 2 do
  local token, slot, age = ARGV[4 + 3 * i], tonumber(ARGV[5 + 3 * i]), tonumber(ARGV[6 + 3 * i])
  local at = math.max(slot, now - age)
  if at > now - span and misses(token, slot) and redis.call('EXISTS', KEYS[2 + i]) == 0 then
    redis.call('ZADD', log, int(at), token)
    lost = lost + 1
  end
end

local before = blocked
local left = tonumber(ARGV[6])
if left > 0 then blocked = math.max(blocked, now + left) end
if lost > 0 and blocked <= now then blocked = now + math.floor(window / 8) end
if blocked > before then
  redis.call('HSET', state, 'blocked', int(blocked))
  lengthen(math.ceil((blocked - now + 3 * span) / 1000))
end
if lost > 0 or blocked > before then
  reflow()
  local last = redis.call('ZRANGE', log, '-1', '-1', 'WITHSCORES')[2]
  if last then retain(tonumber(last)) end
end
return lost
