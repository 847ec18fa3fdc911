-- lease.lua takes or renews the lease of a line.
-- KEYS: 1 line
-- ARGV: 1 worker, 2 ms to live, 3 name, 4 team, 5 note for people ('' for none), 6 '1' if the worker begins with the line
-- Reply: {'1' if it is this worker's now, '2' if another worker had it last, else '0'; state, ms of rest, token, campaign, contact,
--   '1' if the agent has a break, ms since when it is blocked ('' if it is not)}, then, for a worker that begins with the line, token and
--   'CAMPAIGN CONTACT' of each attempt that is being found out about
local now = now_ms()
redis.call('HSET', KEYS[1], 'name', ARGV[3], 'team', ARGV[4], 'seen', int(now))
local h = redis.call('HMGET', KEYS[1], 'owner', 'lease')
if h[1] and h[1] ~= ARGV[1] and tonumber(h[2] or '0') > now then return {'0', '', '0', '', '', '', '', ''} end
local others = h[1] and h[1] ~= ARGV[1]
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'lease', int(now + tonumber(ARGV[2])), 'note', ARGV[5])
local s, rest = state(KEYS[1], now)
local c = redis.call('HMGET', KEYS[1], 'token', 'campaign', 'contact', 'paused', 'blocked')
local reply = {others and '2' or '1', s, int(rest), c[1] or '', c[2] or '', c[3] or '', c[4] and '1' or '', s == 'blocked' and c[5] or ''}
if others or ARGV[6] == '1' then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 11) == 'confirming:' then
      reply[#reply + 1] = string.sub(all[i], 12)
      reply[#reply + 1] = all[i + 1]
    end
  end
end
return reply
