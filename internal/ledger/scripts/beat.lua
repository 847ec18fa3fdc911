-- beat.lua says which Redis process this is and which one is approved, and keeps when the approved one was last seen.
-- KEYS: 1 redis
-- ARGV: 1 run id that the caller last saw approved ('' for none), 2 when, ms, 3 '1' only to look
-- Reply: {run id ('' where it is not told), approved run id ('' for none), last seen in ms, now in ms}
-- Without an approved one on record, the one that the caller knows is: then the data are older than its approval.
-- Without that, this is the first start, and this one is.
local now, current = int(now_ms()), run_id()
local h = redis.call('HMGET', KEYS[1], 'run_id', 'at')
local approved, at = h[1] or '', h[2] or '0'
if ARGV[3] == '1' or current == '' then return {current, approved, at, now} end
if approved == '' then approved, at = ARGV[1], ARGV[2] end
if approved == '' then approved = current end
if approved == current then at = now end
redis.call('HSET', KEYS[1], 'run_id', approved, 'at', at)
return {current, approved, at, now}
