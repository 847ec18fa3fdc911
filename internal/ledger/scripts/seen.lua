-- seen.lua records what tracking has seen of a live call.
-- KEYS: 1 campaign (unused, keeps the shape of the others), 2 contact, 3 events
-- ARGV: 1 contact id, 2 token, 3 seen (JSON), 4 '1' once the contact's leg is connected
-- Reply: 1, or 0 if no attempt has the token or it has ended
local i, a = find(KEYS[2], ARGV[2])
if not i or a.ended then return 0 end
a.seen = ARGV[3]
if ARGV[4] == '1' and not a.answered then
  a.answered = now_ms()
  event(KEYS[3], 'answered', ARGV[1], a, '')
end
save(KEYS[2], i, a)
return 1
