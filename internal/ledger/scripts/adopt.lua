-- adopt.lua adds an attempt that RingCentral's records show and Redis has lost, and holds its contact as unconfirmed.
-- KEYS: 1 campaign, 2 contact, 3 events
-- ARGV: 1 contact id, 2 token made from the record, 3 number, 4 line's name, 5 line's number, 6 extension, 7 begin in ms,
--   8 detail for people
-- Reply: 'adopted' (also when repeated), or the contact's state if it does not wait: nothing is changed then; 'gone'
if find(KEYS[2], ARGV[2]) then return 'adopted' end
local c = redis.call('HMGET', KEYS[2], 's', 'r', 'n')
if not c[1] then return 'gone' end
if c[1] ~= 'waiting' then return c[1] end
local n = tonumber(c[3] or '0') + 1
local at = tonumber(ARGV[7])
local a = {n = n, r = tonumber(c[2]), t = ARGV[2], to = ARGV[3], l = ARGV[4], ln = ARGV[5], x = ARGV[6],
  claimed = at, by = at, ended = now_ms(), o = 'unconfirmed', d = ARGV[8]}
redis.call('HSET', KEYS[2], 'n', n, 'o', 'unconfirmed')
save(KEYS[2], n, a)
move(KEYS[1], KEYS[2], 'unconfirmed')
event(KEYS[3], 'adopted', ARGV[1], a, ARGV[8])
return 'adopted'
