-- redis.lua stands in front of the scripts that ask which Redis process they run in.

-- run_id is the id that a Redis process gives itself when it starts; '' where it does not tell it.
local function run_id()
  local info = redis.pcall('INFO', 'server')
  if type(info) ~= 'string' then return '' end
  return string.match(info, 'run_id:(%w+)') or ''
end
