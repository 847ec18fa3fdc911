-- pause.lua begins or ends an agent's break. A call that is live goes on.
-- KEYS: 1 line
-- ARGV: 1 '1' to begin
-- Reply: 1
if ARGV[1] ~= '1' then
  redis.call('HDEL', KEYS[1], 'paused')
else
  redis.call('HSETNX', KEYS[1], 'paused', int(now_ms()))
end
return 1
