-- block.lua marks an occupied line as one of which nobody knows whether its call is over, or takes the mark back.
-- KEYS: 1 line
-- ARGV: 1 token, 2 why, for people; '' takes the mark back
-- Reply: ms since when it is blocked, 0 if it is not; -1 if this token does not occupy the line
local h = redis.call('HMGET', KEYS[1], 'token', 'state', 'blocked')
if h[1] ~= ARGV[1] or (h[2] ~= 'occupied' and h[2] ~= 'blocked') then return -1 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], 'blocked', 'why')
  redis.call('HSET', KEYS[1], 'state', 'occupied')
  return 0
end
local since = h[2] == 'blocked' and tonumber(h[3] or '') or now_ms()
redis.call('HSET', KEYS[1], 'state', 'blocked', 'blocked', int(since), 'why', ARGV[2])
return since
