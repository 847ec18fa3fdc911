-- resolve.lua carries out a person's decision about an unconfirmed contact.
-- KEYS: 1 campaign, 2 contact, 3 events
-- ARGV: 1 contact id, 2 'final' | 'again' | 'released', 3 outcome that was found out ('' if released), 4 ms to the next round,
--   5 '1' if charged, 6 who or what decided, 7 the contact's outcome if final
-- Reply: {'ok', state, outcome, round, due} or {'not_unconfirmed'} or {'gone'}
-- Asked again with the same decision about the contact's last attempt, it changes nothing and says 'ok' again.
local c = redis.call('HMGET', KEYS[2], 's', 'n', 'o', 'r', 'd')
if not c[1] then return {'gone'} end
local n = tonumber(c[2] or '0')
local raw = redis.call('HGET', KEYS[2], 'a' .. n)
local a = raw and cjson.decode(raw)
if c[1] ~= 'unconfirmed' then
  if a and a.closed and a.d == ARGV[6] and (a.o or '') == ARGV[3] then
    return {'ok', c[1], c[3] or '', c[4], c[5]}
  end
  return {'not_unconfirmed'}
end
a.closed, a.d = 1, ARGV[6]
redis.call('HDEL', KEYS[2], 'o')
if ARGV[2] == 'released' then
  a.o = nil
else
  a.o = ARGV[3]
  if ARGV[5] == '1' then
    a.ch = 1
    redis.call('HINCRBY', KEYS[2], 'ch', 1)
  end
end
save(KEYS[2], n, a)
if ARGV[2] == 'final' then
  finish(KEYS[1], KEYS[2], ARGV[7])
elseif redis.call('HGET', KEYS[1], 'state') ~= 'active' then
  finish(KEYS[1], KEYS[2], 'cancelled')
else
  redis.call('HINCRBY', KEYS[2], 'r', 1)
  redis.call('HSET', KEYS[2], 'd', int(now_ms() + tonumber(ARGV[4])))
  move(KEYS[1], KEYS[2], 'waiting')
end
event(KEYS[3], 'resolved', ARGV[1], a, ARGV[3] ~= '' and ARGV[3] or 'not called')
c = redis.call('HMGET', KEYS[2], 's', 'o', 'r', 'd')
return {'ok', c[1], c[2] or '', c[3], c[4]}
