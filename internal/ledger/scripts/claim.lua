-- claim.lua claims the next attempt of a contact for one line, before the POST.
-- KEYS: 1 campaign, 2 contact, 3 dnc, 4 events, 5 redis, 6 line
-- ARGV: 1 contact id, 2 token, 3 round, 4 number, 5 line's name, 6 line's number, 7 extension, 8 ms within which the POST must be sent,
--   9 run id of the Redis that the caller last saw approved ('' for none), 10 revision of the rules that the gate went by ('' for any),
--   11 campaign, 12 its team
-- Reply: {'claimed', attempt (JSON)} or {reason}: 'gone', 'void', 'settled', 'live', 'round', 'not_due', 'cancelled', 'ended', 'suppressed',
--   'redis_changed' and 'redis_held' (a Redis that may have lost claims: even one that it still has is not to be sent; see
--   redis.lua), 'rules' (they changed), 'line' (something else has the line)
-- The line is the token's from then on, if it was not before: a line has one call.
-- Asked again with a token that has its attempt, it gives that attempt again.
local c = redis.call('HMGET', KEYS[2], 's', 'r', 'd', 'n')
local refused = refusal(KEYS[5], ARGV[9], ARGV[6], ARGV[12], tonumber(c[3] or '0'))
if refused then return {refused} end
local _, mine = find(KEYS[2], ARGV[2])
if mine then return {'claimed', cjson.encode(mine)} end
if redis.call('HEXISTS', KEYS[2], 'v:' .. ARGV[2]) == 1 then return {'void'} end
if not c[1] then return {'gone'} end
if c[1] == 'placing' or c[1] == 'live' then return {'live'} end
if c[1] ~= 'waiting' then return {'settled'} end
if c[2] ~= ARGV[3] then return {'round'} end
local now = now_ms()
if tonumber(c[3]) > now then return {'not_due'} end
local k = redis.call('HMGET', KEYS[1], 'state', 'ends', 'rev')
if k[1] ~= 'active' then return {'cancelled'} end
if k[2] and k[2] ~= '' and tonumber(k[2]) <= now then return {'ended'} end
if ARGV[10] ~= '' and (k[3] or '0') ~= ARGV[10] then return {'rules'} end
if redis.call('SISMEMBER', KEYS[3], ARGV[4]) == 1 then return {'suppressed'} end
if ARGV[6] ~= '' then
  local l = redis.call('HMGET', KEYS[6], 'state', 'token', 'until')
  local state = l[1] or ''
  if state == 'blocked' or (state == 'occupied' and l[2] ~= ARGV[2]) then return {'line'} end
  if state == 'wrap_up' or state == 'cooling' then
    if tonumber(l[3] or '0') > now then return {'line'} end
  end
  if state ~= 'occupied' then
    redis.call('HSET', KEYS[6], 'state', 'occupied', 'token', ARGV[2], 'campaign', ARGV[11], 'contact', ARGV[1],
      'since', int(now), 'until', '0', 'phase', '')
  end
end
local n = tonumber(c[4] or '0') + 1
local a = {n = n, r = tonumber(ARGV[3]), t = ARGV[2], to = ARGV[4], l = ARGV[5], ln = ARGV[6], x = ARGV[7],
  claimed = now, by = now + tonumber(ARGV[8])}
redis.call('HSET', KEYS[2], 'n', n)
save(KEYS[2], n, a)
move(KEYS[1], KEYS[2], 'placing')
event(KEYS[4], 'claimed', ARGV[1], a, '')
return {'claimed', cjson.encode(a)}
