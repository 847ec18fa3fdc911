-- approve.lua lets a Redis process take claims again, whatever the line and the contact.
-- KEYS: 1 redis
-- ARGV: 1 run id that was checked
-- Reply: 1, or 0 if this is another process by now
if run_id() ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'run_id', ARGV[1], 'at', int(now_ms()))
return 1
