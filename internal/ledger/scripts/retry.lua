-- retry.lua gives those of some contacts that are done with certain outcomes another round, due now.
-- KEYS: 1 campaign, 2 events, 3.. contacts
-- ARGV: 1 token of this retry, 2 how many outcomes, then the outcomes, then the contacts' ids
-- Reply: {'ok', then id, round and due of each contact that this retry has put into a round that still waits}, {'cancelled'} or {'ended'}
local k = redis.call('HMGET', KEYS[1], 'state', 'ends')
if k[1] ~= 'active' then return {'cancelled'} end
local now = now_ms()
if k[2] and k[2] ~= '' and tonumber(k[2]) <= now then return {'ended'} end
local wanted, count = {}, tonumber(ARGV[2])
for i = 3, 2 + count do wanted[ARGV[i]] = true end
local reply = {'ok'}
for i = 3, #KEYS do
  local xk, id = KEYS[i], ARGV[count + i]
  local c = redis.call('HMGET', xk, 's', 'o', 'rt')
  if c[1] == 'done' and wanted[c[2]] and c[3] ~= ARGV[1] then
    redis.call('HINCRBY', KEYS[1], 'outcome:' .. c[2], -1)
    redis.call('HDEL', xk, 'o', 'un')
    redis.call('HINCRBY', xk, 'r', 1)
    redis.call('HSET', xk, 'd', int(now), 'rt', ARGV[1])
    move(KEYS[1], xk, 'waiting')
    event(KEYS[2], 'retried', id, nil, 'was ' .. c[2])
    c[1], c[3] = 'waiting', ARGV[1]
  end
  if c[1] == 'waiting' and c[3] == ARGV[1] then
    local d = redis.call('HMGET', xk, 'r', 'd')
    reply[#reply+1], reply[#reply+2], reply[#reply+3] = id, d[1], d[2]
  end
end
return reply
