-- add.lua adds contacts to a campaign; those that are there already stay as they are.
-- KEYS: 1 campaign, 2 order (list of ids), 3 numbers (set of number digests), 4 dnc, 5 events, 6.. one per contact
-- ARGV: seven per contact: id, contact (JSON), row ('list:line'), number, number's digest, due in ms, reason why not now
-- Reply: per contact {code, round, due}: 'added', 'suppressed', 'known' (same row imported before),
--   'duplicate' (another row with this id or number); round 0 where there is nothing to enqueue.
if redis.call('HGET', KEYS[1], 'state') ~= 'active' then
  return redis.error_reply('REFUSED cancelled')
end
local replies, added = {}, 0
for k = 6, #KEYS do
  local v = (k - 6) * 7
  local id, contact, row, number, digest, due, why = ARGV[v+1], ARGV[v+2], ARGV[v+3], ARGV[v+4], ARGV[v+5], ARGV[v+6], ARGV[v+7]
  local xk = KEYS[k]
  local old = redis.call('HMGET', xk, 's', 'i', 'r', 'd')
  if old[1] then
    local code = 'duplicate'
    if old[2] == row then code = 'known' end
    if old[1] == 'waiting' then
      replies[#replies+1] = {code, old[3], old[4]}
    else
      replies[#replies+1] = {code, '0', '0'}
    end
  elseif redis.call('SADD', KEYS[3], digest) == 0 then
    replies[#replies+1] = {'duplicate', '0', '0'}
  else
    redis.call('RPUSH', KEYS[2], id)
    if redis.call('SISMEMBER', KEYS[4], number) == 1 then
      redis.call('HSET', xk, 'c', contact, 'i', row, 's', 'done', 'r', '1', 'd', due, 'o', 'suppressed')
      redis.call('HINCRBY', KEYS[1], 'total', 1)
      redis.call('HINCRBY', KEYS[1], 'done', 1)
      redis.call('HINCRBY', KEYS[1], 'outcome:suppressed', 1)
      event(KEYS[5], 'ended', id, nil, 'suppressed')
      replies[#replies+1] = {'suppressed', '0', '0'}
    else
      redis.call('HSET', xk, 'c', contact, 'i', row, 's', 'waiting', 'r', '1', 'd', due)
      if why ~= '' then because(KEYS[1], xk, why) end
      added = added + 1
      replies[#replies+1] = {'added', '1', due}
    end
  end
end
if added > 0 then
  redis.call('HINCRBY', KEYS[1], 'total', added)
  redis.call('HINCRBY', KEYS[1], 'waiting', added)
  opened(KEYS[1])
end
return replies
