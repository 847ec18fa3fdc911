-- hold.lua records why a waiting contact is not called now.
-- KEYS: 1 campaign, 2 contact
-- ARGV: 1 reason ('' for none)
-- Reply: 1 if the contact waits, else 0
if redis.call('HGET', KEYS[2], 's') ~= 'waiting' then return 0 end
because(KEYS[1], KEYS[2], ARGV[1])
return 1
