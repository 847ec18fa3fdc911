-- lib.lua stands in front of every script of this package.
-- A campaign's hash counts its contacts by bucket: waiting, live (placing and live), done, unconfirmed.

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function int(n)
  return string.format('%.0f', n)
end

local function bucket(state)
  if state == 'placing' then return 'live' end
  return state
end

-- opened keeps a campaign among those in which something is left to do. Its key is in the slot of all the others. The
-- reconciler takes a campaign out once nothing is (close.lua).
local function opened(ck)
  redis.call('SADD', 'ringqueue:{ledger}:open', string.sub(ck, #'ringqueue:{ledger}:campaign:' + 1))
end

-- because says why a waiting contact is not called now ('' for no reason) and keeps the campaign's count per reason.
local function because(ck, xk, reason)
  local before = redis.call('HGET', xk, 'w') or ''
  if before == reason then return end
  if before ~= '' then redis.call('HINCRBY', ck, 'held:' .. before, -1) end
  if reason == '' then
    redis.call('HDEL', xk, 'w')
  else
    redis.call('HSET', xk, 'w', reason)
    redis.call('HINCRBY', ck, 'held:' .. reason, 1)
  end
end

-- move changes a contact's state and the campaign's counts together. What a list has changed during a call holds from its
-- end on, in a round of its own: nothing that was decided by the row as it was is dialled.
local function move(ck, xk, to)
  local from = redis.call('HGET', xk, 's')
  if from ~= to then
    if from ~= 'waiting' and (to == 'waiting' or to == 'done') then
      local changed = redis.call('HGET', xk, 'nc')
      if changed then
        redis.call('HSET', xk, 'c', changed)
        redis.call('HDEL', xk, 'nc')
        if to == 'waiting' then redis.call('HINCRBY', xk, 'r', 1) end
      end
    end
    if bucket(from) ~= bucket(to) then
      redis.call('HINCRBY', ck, bucket(from), -1)
      redis.call('HINCRBY', ck, bucket(to), 1)
      if bucket(to) == 'waiting' or bucket(to) == 'live' then opened(ck) end
    end
    redis.call('HSET', xk, 's', to)
  end
  if to ~= 'waiting' then because(ck, xk, '') end
end

-- finish ends a contact with its outcome.
local function finish(ck, xk, outcome)
  move(ck, xk, 'done')
  redis.call('HSET', xk, 'o', outcome)
  redis.call('HINCRBY', ck, 'outcome:' .. outcome, 1)
end

-- find returns the number and the record of the attempt that has this token, or nil.
local function find(xk, token)
  local n = tonumber(redis.call('HGET', xk, 'n') or '0')
  for i = n, 1, -1 do
    local raw = redis.call('HGET', xk, 'a' .. i)
    if raw then
      local a = cjson.decode(raw)
      if a.t == token then return i, a end
    end
  end
  return nil
end

local function save(xk, i, a)
  redis.call('HSET', xk, 'a' .. i, cjson.encode(a))
end

local function event(ek, kind, contact, a, text)
  redis.call('XADD', ek, 'MAXLEN', '~', '10000', '*', 'kind', kind, 'contact', contact,
    'attempt', a and int(a.n) or '', 'line', a and a.l or '', 'text', text or '')
end

-- now_of is a contact's row (JSON) as it is, or as it will be once its call has ended.
local function now_of(xk)
  local c = redis.call('HMGET', xk, 'nc', 'c')
  return c[1] or c[2]
end

local function number_of(xk)
  return cjson.decode(now_of(xk)).n[1]
end
