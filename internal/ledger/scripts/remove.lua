-- remove.lua takes out of a campaign's work those of some contacts that a list has no more.
-- KEYS: 1 campaign, 2 numbers (set of number digests), 3 events, 4 the list's ids (set), 5.. contacts
-- ARGV: three per contact: id, SHA-1 of the row as the caller read it, number's digest
-- Reply: per contact 'removed' (it waited and ends as cancelled), 'later' (once its call has ended), 'listed', 'closed' (it is done),
--   'moved' (it is not what the caller read any more). Again for one that is removed: 'closed'.
local replies = {}
for k = 5, #KEYS do
  local v = (k - 5) * 3
  local xk, id = KEYS[k], ARGV[v+1]
  local h = redis.call('HMGET', xk, 's', 'n', 'nd')
  local code = 'closed'
  if not h[1] or h[1] == 'done' then
    code = 'closed'
  elseif redis.call('SISMEMBER', KEYS[4], id) == 1 then
    code = 'listed'
  elseif redis.sha1hex(now_of(xk)) ~= ARGV[v+2] then
    code = 'moved'
  elseif h[1] == 'waiting' then
    code = 'removed'
    finish(KEYS[1], xk, 'cancelled')
    redis.call('HSET', xk, 'rm', '1')
    event(KEYS[3], 'ended', id, nil, 'cancelled: removed from its list')
    if tonumber(h[2] or '0') == 0 and not h[3] then
      redis.call('SREM', KEYS[2], ARGV[v+3])
      redis.call('HSET', xk, 'nd', '1')
    end
  else
    code = 'later'
    local contact = now_of(xk)
    if string.sub(contact, 1, 5) ~= '{"x":' then
      redis.call('HSET', xk, 'nc', '{"x":"cancelled",' .. string.sub(contact, 2), 'rm', '1')
    end
  end
  replies[#replies+1] = code
end
return replies
