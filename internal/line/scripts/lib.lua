-- lib.lua stands in front of every script of this package. A line is one hash:
-- name, team, seen (ms): who it is, and when a worker last asked for it
-- owner, lease (ms): the worker that has it, and until when
-- state: '' (free), occupied, wrap_up, cooling, blocked; until (ms): the end of wrap_up and cooling
-- paused (ms): since when the agent has a break; only a person ends it
-- token, campaign, contact, since (ms): the attempt that occupies it; phase: how far its call is; note: what to tell people
-- blocked (ms), why: since when, and why, nobody knows whether its call is over
-- fails: how often in a row its own phone has failed; reached (ms): when a call last got its agent to answer; placed (ms): when
--   RingCentral last accepted one
-- confirming:TOKEN: an attempt ('CAMPAIGN CONTACT') that is being found out about, although the line is free of it

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function int(n)
  return string.format('%.0f', n)
end

-- state is the line's state at this instant, and how many ms it still rests.
local function state(key, now)
  local h = redis.call('HMGET', key, 'state', 'until')
  local s = h[1] or ''
  if s == 'wrap_up' or s == 'cooling' then
    local rest = tonumber(h[2] or '0') - now
    if rest > 0 then return s, rest end
    return '', 0
  end
  return s, 0
end

-- reached notes that a call of the present occupancy, or of one that is over, has got the agent to answer.
local function reached(key, now)
  redis.call('HSET', key, 'reached', int(now))
  redis.call('HDEL', key, 'fails')
end
