-- end.lua ends a waiting contact without a call.
-- KEYS: 1 campaign, 2 contact, 3 events
-- ARGV: 1 contact id, 2 round for which this was decided, 3 outcome
-- Reply: 1 if it ended now or had ended so before, else 0
local c = redis.call('HMGET', KEYS[2], 's', 'r', 'o')
if c[1] == 'done' and c[3] == ARGV[3] then return 1 end
if c[1] ~= 'waiting' or c[2] ~= ARGV[2] then return 0 end
finish(KEYS[1], KEYS[2], ARGV[3])
event(KEYS[3], 'ended', ARGV[1], nil, ARGV[3])
return 1
