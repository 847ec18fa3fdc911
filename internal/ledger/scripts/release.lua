-- release.lua takes a token out of use: a claim that has it is undone (the caller knows that no phone rang),
-- and a claim that comes later is refused.
-- KEYS: 1 campaign, 2 contact, 3 events
-- ARGV: 1 contact id, 2 token, 3 '1' to undo a claim, '0' only to void a token without one, 4 reason for people
-- Reply: 'void' (no claim has the token now, and none ever will), 'claimed' (left as it is), 'placed' (it has an id: track it)
local i, a = find(KEYS[2], ARGV[2])
if i then
  if a.id then return 'placed' end
  if a.closed or (a.ended and a.o ~= 'unconfirmed') then return 'placed' end
  if ARGV[3] ~= '1' then return 'claimed' end
  -- Only the newest attempt can be without an id, so the numbers stay without a gap.
  redis.call('HDEL', KEYS[2], 'a' .. i)
  redis.call('HSET', KEYS[2], 'n', i - 1)
  redis.call('HDEL', KEYS[2], 'o')
  move(KEYS[1], KEYS[2], 'waiting')
  event(KEYS[3], 'released', ARGV[1], a, ARGV[4])
end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'v:' .. ARGV[2], '1') end
return 'void'
