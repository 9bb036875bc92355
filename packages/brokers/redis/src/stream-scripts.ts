// Owns: the scripts that run in the server for streams: publish, page, position, removal. Each is
// one atomic step in one slot.
import { OFFSET_JUMP } from "@holdfast/protocol";

/** What a publication, and a member, counts in a page besides its content. */
export const ENTRY_BYTES = 96;

// A server at maxmemory refuses a script at its first write, if that write may take memory. After a
// first write that only frees memory, it accepts every write. So the first write of a script that
// adds data is one that may be refused. Some scripts must work when the server is full, such as a
// leave or a lease: their first write is one that is never refused.

/**
 * What every script begins with. KEYS: meta, stream, values, order, idempotency keys (two). ARGV: 1
 * term, 2 a new epoch, 3 shape (r: ring, l: latest, n: nothing), 4 sizeMax, 5 ttlMs, 6 idleMs of
 * meta; then the script's own.
 *
 * Fields of meta: e epoch, o head, s term of the server that last touched it, c shape, x when the
 * oldest entry expires, b and bt the current idempotency generation and its beginning. A term is 12
 * digits of the server's run id and, when it was promoted, 12 of the replication id that it
 * followed.
 */
const PRELUDE = `
local term, shape, size, ttl = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local epoch, head, kept, expires
local function text(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Another process than the one that wrote last, or the same one after it had been another's replica.
local function broken(known)
  return known ~= term and (string.sub(known, 1, 12) ~= string.sub(term, 1, 12) or #term > 12)
end

-- seenEpoch, seen: a position that a node was told; when the head lies before it, data was lost.
-- reads: nothing is added by this call, so that a full server must take it.
local function open(reads, seenEpoch, seen)
  local meta = redis.call('HMGET', KEYS[1], 'e', 'o', 's', 'c', 'x')
  epoch, head, kept, expires = meta[1], tonumber(meta[2]), meta[4], tonumber(meta[5])
  if not epoch then
    epoch, head, kept, expires = ARGV[2], 0, shape, nil
    redis.call('HSET', KEYS[1], 'e', epoch, 'o', '0', 's', term, 'c', kept)
    redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
    return
  end
  local behind = seen and seenEpoch == epoch and seen > head
  if not behind and not broken(meta[3]) then return end
  if kept == 'r' then
    if behind then head = seen end
    -- Nothing was ever published in an empty stream, as far as anybody could know from here.
    head = head + ${OFFSET_JUMP}
  else
    epoch = ARGV[2]
  end
  if reads then redis.call('HDEL', KEYS[1], '') end
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', text(head), 's', term)
end

local function keepMeta() redis.call('PEXPIRE', KEYS[1], ARGV[6]) end

local function forgetKept()
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HDEL', KEYS[1], 'x')
  expires = nil
end

local function setExpires(at)
  expires = at
  if at then redis.call('HSET', KEYS[1], 'x', text(at)) else redis.call('HDEL', KEYS[1], 'x') end
end

-- Removes what has expired, a bounded number of entries at a time; most calls compare two numbers.
local function expire()
  if not expires or now < expires then return end
  for round = 1, 50 do
    local last
    if kept == 'r' then
      local old = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 8)
      if #old == 0 then return setExpires(nil) end
      for _, entry in ipairs(old) do
        local at = tonumber(string.match(entry[1], '%-(%d+)$'))
        if at + ttl > now then
          redis.call('XTRIM', KEYS[2], 'MINID', '=', entry[1])
          return setExpires(at + ttl)
        end
        last = tonumber(string.match(entry[1], '^(%d+)'))
      end
      redis.call('XTRIM', KEYS[2], 'MINID', '=', text(last + 1) .. '-0')
    else
      local old = redis.call('ZRANGE', KEYS[4], 0, 7)
      if #old == 0 then return setExpires(nil) end
      for _, key in ipairs(old) do
        local value = redis.call('HGET', KEYS[3], key)
        local at = value and tonumber(string.match(value, '^%d+%-(%d+):'))
        if at and at + ttl > now then return setExpires(at + ttl) end
        redis.call('ZREM', KEYS[4], key)
        redis.call('HDEL', KEYS[3], key)
      end
    end
  end
end

local function offsetOf(id) return tonumber(string.match(id, '^(%d+)')) end
`;

/**
 * ARGV: 7 content, 8 key, 9 idempotency key or empty, 10 window ms, 11 idempotency keys for each
 * generation, 12 feed, 13 1 to tell what is displaced. Answers epoch, offset, 1 for a duplicate,
 * bytes that were displaced, and how long those had been kept. A key is known for at least a
 * whole window: a generation accepts keys for one window, is looked up for one more, and is then
 * removed.
 */
const PUBLISH = `${PRELUDE}
open()
local content, idempotencyKey = ARGV[7], ARGV[9]
if idempotencyKey ~= '' then
  local known = redis.call('HGET', KEYS[5], idempotencyKey) or redis.call('HGET', KEYS[6], idempotencyKey)
  if known then
    local offset, knownEpoch = string.match(known, '^(%d+):(.*)$')
    return {knownEpoch, offset, 1, 0, 0}
  end
end
head = head + 1
redis.call('HSET', KEYS[1], 'o', text(head))
if kept ~= shape then
  forgetKept()
  kept = shape
  redis.call('HSET', KEYS[1], 'c', shape)
end
local id = text(head) .. '-' .. text(now)
local gone, age, measured = 0, 0, ARGV[13] == '1'
local function displaces(value)
  if not value then return end
  local at, content = string.match(value, '^%d+%-(%d+):(.*)$')
  if not at then return end
  gone, age = #content + ${ENTRY_BYTES}, now - tonumber(at)
end
if shape == 'r' then
  expire()
  -- The ring is full if its oldest entry is as far behind as it is long.
  local first = measured and redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  if first and offsetOf(first[1]) <= head - size then displaces(first[1] .. ':' .. first[2][2]) end
  redis.call('XADD', KEYS[2], 'MAXLEN', '=', size, id, 'p', content)
  redis.call('PEXPIRE', KEYS[2], ttl)
  if not expires then setExpires(now + ttl) end
elseif shape == 'l' then
  expire()
  if measured then displaces(redis.call('HGET', KEYS[3], ARGV[8])) end
  redis.call('HSET', KEYS[3], ARGV[8], id .. ':' .. content)
  redis.call('ZADD', KEYS[4], text(head), ARGV[8])
  while redis.call('ZCARD', KEYS[4]) > size do
    local key = redis.call('ZPOPMIN', KEYS[4])[1]
    if measured then displaces(redis.call('HGET', KEYS[3], key)) end
    redis.call('HDEL', KEYS[3], key)
  end
  redis.call('PEXPIRE', KEYS[3], ttl)
  redis.call('PEXPIRE', KEYS[4], ttl)
  if not expires then setExpires(now + ttl) end
end
if idempotencyKey ~= '' then
  local window = tonumber(ARGV[10])
  local generation = redis.call('HMGET', KEYS[1], 'b', 'bt')
  local current, since = tonumber(generation[1]) or 0, tonumber(generation[2])
  if not since or now < since or now - since >= window or redis.call('HLEN', KEYS[5 + current]) >= tonumber(ARGV[11]) then
    if since then current = 1 - current end
    redis.call('UNLINK', KEYS[5 + current])
    redis.call('HSET', KEYS[1], 'b', current, 'bt', text(now))
  end
  redis.call('HSET', KEYS[5 + current], idempotencyKey, text(head) .. ':' .. epoch)
  redis.call('PEXPIRE', KEYS[5 + current], 2 * window)
end
keepMeta()
redis.call('SPUBLISH', ARGV[12], 'p ' .. epoch .. ' ' .. text(head) .. ' ' .. text(now) .. '\\n' .. content)
return {epoch, text(head), 0, gone, age}
`;

/**
 * ARGV: 7 "a" (after) or "b" (before), 8 offset, 9 limit, 10 bytes. Answers epoch, head, oldest,
 * ids and contents in turn, and 1 if more is kept beyond. A page never crosses a jump of offsets:
 * it ends before the jump. The next page forward names the offset after the jump as the oldest, so
 * that a gap is declared. Entries are read as many at a time as are expected to fit.
 */
const PAGE = `${PRELUDE}
open(true)
local offset, limit, room = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local forward = ARGV[7] == 'a'
local found, bytes = {}, 0
if kept ~= shape or shape == 'n' then
  return {epoch, text(head), text(head + 1), found, 0}
end
expire()
local function add(id, content)
  local size = #content + ${ENTRY_BYTES}
  if bytes + size > room and #found > 0 then return false end
  found[#found + 1] = id
  found[#found + 1] = content
  bytes = bytes + size
  return true
end
local oldest = head + 1
local function answer(newest)
  local last = found[1] and offsetOf(found[#found - 1]) or offset
  if forward then return {epoch, text(head), text(oldest), found, last < newest and 1 or 0} end
  local reversed = {}
  for index = #found - 1, 1, -2 do
    reversed[#reversed + 1] = found[index]
    reversed[#reversed + 1] = found[index + 1]
  end
  return {epoch, text(head), text(oldest), reversed, last > oldest and 1 or 0}
end
if shape == 'l' then
  local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
  if not first[2] then return {epoch, text(head), text(oldest), found, 0} end
  oldest = tonumber(first[2])
  local keys, from = {}, '(' .. text(offset)
  if limit > 0 and forward then
    keys = redis.call('ZRANGEBYSCORE', KEYS[4], from, '+inf', 'LIMIT', 0, limit)
  elseif limit > 0 then
    keys = redis.call('ZREVRANGEBYSCORE', KEYS[4], from, '-inf', 'LIMIT', 0, limit)
  end
  for _, key in ipairs(keys) do
    local value = redis.call('HGET', KEYS[3], key) or ''
    local id, content = string.match(value, '^(%d+%-%d+):(.*)$')
    if id and not add(id, content) then break end
  end
  return answer(tonumber(redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2]))
end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if not first then return {epoch, text(head), text(oldest), found, 0} end
oldest = offsetOf(first[1])
local expected
local ended = false
local function take(command, from, to, step)
  while #found < 2 * limit do
    local count = 4
    if #found > 0 then count = math.ceil((room - bytes + 1) * #found / 2 / bytes) end
    count = math.max(1, math.min(count, 64, limit - #found / 2))
    local entries = redis.call(command, KEYS[2], from, to, 'COUNT', count)
    if #entries == 0 then
      ended = true
      return
    end
    for _, entry in ipairs(entries) do
      local at = offsetOf(entry[1])
      if expected and at ~= expected then return end
      if not add(entry[1], entry[2][2]) then return end
      expected = at + step
    end
    if step > 0 then
      from = text(expected) .. '-0'
    elseif expected < 1 then
      return
    else
      from = text(expected)
    end
  end
end
if not forward then
  if offset > 1 then take('XREVRANGE', text(math.min(offset - 1, head)), '-', -1) end
  return answer(head)
end
if offset < head then
  take('XRANGE', text(offset + 1) .. '-0', '+', 1)
  -- A hole right behind the position that was asked for.
  if limit > 0 and offset + 1 >= oldest then
    oldest = found[1] and offsetOf(found[1]) or head + 1
  end
  if found[1] and offsetOf(found[1]) == offset + 1 then oldest = offsetOf(first[1]) end
end
return answer(ended and 0 or head)
`;

/**
 * ARGV: 7 epoch and 8 offset that a node was told last, or empty. Answers epoch and head. Keeps the
 * counter alive for listeners.
 */
const POSITION = `${PRELUDE}
open(true, ARGV[7], tonumber(ARGV[8]))
keepMeta()
return {epoch, text(head)}
`;

/**
 * ARGV: 7 feed. Answers epoch and head. Offsets and idempotency keys stay. Listeners are told on
 * the feed, in its order: after everything that is removed, before later publications.
 */
const REMOVE = `${PRELUDE}
open(true)
forgetKept()
redis.call('SPUBLISH', ARGV[7], 'r ' .. epoch .. ' ' .. text(head))
return {epoch, text(head)}
`;

export const STREAM_SCRIPTS = {
  publish: PUBLISH,
  page: PAGE,
  position: POSITION,
  remove: REMOVE,
} as const;
