-- Takes in what an answer said of the quota: its size, what is left of it, or
-- that it is exceeded.
--
-- KEYS[1] state, KEYS[2] log: see common.lua
-- KEYS[3] mark: exists if this observation has added to the log or to the block
-- ARGV[1] limit, ARGV[2] window: see common.lua
-- ARGV[3]  token of the observation
-- ARGV[4]  how long the mark lives, ms
-- ARGV[5]  limit as the answer said it; 0 if it did not
-- ARGV[6]  window as the answer said it, µs; 0 if it did not
-- ARGV[7]  how long a learned limit lives without further news, ms
-- ARGV[8]  remaining as the answer said it; -1 if it did not
-- ARGV[9]  how long ago the request was sent, µs; -1 if unknown
-- ARGV[10] 1 if the request was refused for its rate, else 0
-- ARGV[11] how long the server said to wait, µs; 0 if it did not
-- ARGV[12] how long to wait where the server did not say, µs
-- Reply: how long the quota is blocked now, µs; 0 if it is not
local mark, token = KEYS[3], ARGV[3]
local said_limit, said_window = tonumber(ARGV[5]), tonumber(ARGV[6])
local remaining, age = tonumber(ARGV[8]), tonumber(ARGV[9])
local refused, retry, base = ARGV[10] == '1', tonumber(ARGV[11]), tonumber(ARGV[12])

local changed = false

if said_limit > 0 or said_window > 0 then
  if said_limit == 0 then said_limit = limit end
  if said_window == 0 then said_window = window end
  if said_limit ~= tonumber(known[1] or 0) or said_window ~= tonumber(known[2] or 0) then
    redis.call('HSET', state, 'limit', int(said_limit), 'window', int(said_window))
  end
  lengthen(tonumber(ARGV[7]))
  changed = said_limit < limit or said_window > window
  apply(said_limit, said_window)
end

if redis.call('EXISTS', mark) == 0 then
  local added = false
  if refused then
    local wait = retry + margin
    if retry == 0 then
      -- Without a word from the server a penalty may last longer than the pause,
      -- and each request inside it starts it again: refused anew right after the
      -- last pause, wait twice as long. Answers to requests that were on their
      -- way when the pause began say nothing new.
      if blocked > now and pause > 0 then
        wait = pause
      elseif pause > 0 and now - blocked < math.max(span, base) then
        wait = math.min(2 * pause, 8 * base)
      else
        wait = base
      end
      pause = wait
    else
      pause = 0
    end
    blocked = math.max(blocked, now + wait)
    redis.call('HSET', state, 'blocked', int(blocked), 'pause', int(pause))
    -- The pause before is remembered for as long as another may follow it.
    lengthen(math.ceil((blocked - now + math.max(3 * span, base)) / 1000))
    added = true
  elseif remaining >= 0 then
    -- What the server counted, less all of ours that it can have counted, are
    -- others' requests. Ours that it had not yet seen are subtracted too, so the
    -- difference is never too great; the next answer makes up for it. Slots that
    -- have not come yet are not in use and do not count.
    if age < 0 then age = 2 * margin end
    local ours = redis.call('ZCOUNT', log, '(' .. int(now - age - span), int(settled))
    local others = limit - remaining - ours
    for i = 1, others do
      redis.call('ZADD', log, int(now), 'other:' .. token .. ':' .. int(i))
      added = true
    end
  end
  if added then
    redis.call('SET', mark, '1', 'PX', ARGV[4])
    changed = true
  end
end

if changed then
  reflow()
  local last = redis.call('ZRANGE', log, '-1', '-1', 'WITHSCORES')[2]
  if last then retain(tonumber(last)) end
end
return math.max(0, blocked - now)
