-- progress.lua notes how far a call is, and what it says of its line's phone.
-- KEYS: 1 line
-- ARGV: 1 token, 2 phase, 3 ms when RingCentral accepted the call (0: not known), 4 '1' if the agent has answered
-- Reply: 1
local now = now_ms()
local h = redis.call('HMGET', KEYS[1], 'token', 'since', 'reached', 'placed')
if tonumber(ARGV[3]) > tonumber(h[4] or '0') then redis.call('HSET', KEYS[1], 'placed', ARGV[3]) end
if h[1] ~= ARGV[1] then return 1 end -- the line is another attempt's by now
redis.call('HSET', KEYS[1], 'phase', ARGV[2])
if ARGV[4] == '1' and tonumber(h[3] or '0') < tonumber(h[2] or '0') then reached(KEYS[1], now) end
return 1
