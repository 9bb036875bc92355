// Owns: the commands that the account needs, and the check which of them it may not run.
import { type Argument, type Reply, ReplyError } from "./reply.ts";

/** Sends a command. An error that the server answers is returned, not thrown. */
export type Ask = (command: readonly Argument[]) => Promise<Reply>;

/** Commands without keys or channels, in the words of ACL SETUSER. */
const PLAIN = [
  "evalsha",
  "eval",
  "script|load",
  "info",
  "role",
  "ping",
  "time",
  "pubsub|shardnumsub",
  "ssubscribe",
  "sunsubscribe",
] as const;

/** In a cluster, and for a database other than 0. */
const CLUSTERED = ["cluster|slots", "asking"] as const;
const OTHER_DATABASE = ["select"] as const;

/**
 * Commands on keys and channels that begin with the prefix, those that the scripts call among them.
 * Each has arguments that change nothing but keys of the check's own; the last one removes those.
 */
const KEYED: Readonly<Record<string, (key: string) => readonly Argument[]>> = {
  exists: (key) => [key],
  hset: (key) => [`${key}h`, "f", 1],
  pexpire: (key) => [`${key}h`, 1_000],
  hdel: (key) => [`${key}h`, "x"],
  hexists: (key) => [`${key}h`, "f"],
  hget: (key) => [`${key}h`, "f"],
  hincrby: (key) => [`${key}h`, "f", 1],
  hlen: (key) => [`${key}h`],
  hmget: (key) => [`${key}h`, "f"],
  hscan: (key) => [`${key}h`, 0],
  sadd: (key) => [`${key}m`, "x"],
  srem: (key) => [`${key}m`, "x"],
  sscan: (key) => [`${key}m`, 0],
  spublish: (key) => [key, ""],
  xadd: (key) => [`${key}s`, "NOMKSTREAM", "*", "f", "v"],
  xrange: (key) => [`${key}s`, "-", "+", "COUNT", 1],
  xrevrange: (key) => [`${key}s`, "+", "-", "COUNT", 1],
  xtrim: (key) => [`${key}s`, "MAXLEN", 1],
  zadd: (key) => [`${key}z`, "XX", 0, "x"],
  zcard: (key) => [`${key}z`],
  zpopmin: (key) => [`${key}z`],
  zrandmember: (key) => [`${key}z`],
  zrange: (key) => [`${key}z`, 0, 0],
  zrangebylex: (key) => [`${key}z`, "-", "+"],
  zrangebyscore: (key) => [`${key}z`, 0, 0],
  zrem: (key) => [`${key}z`, "x"],
  zrevrangebyscore: (key) => [`${key}z`, 0, 0],
  zscore: (key) => [`${key}z`, "x"],
  unlink: (key) => [`${key}m`],
  del: (key) => [`${key}h`],
};

/** Every right, sorted; the documentation's page about Redis lists the same. */
export const RIGHTS: readonly string[] = [
  ...PLAIN,
  ...CLUSTERED,
  ...OTHER_DATABASE,
  ...Object.keys(KEYED),
].sort();

/**
 * Checked separately, because they have no keys. A missing right for the others is found when they
 * run.
 */
const ASKED: Readonly<Record<string, (key: string) => readonly Argument[]>> = {
  eval: (key) => ["return 1", 1, key],
  evalsha: (key) => ["0".repeat(40), 1, key],
  time: () => [],
  role: () => [],
  ping: () => [],
  pubsub: (key) => ["SHARDNUMSUB", key],
};

/**
 * The commands that the account may not run on keys of this prefix. A server checks rights before
 * everything except the number of arguments: any other answer means that the right is there. A
 * refusal inside a script has no own code; this check says which right is missing. Rejects with
 * BrokerError.
 */
export async function missingRights(ask: Ask, prefix: string): Promise<readonly string[]> {
  const key = `${prefix}{rights%}:`;
  const replies = await Promise.all(
    Object.entries({ ...ASKED, ...KEYED }).map(async ([name, args]) => ({
      name,
      reply: await ask([name, ...args(key)]),
    })),
  );
  return replies
    .filter(({ reply }) => reply instanceof ReplyError && reply.code === "NOPERM")
    .map(({ name }) => name);
}

export const lackingRights = (names: readonly string[]): string =>
  `the broker refused: the account lacks the right to run ${names.join(", ")}`;
