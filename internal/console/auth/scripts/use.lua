-- Looks a session up and keeps it from ending unused.
-- KEYS[1] the session. ARGV[1] milliseconds after which it ends unused, [2] milliseconds after which it ends in any case.
-- Replies {user, mark}, or false if there is none.
local s = redis.call('HMGET', KEYS[1], 'user', 'mark', 'began')
if not s[3] then return false end
local t = redis.call('TIME')
local left = s[3] + ARGV[2] - (t[1] * 1000 + math.floor(t[2] / 1000))
if left <= 0 then
  redis.call('DEL', KEYS[1])
  return false
end
local ttl = math.min(tonumber(ARGV[1]), left)
-- A write to the disk for each request is not needed.
if redis.call('PTTL', KEYS[1]) < ttl - 60000 then redis.call('PEXPIRE', KEYS[1], ttl) end
return {s[1], s[2]}
