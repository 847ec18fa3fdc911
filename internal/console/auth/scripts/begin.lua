-- Begins a session.
-- KEYS[1] the session. ARGV[1] user, [2] mark of the user's password, [3] milliseconds after which it ends unused.
-- Replies 1.
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'user', ARGV[1], 'mark', ARGV[2], 'began', t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
