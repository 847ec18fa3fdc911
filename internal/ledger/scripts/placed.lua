-- placed.lua stores RingCentral's id of a claimed attempt.
-- KEYS: 1 campaign, 2 contact, 3 events
-- ARGV: 1 contact id, 2 token, 3 RingOut id
-- Reply: {'ok', attempt (JSON)} or {'gone'}
local i, a = find(KEYS[2], ARGV[2])
if not i then return {'gone'} end
if not a.id then
  a.id = ARGV[3]
  a.placed = now_ms()
  save(KEYS[2], i, a)
  -- An attempt that was held as unconfirmed in the meantime is known after all.
  local s = redis.call('HGET', KEYS[2], 's')
  local held = s == 'unconfirmed' and a.o == 'unconfirmed' and not a.closed
  if held then
    a.ended, a.o, a.d = nil, nil, nil
    save(KEYS[2], i, a)
    redis.call('HDEL', KEYS[2], 'o')
  end
  if held or (s == 'placing' and not a.ended) then move(KEYS[1], KEYS[2], 'live') end
  event(KEYS[3], 'placed', ARGV[1], a, '')
end
return {'ok', cjson.encode(a)}
