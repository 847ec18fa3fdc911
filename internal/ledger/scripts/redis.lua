-- redis.lua stands in front of the scripts that ask which Redis process they run in. KEYS that they call "redis" is one hash:
-- run_id: the process that may take claims; at (ms): when a worker last saw it
-- While another process runs that was not approved yet:
-- new: its run id; noticed (ms): when a worker first saw it; before (ms): contacts that were due until then may have been
-- called without its knowing; until (ms): until when they wait at most
-- line:NUMBER, team:NAME: the run id for which the line's calls were compared, and the team's contacts need not wait any more

-- run_id is the id that a Redis process gives itself when it starts; '' where it does not tell it.
local function run_id()
  local info = redis.pcall('INFO', 'server')
  if type(info) ~= 'string' then return '' end
  return string.match(info, 'run_id:(%w+)') or ''
end

-- refusal is why this Redis process takes no claim on a line of a team for a contact that is due since then (ms), or nil.
-- known is the run id that the caller last saw approved: it stands in for one that Redis has lost.
local function refusal(key, known, line, team, due)
  local h = redis.call('HMGET', key, 'run_id', 'line:' .. line, 'team:' .. team, 'before')
  local approved = h[1] or known
  if approved == '' then return nil end
  local current = run_id()
  if current == '' or current == approved then return nil end
  if h[2] ~= current then return 'redis_changed' end
  if h[3] ~= current and due <= tonumber(h[4] or due) then return 'redis_held' end
  return nil
end
