-- beat.lua says which Redis process this is and which one is approved, and keeps when the approved one was last seen.
-- KEYS: 1 redis
-- ARGV: 1 run id that the caller last saw approved ('' for none), 2 when, ms, 3 '1' only to look
-- Reply: {run id ('' where it is not told), approved run id ('' for none), last seen in ms, now in ms}, and while they differ
--   noticed, before, until in ms ('0' before notice.lua), then the lines and teams that go on, as 'line:NUMBER' and 'team:NAME'
-- Without an approved one on record, the one that the caller knows is: then the data are older than its approval.
-- Without that, this is the first start, and this one is.
local now, current = int(now_ms()), run_id()
local h = redis.call('HMGET', KEYS[1], 'run_id', 'at')
local approved, at = h[1] or '', h[2] or '0'
if ARGV[3] ~= '1' and current ~= '' then
  if approved == '' then approved, at = ARGV[1], ARGV[2] end
  if approved == '' then approved = current end
  if approved == current then at = now end
  redis.call('HSET', KEYS[1], 'run_id', approved, 'at', at)
end
local reply = {current, approved, at, now}
if approved == current or approved == '' or current == '' then return reply end
local c = redis.call('HMGET', KEYS[1], 'new', 'noticed', 'before', 'until')
if c[1] ~= current then c = {current, '0', '0', '0'} end
for i = 2, 4 do reply[#reply+1] = c[i] end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local kind = string.sub(all[i], 1, 5)
  if (kind == 'line:' or kind == 'team:') and all[i+1] == current then reply[#reply+1] = all[i] end
end
return reply
