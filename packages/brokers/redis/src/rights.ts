// Owns: the commands that the account needs, and the check which of them it may not run.
import { type Argument, type Reply, ReplyError } from "./reply.ts";

/** What the check asks. An error that the server answers is returned, not thrown. */
export interface RightsAsked {
  readonly prefix: string;
  readonly database: number;
  readonly isCluster: boolean;
  /** Sends a command. */
  readonly call: (command: readonly Argument[]) => Promise<Reply>;
  /** On the connection for subscriptions. */
  readonly subscribe: (feeds: readonly string[]) => Promise<Reply>;
  readonly unsubscribe: (feeds: readonly string[]) => Promise<Reply>;
}

type Arguments = (key: string, database: number) => readonly Argument[];

/**
 * Commands of every node, with arguments that the check may use every few seconds. They change
 * nothing but one set of the check's own, which the next command empties. Some are refused for
 * their arguments, which a server looks at after the rights.
 */
const EVERYWHERE: Readonly<Record<string, Arguments>> = {
  "script|load": () => ["return 1"],
  "pubsub|shardnumsub": (key) => [key],
  eval: (key) => ["return 1", 1, key],
  evalsha: (key) => ["0".repeat(40), 1, key],
  info: () => ["server"],
  ping: () => [],
  role: () => [],
  time: () => [],
  exists: (key) => [key],
  hset: (key) => [`${key}h`, "f", 1, "no value"],
  pexpire: (key) => [`${key}h`, "no number"],
  hdel: (key) => [`${key}h`, "x"],
  hexists: (key) => [`${key}h`, "f"],
  hget: (key) => [`${key}h`, "f"],
  hincrby: (key) => [`${key}h`, "f", "no number"],
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

/** For a database other than 0. */
const OTHER_DATABASE: Readonly<Record<string, Arguments>> = {
  select: (_key, database) => [database],
};

const CLUSTERED: Readonly<Record<string, Arguments>> = {
  "cluster|slots": () => [],
  asking: () => [],
};

/** Commands that only the connection for subscriptions may use. */
const FEEDS = ["ssubscribe", "sunsubscribe"] as const;

/** Every right, sorted; the documentation's page about Redis lists the same. */
export const RIGHTS: readonly string[] = [
  ...Object.keys(EVERYWHERE),
  ...Object.keys(OTHER_DATABASE),
  ...Object.keys(CLUSTERED),
  ...FEEDS,
].sort();

/**
 * The commands that the account may not run on keys of this prefix, sorted. A server checks rights
 * before everything except the number of arguments: any other answer means that the right is there.
 * A refusal inside a script has no own code; this check says which right is missing. Rejects with
 * BrokerError.
 */
export async function missingRights(asked: RightsAsked): Promise<readonly string[]> {
  const { prefix, database, isCluster, call } = asked;
  const key = `${prefix}{rights%}:`;
  const commands = {
    // First, for ASKING changes the meaning of the next command: that must be one of the check's.
    ...(isCluster ? CLUSTERED : {}),
    ...(database === 0 ? {} : OTHER_DATABASE),
    ...EVERYWHERE,
  };
  const replies = await Promise.all([
    ...Object.entries(commands).map(async ([name, args]) => ({
      name,
      reply: await call([...name.split("|"), ...args(key, database)]),
    })),
    ...FEEDS.map(async (name) => ({
      name,
      reply: await (name === "ssubscribe" ? asked.subscribe : asked.unsubscribe)([`${key}f`]),
    })),
  ]);
  return replies
    .filter(({ reply }) => reply instanceof ReplyError && reply.code === "NOPERM")
    .map(({ name }) => name)
    .sort();
}

export const lackingRights = (names: readonly string[]): string =>
  `the broker refused: the account lacks the right to run ${names.join(", ")}`;
