-- Gives back a slot that nobody has used and nobody will use.
--
-- Taking any unused slot out of the log leaves the others at least as far apart
-- as they must be, so it need not be the last one; later reservations then come
-- sooner, those made already stay where they are.
--
-- The mark makes a late copy of the token's reserve harmless: Redis executes
-- what a stalled connection still holds, after its sender has given up.
--
-- KEYS[1] state, KEYS[2] log: see common.lua
-- KEYS[3] mark: exists if the token was given back
-- ARGV[1] limit, ARGV[2] window: see common.lua
-- ARGV[3] token
-- ARGV[4] how long the mark lives, ms
-- Reply: 1
redis.call('ZREM', log, ARGV[3])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[4])
return 1
