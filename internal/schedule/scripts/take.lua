-- take.lua takes or renews the lease of an open run.
-- KEYS: 1 run
-- ARGV: 1 token, 2 ms to live
-- Reply: 1 if it is this token's now
local h = redis.call('HMGET', KEYS[1], 'state', 'owner', 'lease', 'retry')
if not h[1] or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return 0 end
local now = now_ms()
if h[2] ~= ARGV[1] then
  if tonumber(h[3] or '0') > now or tonumber(h[4] or '0') > now then return 0 end
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'lease', int(now + tonumber(ARGV[2])))
return 1
