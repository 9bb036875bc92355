// Owns: the scripts that run in the server for state with one writer: take, write, renew, release,
// read, and the index of keys.
import { STATE_KEEP_MS_MAX } from "@holdfast/core";

// A server at maxmemory refuses a script at its first write, if that write may take memory (see
// stream-scripts.ts). Here a first write that removes nothing lets those through that must work
// when the server is full.

/**
 * KEYS[1] is a state: a hash. Fields: f fence, o owner (empty: released), u when the lease ends, l
 * its length, k how long the value is kept after that, v the value, n its bytes, w the writer's id
 * and the number of its last write. It expires with the lease and what the value is kept for. Times
 * are the server's, in ms; a fence is its time in microseconds, or one more than the fence before.
 */
const PRELUDE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local function whenFull(key) redis.call('HDEL', key, '') end
local function lasts(key, leaseMs, keepMs)
  redis.call('PEXPIRE', key, text(math.min(leaseMs + keepMs, ${STATE_KEEP_MS_MAX})))
end
local FENCED = 'HFFENCED another took the state, or it ended'
local SHARE = 'HFSHARE the user or address has as much as it may have'
`;

/**
 * KEYS: state, index. ARGV: owner, leaseMs, 1 if it must be free, key, 1 if it may take more room.
 * Answers fence, value, owner before; or nil. A clock that was set back leaves a lease that is
 * longer than it was given: it is cut to its length.
 */
const TAKE = `${PRELUDE}
local owner, leaseMs = ARGV[1], tonumber(ARGV[2])
local fence = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'f', 'o', 'u', 'l', 'k', 'v')
local before = false
if known[1] then
  local ends, length = tonumber(known[3]), tonumber(known[4])
  whenFull(KEYS[1])
  if known[2] ~= '' and known[2] ~= owner then
    if ends - now > length then
      ends = now + length
      redis.call('HSET', KEYS[1], 'u', text(ends))
      lasts(KEYS[1], length, tonumber(known[5]))
    end
    if ARGV[3] == '1' and ends > now then return false end
    before = known[2]
  end
  fence = math.max(fence, tonumber(known[1]) + 1)
elseif ARGV[5] == '0' then
  return redis.error_reply(SHARE)
end
redis.call('HSET', KEYS[1], 'f', text(fence), 'o', owner, 'u', text(now + leaseMs), 'l', text(leaseMs), 'k', known[5] or '0')
redis.call('HDEL', KEYS[1], 'w')
redis.call('ZADD', KEYS[2], 0, ARGV[4])
lasts(KEYS[1], leaseMs, tonumber(known[5] or '0'))
return {text(fence), known[6], before}
`;

/**
 * KEYS: state, index. ARGV: owner, fence, leaseMs, keepMs, 1 if there is a value, value, writer,
 * number of the write, 1 if it may take more room, key. A write that was given up may still be on
 * its way on a connection that was lost: it is refused behind a later one of the same writer.
 */
const WRITE = `${PRELUDE}
local known = redis.call('HMGET', KEYS[1], 'f', 'o', 'n', 'w')
if known[1] ~= ARGV[2] or known[2] ~= ARGV[1] then return redis.error_reply(FENCED) end
local writer, number = string.match(known[4] or '', '^(.*):(%d+)$')
if writer == ARGV[7] and tonumber(number) > tonumber(ARGV[8]) then return redis.error_reply(FENCED) end
local leaseMs, keepMs, value = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[6]
if ARGV[5] == '0' then
  keepMs = 0
  redis.call('HDEL', KEYS[1], 'v', 'n')
elseif #value > tonumber(known[3] or '-1') then
  if ARGV[9] == '0' then return redis.error_reply(SHARE) end
else
  whenFull(KEYS[1])
end
if leaseMs + keepMs <= 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[10])
  return 1
end
if ARGV[5] == '1' then redis.call('HSET', KEYS[1], 'v', value, 'n', #value) end
local owner = leaseMs > 0 and ARGV[1] or ''
redis.call('HSET', KEYS[1], 'o', owner, 'u', text(now + leaseMs), 'l', text(leaseMs), 'k', text(keepMs), 'w', ARGV[7] .. ':' .. ARGV[8])
lasts(KEYS[1], leaseMs, keepMs)
return 1
`;

/** KEYS: states. ARGV: leaseMs, then owner and fence of each. Answers which of them have ended. */
const RENEW = `${PRELUDE}
local leaseMs, ended = tonumber(ARGV[1]), {}
for index, key in ipairs(KEYS) do
  local known = redis.call('HMGET', key, 'f', 'o', 'k')
  if known[1] == ARGV[2 * index + 1] and known[2] == ARGV[2 * index] then
    whenFull(key)
    redis.call('HSET', key, 'u', text(now + leaseMs), 'l', text(leaseMs))
    lasts(key, leaseMs, tonumber(known[3]))
  else
    ended[#ended + 1] = index
  end
end
return ended
`;

/** KEYS: state, index. ARGV: owner, fence, key. */
const RELEASE = `${PRELUDE}
local known = redis.call('HMGET', KEYS[1], 'f', 'o', 'k')
if known[1] ~= ARGV[2] or known[2] ~= ARGV[1] then return 0 end
local keepMs = tonumber(known[3])
if keepMs <= 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[3])
else
  whenFull(KEYS[1])
  redis.call('HSET', KEYS[1], 'o', '', 'u', text(now))
  lasts(KEYS[1], 0, keepMs)
end
return 1
`;

/** KEYS: state. Answers fence, owner, ms that are left of the lease, value; or nil. */
const READ = `${PRELUDE}
local known = redis.call('HMGET', KEYS[1], 'f', 'o', 'u', 'l', 'v')
if not known[1] then return false end
local left = math.max(0, math.min(tonumber(known[3]) - now, tonumber(known[4])))
return {known[1], known[2], text(left), known[5]}
`;

/** Takes the name of a state that has expired out of the index. KEYS: state, index. ARGV: key. */
const DROP = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
return redis.call('ZREM', KEYS[2], ARGV[1])
`;

export const STATE_SCRIPTS = {
  takeState: TAKE,
  writeState: WRITE,
  renewStates: RENEW,
  releaseState: RELEASE,
  readState: READ,
  dropState: DROP,
} as const;
