-- sweeper.lua takes, renews or gives back the right to sweep, which one process at a time has.
-- KEYS: 1 the sweeper's lease (string)
-- ARGV: 1 token of the process, 2 ms to live; 0 gives the lease back
-- Reply: 'kept' if it was this process's already, 'taken' if it is from now on, 'other' if it is another's
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 'other' end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return owner and 'kept' or 'taken'
