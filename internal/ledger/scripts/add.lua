-- add.lua adds contacts to a campaign; those that are there already stay as they are.
-- KEYS: 1 campaign, 2 order (list of ids), 3 numbers (set of number digests), 4 dnc, 5 events, 6.. one per contact
-- ARGV: 1 token of this list ('' for none), then eight per contact: id, contact (JSON), row ('list:line'), number, number's digest,
--   due in ms, reason why not now, '1' if the list itself says not to call
-- Reply: per contact {code, round, due}: 'added', 'suppressed', 'known' (imported before), 'other_number' (its id has another
--   number), 'shared' (the same, and this list has had the id already), 'duplicate' (another row with its number);
--   round 0 where there is nothing to enqueue.
if redis.call('HGET', KEYS[1], 'state') ~= 'active' then
  return redis.error_reply('REFUSED cancelled')
end
local replies, added = {}, 0
for k = 6, #KEYS do
  local v = 1 + (k - 6) * 8
  local id, contact, row, number, digest, due, why = ARGV[v+1], ARGV[v+2], ARGV[v+3], ARGV[v+4], ARGV[v+5], ARGV[v+6], ARGV[v+7]
  local no = ARGV[v+8] == '1'
  local xk = KEYS[k]
  local old = redis.call('HMGET', xk, 's', 'i', 'r', 'd', 'l')
  if old[1] then
    local listed = ARGV[1] ~= '' and old[5] == ARGV[1]
    local code = 'known'
    if number_of(xk) ~= number then
      code = listed and 'shared' or 'other_number'
    else
      if listed and old[2] ~= row then code = 'duplicate' end
      if ARGV[1] ~= '' and not listed then redis.call('HSET', xk, 'l', ARGV[1]) end
      if no and old[1] == 'waiting' then
        finish(KEYS[1], xk, 'suppressed')
        event(KEYS[5], 'ended', id, nil, 'suppressed')
        code, old[1] = 'suppressed', 'done'
      end
    end
    if old[1] == 'waiting' and code ~= 'shared' and code ~= 'other_number' then
      replies[#replies+1] = {code, old[3], old[4]}
    else
      replies[#replies+1] = {code, '0', '0'}
    end
  elseif redis.call('SADD', KEYS[3], digest) == 0 then
    replies[#replies+1] = {'duplicate', '0', '0'}
  else
    redis.call('RPUSH', KEYS[2], id)
    if no or redis.call('SISMEMBER', KEYS[4], number) == 1 then
      redis.call('HSET', xk, 'c', contact, 'i', row, 's', 'done', 'r', '1', 'd', due, 'o', 'suppressed', 'l', ARGV[1])
      redis.call('HINCRBY', KEYS[1], 'total', 1)
      redis.call('HINCRBY', KEYS[1], 'done', 1)
      redis.call('HINCRBY', KEYS[1], 'outcome:suppressed', 1)
      event(KEYS[5], 'ended', id, nil, 'suppressed')
      replies[#replies+1] = {'suppressed', '0', '0'}
    else
      redis.call('HSET', xk, 'c', contact, 'i', row, 's', 'waiting', 'r', '1', 'd', due, 'l', ARGV[1])
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
