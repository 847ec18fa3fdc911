-- The beginning of every script of this package: reads the clock, the quota in
-- force and the block, and holds the one rule by which slots are spaced.
--
-- KEYS[1] state: hash limit, window (µs), blocked (µs), pause (µs); what all
--                workers have learned of the quota. Absent fields: never learned.
-- KEYS[2] log:   sorted set of slots; score: instant in µs of Redis's TIME;
--                member: the reservation's token, or other:TOKEN:I for a request
--                that another application was seen to have made.
-- ARGV[1] limit  the number of requests per window where none was learned
-- ARGV[2] window the window in µs where none was learned
--
-- Instants have 16 digits, which a double holds exactly; tostring() would not
-- write them all, hence int().
local state, log = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local known = redis.call('HMGET', state, 'limit', 'window', 'blocked', 'pause')
local blocked = tonumber(known[3] or 0)
local pause = tonumber(known[4] or 0)

local limit, window, margin, tolerance, span, settled

-- apply puts a quota in force for the rest of the script. Its divisors stand in
-- ratelimit.go too.
local function apply(n, w)
  limit, window = n, w
  margin = math.max(math.floor(window / 120), 40000)
  tolerance = math.floor(margin / 2)
  span = window + margin
  -- A slot no later than this may be in use without having been confirmed, so it
  -- is never moved.
  settled = now + math.floor(tolerance / 2)
end
apply(tonumber(known[1] or ARGV[1]), tonumber(known[2] or ARGV[2]))

local function int(x)
  return string.format('%.0f', x)
end

-- earliest is the rule: the first instant, least or later, that is outside the
-- block, after the last slot, and a span after the limit-th slot from the end.
-- The microsecond after the last one keeps slots in the order of reservation.
local function earliest(least, last, nth)
  local at = math.max(least, blocked)
  if last then at = math.max(at, last + 1) end
  if nth then at = math.max(at, nth + span) end
  return at
end

-- reflow places every slot that has not come yet anew, in order and never
-- sooner than it was, after the quota was found smaller than they had assumed.
-- Their waiters find out when they confirm. A head is placed before them, from
-- now on; it must not be in the log.
local function reflow(head)
  local slots = {}
  local past = redis.call('ZREVRANGEBYSCORE', log, int(settled), '-inf', 'WITHSCORES', 'LIMIT', '0', int(limit))
  for i = #past, 2, -2 do
    slots[#slots + 1] = tonumber(past[i])
  end
  local future = redis.call('ZRANGEBYSCORE', log, '(' .. int(settled), '+inf', 'WITHSCORES')

  local function place(member, least)
    local at = earliest(least, slots[#slots], slots[#slots - limit + 1])
    slots[#slots + 1] = at
    if at ~= least or member == head then
      redis.call('ZADD', log, int(at), member)
    end
    return at
  end

  local at = head and place(head, now)
  for i = 1, #future, 2 do
    place(future[i], tonumber(future[i + 1]))
  end
  return at
end

-- lengthen makes the state live for at least ms from now.
local function lengthen(ms)
  if redis.call('PTTL', state) < ms then
    redis.call('PEXPIRE', state, int(ms))
  end
end

-- misses says whether the log has lost a slot that a Limiter was given. A slot is
-- moved to later instants only.
local function misses(token, slot)
  local at = tonumber(redis.call('ZSCORE', log, token) or nil)
  return not at or at < slot
end

-- retain keeps the log for a few windows after its last slot.
local function retain(last)
  redis.call('PEXPIRE', log, int(math.ceil((math.max(0, last - now) + 3 * span) / 1000)))
end

-- ---------------------------------------------------------------------------
