-- dnc.lua puts numbers on the do-not-call list. Of two wishes for a number the one that lasts longer stands.
-- KEYS: 1 dnc (set of numbers), 2 their details (hash), 3 when they end (zset of those that do)
-- ARGV: five per number: number, reason, source, since in ms ('' for now), end in ms ('' for none)
-- Reply: how many were not on the list
local new = 0
local now = int(now_ms())
for i = 1, #ARGV, 5 do
  local number, till = ARGV[i], ARGV[i+4]
  local fresh = redis.call('SADD', KEYS[1], number) == 1
  local ends = not fresh and redis.call('ZSCORE', KEYS[3], number)
  local stands = not fresh and (not ends or (till ~= '' and tonumber(ends) >= tonumber(till)))
  if fresh then new = new + 1 end
  if not stands or (till == '' and redis.call('HEXISTS', KEYS[2], number) == 0) then
    redis.call('HSET', KEYS[2], number, cjson.encode({r = ARGV[i+1], s = ARGV[i+2], t = ARGV[i+3] ~= '' and ARGV[i+3] or now, e = till}))
    if till == '' then redis.call('ZREM', KEYS[3], number) else redis.call('ZADD', KEYS[3], till, number) end
  end
end
return new
