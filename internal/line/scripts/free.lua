-- free.lua ends an occupancy.
-- KEYS: 1 line
-- ARGV: 1 token, 2 rest ('', 'wrap_up', 'cooling', or 'failed': cooling because the line's own phone failed), 3 ms of rest; after
--   failures in a row twice as long each time, 4 up to so many ms, 5 '1' if the call got the agent to answer,
--   6 '1' if the attempt is still to be found out about
-- Reply: {'1' if this token occupied or blocked the line, else '0' (it was freed before); state, ms of rest, failures in a row}
local now = now_ms()
local h = redis.call('HMGET', KEYS[1], 'token', 'state', 'campaign', 'contact', 'since', 'reached')
local mine = h[1] == ARGV[1] and (h[2] == 'occupied' or h[2] == 'blocked')
if mine then
  if ARGV[6] == '1' then redis.call('HSET', KEYS[1], 'confirming:' .. ARGV[1], (h[3] or '') .. ' ' .. (h[4] or '')) end
  if ARGV[5] == '1' and tonumber(h[6] or '0') < tonumber(h[5] or '0') then reached(KEYS[1], now) end
  local rest, ms = ARGV[2], tonumber(ARGV[3])
  if rest == 'failed' then
    rest = 'cooling'
    local n = redis.call('HINCRBY', KEYS[1], 'fails', 1)
    ms = math.min(ms * 2 ^ math.min(n - 1, 30), math.max(ms, tonumber(ARGV[4])))
  end
  redis.call('HDEL', KEYS[1], 'token', 'campaign', 'contact', 'blocked', 'why')
  redis.call('HSET', KEYS[1], 'state', rest, 'until', int(now + ms), 'since', int(now))
end
local s, left = state(KEYS[1], now)
return {mine and '1' or '0', s, int(left), redis.call('HGET', KEYS[1], 'fails') or '0'}
