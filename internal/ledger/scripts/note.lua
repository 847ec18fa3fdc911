-- note.lua says what keeps a campaign from being called for a while.
-- KEYS: 1 campaign
-- ARGV: 1 text for people, 2 ms for which it holds
-- Reply: 1, or 0 if there is no such campaign
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'note', ARGV[1], 'note_until', int(now_ms() + tonumber(ARGV[2])))
return 1
