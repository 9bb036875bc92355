// Owns: the scripts that run in the server for presence: members of a channel in its slot, leases
// and deadlines in the shared one.
import { ENTRY_BYTES } from "./stream-scripts.ts";

/**
 * KEYS of a channel: members (hash: id to `length of owner:owner:generation:content`), counts
 * (hash: node to members under its lease), pending (sorted set: id by the end of its grace). A
 * generation is how often a node had been declared dead when it entered the member; 0: under no
 * lease, its grace alone counts.
 */
const PRELUDE = `
local function split(field)
  local colon = string.find(field, ':', 1, true)
  local ownerEnd = colon + tonumber(string.sub(field, 1, colon - 1))
  local generationEnd = string.find(field, ':', ownerEnd + 2, true)
  return string.sub(field, colon + 1, ownerEnd), tonumber(string.sub(field, ownerEnd + 2, generationEnd - 1)), string.sub(field, generationEnd + 1)
end
local function join(owner, generation, content) return #owner .. ':' .. owner .. ':' .. generation .. ':' .. content end
-- "node id/number"; a node id may hold slashes.
local function nodeOf(owner) return string.match(owner, '^(.*)/[^/]*$') or owner end
local function count(node, by)
  if redis.call('HINCRBY', KEYS[2], node, by) <= 0 then redis.call('HDEL', KEYS[2], node) end
end
local function remove(id, owner, generation, feed)
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[3], id)
  if generation > 0 then count(nodeOf(owner), -1) end
  redis.call('SPUBLISH', feed, 'l' .. id)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** ARGV: id, owner, generation, content, feed, members at most, 1 if it may take more room. */
const ENTER = `${PRELUDE}
local id, owner, generation, content, feed = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local known = redis.call('HGET', KEYS[1], id)
local change, grows = 'j', true
local knownOwner, knownGeneration, knownContent
if known then
  knownOwner, knownGeneration, knownContent = split(known)
  grows = #content > #knownContent
end
if grows and ARGV[7] == '0' then
  return redis.error_reply('HFSHARE the user or address has as much as it may have')
end
if known then
  if knownGeneration > 0 then count(nodeOf(knownOwner), -1) else redis.call('ZREM', KEYS[3], id) end
  change = knownContent ~= content and 'u' or nil
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then
  return redis.error_reply('HFLIMIT the channel has as many members as it may have')
end
redis.call('HSET', KEYS[1], id, join(owner, generation, content))
count(nodeOf(owner), 1)
if change then redis.call('SPUBLISH', feed, change .. #id .. ':' .. id .. content) end
return 1
`;

/**
 * ARGV: id, owner, graceMs, feed. Answers the end of the grace in ms of the server's clock, or 0.
 */
const LEAVE = `${PRELUDE}
local id, owner, graceMs, feed = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local known = redis.call('HGET', KEYS[1], id)
if not known then return 0 end
local knownOwner, generation, content = split(known)
if knownOwner ~= owner then return 0 end
if graceMs <= 0 then
  remove(id, owner, generation, feed)
  return 0
end
-- First a write that a full server takes: whoever leaves must be able to.
redis.call('ZREM', KEYS[3], id)
if generation > 0 then
  count(nodeOf(owner), -1)
  redis.call('HSET', KEYS[1], id, join(owner, 0, content))
end
local dueMs = string.format('%.0f', now + graceMs)
redis.call('ZADD', KEYS[3], dueMs, id)
return dueMs
`;

/**
 * ARGV: cursor, bytes. Answers the next cursor, and ids and fields in turn. Reads as many at a time
 * as are expected to fit, 16 at most. A hash that is small enough to be one block is read whole.
 */
const MEMBERS = `
local cursor, room = ARGV[1], tonumber(ARGV[2])
local found, bytes = {}, 0
repeat
  local count = 1
  if #found > 0 then count = math.ceil((room - bytes + 1) * #found / 2 / bytes) end
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', math.max(1, math.min(count, 16)))
  cursor = page[1]
  for index, part in ipairs(page[2]) do
    found[#found + 1] = part
    bytes = bytes + #part + (index % 2) * ${ENTRY_BYTES}
  end
until cursor == '0' or bytes >= room
return {cursor, found}
`;

/**
 * Ends graces that have passed. ARGV: feed, how many at most. Answers when the next one ends, or
 * -1.
 */
const END_GRACES = `${PRELUDE}
local feed = ARGV[1]
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[2])) do
  local known = redis.call('HGET', KEYS[1], id)
  if known then
    local owner, generation = split(known)
    remove(id, owner, generation, feed)
  else
    redis.call('ZREM', KEYS[3], id)
  end
end
local following = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return following[2] or '-1'
`;

/**
 * Removes a dead node's members, some at a time. ARGV: node, its generation when it died, cursor,
 * feed, members looked at. Answers the next cursor.
 */
const REAP = `${PRELUDE}
local node, dead, feed = ARGV[1], tonumber(ARGV[2]), ARGV[4]
if redis.call('HEXISTS', KEYS[2], node) == 0 then return '0' end
local page = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[5])
for index = 1, #page[2], 2 do
  local owner, generation = split(page[2][index + 1])
  if generation > 0 and generation <= dead and nodeOf(owner) == node then remove(page[2][index], owner, generation, feed) end
end
return page[1]
`;

/** Whether a node has members under its lease in a channel. ARGV: node. */
const HOLDS = `return redis.call('HEXISTS', KEYS[2], ARGV[1])`;

const SHARED_PRELUDE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
-- Changes nothing: a write that a full server takes, so that it takes those behind it.
local function whenFull() redis.call('ZREM', KEYS[1], '') end
`;

/** Notes when a channel's next grace ends. KEYS: graces. ARGV: ms, channel. */
const SCHEDULE = `${SHARED_PRELUDE}
whenFull()
return redis.call('ZADD', KEYS[1], 'LT', ARGV[1], ARGV[2])
`;

/**
 * KEYS: leases, generations. ARGV: node, ttlMs, "keep" to leave an existing lease as it is. Answers
 * the node's generation, from 1.
 */
const RENEW = `${SHARED_PRELUDE}
whenFull()
if ARGV[3] ~= 'keep' or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[2])), ARGV[1])
end
return redis.call('HGET', KEYS[2], ARGV[1]) or redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
`;

/**
 * Claims the entries whose time has come, so that no other node does. An entry is claimed again if
 * its claimer did not finish in time. KEYS: queue, claimed, generations (leases only). ARGV: how
 * many at most, how long a claim counts in ms. Answers names, each with the node's generation when
 * it died, or 0.
 */
const CLAIM = `${SHARED_PRELUDE}
local limit, taken = tonumber(ARGV[1]), {}
whenFull()
local function take(name, generation)
  redis.call('ZADD', KEYS[2], text(now), generation .. ':' .. name)
  taken[#taken + 1] = name
  taken[#taken + 1] = tonumber(generation)
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now - tonumber(ARGV[2])), 'LIMIT', 0, limit)) do
  local generation, name = string.match(entry, '^(%d+):(.*)$')
  take(name, generation)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', 0, limit)) do
  redis.call('ZREM', KEYS[1], name)
  local generation = 0
  if KEYS[3] then
    generation = tonumber(redis.call('HGET', KEYS[3], name) or '1')
    redis.call('HSET', KEYS[3], name, text(generation + 1))
  end
  take(name, generation)
end
return taken
`;

export const PRESENCE_SCRIPTS = {
  enter: ENTER,
  leave: LEAVE,
  members: MEMBERS,
  endGraces: END_GRACES,
  reap: REAP,
  holds: HOLDS,
  renew: RENEW,
  claim: CLAIM,
  schedule: SCHEDULE,
} as const;
