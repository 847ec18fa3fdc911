-- settle.lua ends an attempt, once: outcome, charge, counts, and what follows.
-- KEYS: 1 campaign, 2 contact, 3 events
-- ARGV: 1 contact id, 2 token, 3 outcome of the attempt ('' for an uncharged one), 4 '1' if charged, 5 '1' if the line failed,
--   6 detail, 7 seen (JSON), 8 '1' if the contact's leg was connected,
--   9 what follows: 'final', 'again' or 'held', 10 contact's outcome if final, 11 ms from now to the next round, 12 reason why not sooner,
--   13 '1' if RingCentral refused the call
-- Reply: {'ok', attempt (JSON), state, outcome, round, due} (given again when asked again) or {'gone'}
local i, a = find(KEYS[2], ARGV[2])
if not i then return {'gone'} end
-- What became of a call that was held as unconfirmed may still be found out, as long as nobody has decided.
if a.o == 'unconfirmed' and not a.closed and ARGV[3] ~= 'unconfirmed' and redis.call('HGET', KEYS[2], 's') == 'unconfirmed' then
  a.ended, a.o, a.d = nil, nil, nil
  redis.call('HDEL', KEYS[2], 'o')
end
if not a.ended then
  local now = now_ms()
  a.seen = ARGV[7]
  if ARGV[8] == '1' and not a.answered then a.answered = now end
  a.ended, a.d = now, ARGV[6]
  if ARGV[3] ~= '' then a.o = ARGV[3] end
  -- An attempt that is held is charged, or not, once it is decided.
  if ARGV[4] == '1' and ARGV[9] ~= 'held' then
    a.ch = 1
    redis.call('HINCRBY', KEYS[2], 'ch', 1)
  elseif ARGV[9] ~= 'held' then
    redis.call('HINCRBY', KEYS[2], 'un', 1)
  end
  if ARGV[5] == '1' then a.f = 1 end
  if ARGV[13] == '1' then a.rf = 1 end
  save(KEYS[2], i, a)
  event(KEYS[3], 'settled', ARGV[1], a, ARGV[3] ~= '' and ARGV[3] or ARGV[6])
  if ARGV[9] == 'held' then
    move(KEYS[1], KEYS[2], 'unconfirmed')
    redis.call('HSET', KEYS[2], 'o', 'unconfirmed')
  elseif ARGV[9] == 'final' then
    finish(KEYS[1], KEYS[2], ARGV[10])
    event(KEYS[3], 'ended', ARGV[1], nil, ARGV[10])
  elseif redis.call('HGET', KEYS[1], 'state') ~= 'active' then
    finish(KEYS[1], KEYS[2], 'cancelled')
    event(KEYS[3], 'ended', ARGV[1], nil, 'cancelled')
  else
    redis.call('HINCRBY', KEYS[2], 'r', 1)
    redis.call('HSET', KEYS[2], 'd', int(now + tonumber(ARGV[11])))
    move(KEYS[1], KEYS[2], 'waiting')
    because(KEYS[1], KEYS[2], ARGV[12])
  end
end
local c = redis.call('HMGET', KEYS[2], 's', 'o', 'r', 'd')
return {'ok', cjson.encode(a), c[1], c[2] or '', c[3], c[4]}
