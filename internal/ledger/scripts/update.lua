-- update.lua takes over what a list has changed about contacts that are in the campaign.
-- KEYS: 1 campaign, 2 numbers (set of number digests), 3 dnc, 4 events, 5.. one per contact
-- ARGV: 1 token of this list, 2 '1' to call those again that are done, then ten per contact: id, contact (JSON), row ('list:line'),
--   number, its digest, due in ms, reason why not now, SHA-1 of the row as the caller read it, what changes ('number', 'time',
--   'text', 'same': nothing, 'stop': not to be called), digest of the number that it had
-- Reply: per contact {code, round, due}: 'known' (as it was), 'changed', 'later' (after its call), 'reopened', 'closed' (done, and
--   stays so), 'suppressed', 'duplicate' (another contact has the number: this one is not called), 'shared' (this list has
--   had the id already), 'moved' (it is not what the caller read any more); round 0 where there is nothing to enqueue.
-- The same again gives the same reply.
if redis.call('HGET', KEYS[1], 'state') ~= 'active' then
  return redis.error_reply('REFUSED cancelled')
end
local replies, plan = {}, {}

local function reply(k, code)
  local now = redis.call('HMGET', KEYS[k], 's', 'r', 'd')
  if now[1] == 'waiting' then replies[k-4] = {code, now[2], now[3]} else replies[k-4] = {code, '0', '0'} end
end

-- First the numbers that nobody has any more, so that two contacts can swap theirs. One that has rung stays taken.
for k = 5, #KEYS do
  local v = 2 + (k - 5) * 10
  local h = redis.call('HMGET', KEYS[k], 's', 'r', 'd', 'n', 'l', 'u', 'o', 'nd')
  local mine = ARGV[1] .. '|' .. ARGV[v+3] .. '|'
  if not h[1] then
    replies[k-4] = {'moved', '0', '0'}
  elseif h[6] and string.sub(h[6], 1, #mine) == mine then
    reply(k, string.sub(h[6], #mine + 1))
  elseif h[5] == ARGV[1] then
    replies[k-4] = {'shared', '0', '0'}
  elseif redis.sha1hex(now_of(KEYS[k])) ~= ARGV[v+8] then
    replies[k-4] = {'moved', '0', '0'}
  else
    plan[k] = h
    redis.call('HSET', KEYS[k], 'l', ARGV[1])
    if ARGV[v+9] == 'number' and h[1] == 'waiting' and tonumber(h[4] or '0') == 0 and not h[8] then
      redis.call('SREM', KEYS[2], ARGV[v+10])
    end
  end
end

for k = 5, #KEYS do
  local h = plan[k]
  if h then
    local v = 2 + (k - 5) * 10
    local id, contact, row, number, digest, due, why = ARGV[v+1], ARGV[v+2], ARGV[v+3], ARGV[v+4], ARGV[v+5], ARGV[v+6], ARGV[v+7]
    local what, before = ARGV[v+9], ARGV[v+10]
    local xk, code = KEYS[k], nil
    local waits, done = h[1] == 'waiting', h[1] == 'done'
    local rung = tonumber(h[4] or '0') > 0

    -- Why it is not called with its new row.
    if what == 'same' then
      code = 'known'
    elseif done and ARGV[2] ~= '1' then
      code = 'closed'
    elseif what == 'stop' or redis.call('SISMEMBER', KEYS[3], number) == 1 then
      code = 'suppressed'
    elseif what == 'number' and redis.call('SISMEMBER', KEYS[2], digest) == 1 then
      code = 'duplicate'
    end
    local outcome = code == 'suppressed' and code or 'cancelled'

    if code == 'known' or (done and code) then
      -- it stays as it is
    elseif code and waits then
      redis.call('HSET', xk, 'c', contact, 'i', row)
      if what == 'number' and redis.call('SADD', KEYS[2], digest) == 0 then redis.call('HSET', xk, 'nd', '1') end
      finish(KEYS[1], xk, outcome)
      event(KEYS[4], 'ended', id, nil, code == 'duplicate' and 'cancelled: another contact has its number' or outcome)
    elseif code then -- once its call has ended
      redis.call('HSET', xk, 'nc', '{"x":"' .. outcome .. '",' .. string.sub(contact, 2))
    else
      if what == 'number' then
        redis.call('SADD', KEYS[2], digest)
        if done and not rung and not h[8] then redis.call('SREM', KEYS[2], before) end
        redis.call('HDEL', xk, 'nd')
      end
      if not waits and not done then
        code = 'later'
        redis.call('HSET', xk, 'nc', contact)
      else
        code = done and 'reopened' or 'changed'
        redis.call('HSET', xk, 'c', contact, 'i', row)
        if done then
          redis.call('HINCRBY', KEYS[1], 'outcome:' .. h[7], -1)
          redis.call('HDEL', xk, 'o', 'un', 'rm')
          event(KEYS[4], 'reopened', id, nil, 'was ' .. h[7])
          move(KEYS[1], xk, 'waiting')
        end
        -- Another round: what was decided by the row as it was is not dialled.
        if what ~= 'text' or done then
          if what ~= 'number' and rung and waits and tonumber(h[3]) > tonumber(due) then due = h[3] end
          redis.call('HINCRBY', xk, 'r', 1)
          redis.call('HSET', xk, 'd', due)
          because(KEYS[1], xk, why)
        end
      end
    end
    redis.call('HSET', xk, 'u', ARGV[1] .. '|' .. row .. '|' .. code)
    reply(k, code)
  end
end
return replies
