-- cancel.lua ends those of some contacts that wait, in a campaign that is cancelled.
-- KEYS: 1 campaign, 2 events, 3.. contacts
-- ARGV: the contacts' ids
-- Reply: how many ended now
local n = 0
for k = 3, #KEYS do
  if redis.call('HGET', KEYS[k], 's') == 'waiting' then
    finish(KEYS[1], KEYS[k], 'cancelled')
    event(KEYS[2], 'ended', ARGV[k-2], nil, 'cancelled')
    n = n + 1
  end
end
return n
