// Owns: the beginning of a connection to a server: the sign-in, the server's properties, and
// loading the scripts.
import { createHash } from "node:crypto";
import { BrokerError, type BrokerUsage } from "@holdfast/core";
import { PRESENCE_SCRIPTS } from "./presence-scripts.ts";
import { refusalOf } from "./refusals.ts";
import { type Reply, ReplyError, textOf } from "./reply.ts";
import { lackingRights, missingRights, type RightsAsked } from "./rights.ts";
import type { RedisSocket } from "./socket.ts";
import { STATE_SCRIPTS } from "./state-scripts.ts";
import { STREAM_SCRIPTS } from "./stream-scripts.ts";

export type ScriptName =
  | keyof typeof STREAM_SCRIPTS
  | keyof typeof PRESENCE_SCRIPTS
  | keyof typeof STATE_SCRIPTS;

const SCRIPTS: Readonly<Record<ScriptName, string>> = {
  ...STREAM_SCRIPTS,
  ...PRESENCE_SCRIPTS,
  ...STATE_SCRIPTS,
};
const SHAS = new Map(
  Object.entries(SCRIPTS).map(([name, text]) => [
    name,
    createHash("sha1").update(text).digest("hex"),
  ]),
);

export const shaOf = (name: ScriptName): string => SHAS.get(name) ?? "";
export const scriptOf = (name: ScriptName): string => SCRIPTS[name];

/** What a server said of itself. */
export interface ServerFacts {
  readonly isPrimary: boolean;
  /** `redis 7.0.15`, for logs. */
  readonly version: string;
  /** Identifies one life of the data: see stream-scripts.ts. */
  readonly term: string;
  /** Whether an append-only file is written; undefined when the server does not tell. */
  readonly persists: boolean | undefined;
  /** False if the server may evict keys at its memory limit. */
  readonly keepsAll: boolean;
  readonly isLoading: boolean;
  readonly usage: BrokerUsage;
}

/** This broker needs sharded pub/sub, which Redis 7 and every Valkey have. */
const MAJOR_MIN = 7;
const NO_REPLICATION = /^0*$/;

/** A handshake that fails for a reason that will not change by trying again. */
export class RedisRefusal extends BrokerError {}

/**
 * Waits for the connection and the sign-in. Rejects with BrokerError; with RedisRefusal when the
 * account is not accepted.
 */
export async function signedIn(socket: RedisSocket): Promise<void> {
  await socket.opened.catch((error: unknown) => {
    if (error instanceof ReplyError) demand(error);
    throw error;
  });
}

/** Reads what the server says of itself. Rejects with BrokerError. */
export async function readFacts(socket: RedisSocket): Promise<ServerFacts> {
  const info = readInfo(demand(await socket.call(["INFO"])));
  const followed = info.get("master_replid2") ?? "";
  const version = info.get("valkey_version") ?? info.get("redis_version") ?? "0";
  if (Number.parseInt(version, 10) < MAJOR_MIN) {
    throw new RedisRefusal(
      "internal",
      `Cannot use this server: found version ${version.slice(0, 20)}, expected ${MAJOR_MIN}.0 or newer`,
    );
  }
  const aof = info.get("aof_enabled");
  return {
    isPrimary: info.get("role") === "master",
    version: `${info.get("server_name") ?? "redis"} ${version}`,
    term:
      (info.get("run_id") ?? "").slice(0, 12) +
      (NO_REPLICATION.test(followed) ? "" : followed.slice(0, 12)),
    persists: aof === undefined ? undefined : aof === "1",
    keepsAll:
      (info.get("maxmemory_policy") ?? "noeviction") === "noeviction" ||
      info.get("maxmemory") === "0",
    isLoading: info.get("loading") === "1",
    usage: usageOf(info),
  };
}

/** What the server holds, or undefined if it does not say. Rejects with BrokerError. */
export async function readUsage(socket: RedisSocket): Promise<BrokerUsage | undefined> {
  const reply = await socket.call(["INFO", "memory"]);
  return reply instanceof ReplyError ? undefined : usageOf(readInfo(reply));
}

function usageOf(info: ReadonlyMap<string, string>): BrokerUsage {
  const [bytes, bytesMax] = [Number(info.get("used_memory")), Number(info.get("maxmemory"))];
  return { bytes: bytes || 0, ...(bytesMax > 0 ? { bytesMax } : {}) };
}

/** Loads every script into the server. Rejects with BrokerError. */
export async function loadScripts(socket: RedisSocket): Promise<void> {
  for (const reply of await Promise.all(
    Object.values(SCRIPTS).map((text) => socket.call(["SCRIPT", "LOAD", text])),
  ))
    demand(reply);
}

/** Refusals that stay until somebody changes the account, the server or the URL. */
const LASTING = new Set(["WRONGPASS", "NOAUTH", "NOPERM", "ERR"]);

function demand(reply: Reply): Reply {
  if (!(reply instanceof ReplyError)) return reply;
  const refusal = refusalOf(reply);
  throw LASTING.has(reply.code) ? new RedisRefusal(refusal.code, refusal.message) : refusal;
}

/** Rejects with RedisRefusal when the account lacks a right that any call needs. */
export async function demandRights(asked: RightsAsked): Promise<void> {
  const lacks = await missingRights(asked);
  if (lacks.length > 0) throw new RedisRefusal("refused", lackingRights(lacks), { lacks });
}

function readInfo(reply: Reply): ReadonlyMap<string, string> {
  const lines = textOf(reply).split("\r\n");
  return new Map(
    lines
      .filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
}
