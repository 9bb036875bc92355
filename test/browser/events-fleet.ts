// Owns: nodes as processes over one Redis behind a balancer, which are replaced and killed while
// somebody publishes by POST all the time. For tests of clients over HTTP.
import { type Balancer, startBalancer } from "@holdfast/relay";
import { SignJWT } from "jose";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { freshPrefix } from "../redis/harness.ts";
import { startServer, stopServers, type TestServer } from "../redis/servers.ts";
import { until } from "./harness.ts";

export const ROOM = "room:a";
const permissions = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const CHANNELS = {
  "room:{x}": { presence: true, history: { size: 100_000, ttlMs: 600_000 }, permissions },
};

const SECRET = "a secret for tokens of the tests, long enough";

/** A token for an hour. */
export const tokenOf = (user: string): Promise<string> =>
  new SignJWT({ sub: user })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));

interface NodeOf {
  readonly id: string;
  readonly command: RunningCommand;
}

export interface EventsFleet {
  readonly balancer: Balancer;
  /** Of the balancer, without a slash at its end. */
  readonly url: string;
  /** Numbers that were published and acknowledged, with their offsets. */
  readonly acknowledged: ReadonlyMap<number, number>;
  readonly nodes: readonly NodeOf[];
  /** Starts a node, and drains the oldest. Resolves when that has ended; answers its status. */
  replaceOldest(): Promise<number>;
  /** `kill -9` of the oldest, after another one was started. */
  killOldest(): Promise<void>;
  stopPublishing(): Promise<void>;
  stop(): Promise<void>;
}

export async function startEventsFleet(count: number): Promise<EventsFleet> {
  const redis = await startServer({});
  const balancer = startBalancer({ checkEveryMs: 50, waitMs: patience(5_000) });
  const fleet = new Fleet(redis, balancer);
  await Promise.all(Array.from({ length: count }, () => fleet.add()));
  fleet.publish();
  return fleet;
}

class Fleet implements EventsFleet {
  readonly balancer: Balancer;
  readonly url: string;
  readonly acknowledged = new Map<number, number>();
  readonly nodes: NodeOf[] = [];
  readonly #redis: TestServer;
  readonly #env: Readonly<Record<string, string>>;
  #number = 0;
  #isPublishing = true;
  #publishing: Promise<void> = Promise.resolve();

  constructor(redis: TestServer, balancer: Balancer) {
    this.#redis = redis;
    this.balancer = balancer;
    this.url = `http://127.0.0.1:${balancer.port}`;
    this.#env = {
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_BROKER_URL: `${redis.url}?prefix=${freshPrefix()}`,
      HOLDFAST_AUTH_ANONYMOUS: "true",
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      HOLDFAST_AUTH_RESUME_SECRET: "a secret that all test nodes share",
      HOLDFAST_CHANNELS: JSON.stringify(CHANNELS),
      HOLDFAST_DRAIN_PRE_DELAY_MS: "500",
      HOLDFAST_DRAIN_WINDOW_MS: "2000",
      HOLDFAST_TIMEOUTS_PRESENCE_GRACE_MS: "5000",
      HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "1000",
    };
  }

  async add(): Promise<void> {
    this.#number += 1;
    const id = `n${this.#number}`;
    const [port, internalPort] = [await freePort(), await freePort()];
    const command = startCommand(["serve"], {
      env: {
        ...this.#env,
        HOLDFAST_NODE_ID: id,
        HOLDFAST_PORT: String(port),
        HOLDFAST_INTERNAL_PORT: String(internalPort),
      },
    });
    this.nodes.push({ id, command });
    const readyUrl = `http://127.0.0.1:${internalPort}/readyz`;
    this.balancer.add({ id, host: "127.0.0.1", port, readyUrl });
    await this.balancer.whenReady(id, patience(30_000));
  }

  async replaceOldest(): Promise<number> {
    await this.add();
    const oldest = this.nodes.shift();
    oldest?.command.signal("SIGTERM");
    const status = (await oldest?.command.ended()) ?? -1;
    this.balancer.remove(oldest?.id ?? "");
    return status;
  }

  async killOldest(): Promise<void> {
    await this.add();
    const oldest = this.nodes.shift();
    oldest?.command.signal("SIGKILL");
    await gone(oldest?.command);
    this.balancer.remove(oldest?.id ?? "");
  }

  /** One after the other; each again with its key until it is acknowledged. */
  publish(): void {
    this.#publishing = (async () => {
      // A user: keys of anonymous clients hold for one session, and so for one node.
      const token = await tokenOf("publisher");
      for (let n = 0; this.#isPublishing; n++) {
        const body = JSON.stringify({ channel: ROOM, data: n, idempotencyKey: `n${n}` });
        for (;;) {
          const offset = await this.#post(body, token);
          if (offset === undefined) continue;
          this.acknowledged.set(n, offset);
          break;
        }
        await Bun.sleep(4);
      }
    })();
  }

  async #post(body: string, token: string): Promise<number | undefined> {
    try {
      const answer = await fetch(`${this.url}/events`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body,
        signal: AbortSignal.timeout(patience(5_000)),
      });
      if (answer.status === 202) return ((await answer.json()) as { offset: number }).offset;
      await answer.body?.cancel();
    } catch {
      // The node is gone, or was killed behind the request.
    }
    await Bun.sleep(20);
    return undefined;
  }

  async stopPublishing(): Promise<void> {
    this.#isPublishing = false;
    await this.#publishing;
  }

  async stop(): Promise<void> {
    await this.stopPublishing();
    for (const { command } of this.nodes) command.signal("SIGKILL");
    await Promise.all(this.nodes.map(({ command }) => gone(command)));
    this.balancer.stop();
    await stopServers([this.#redis]);
  }
}

/** It was killed on purpose. */
const gone = async (command: RunningCommand | undefined): Promise<void> =>
  void (await command?.ended().catch(() => {}));

/** What a reader was told, held against what was acknowledged. Anything but zeros is a fault. */
export interface Account {
  readonly missing: number;
  readonly twice: number;
  /** Published under two offsets. */
  readonly doubled: number;
  readonly disordered: number;
  /** Received under another offset than the one that was acknowledged. */
  readonly wrong: number;
  readonly gaps: number;
}

/** `told`: what a reader got, in its order. It began with whatever came first. */
export function accountOf(
  told: readonly { readonly offset: number; readonly n: number }[],
  acknowledged: ReadonlyMap<number, number>,
  gaps: number,
): Account {
  const seen = new Map<number, number>();
  let [twice, doubled, disordered, before] = [0, 0, 0, 0];
  for (const { offset, n } of told) {
    if (seen.get(n) === offset) twice += 1;
    else if (seen.has(n)) doubled += 1;
    else if (offset <= before) disordered += 1;
    seen.set(n, offset);
    before = Math.max(before, offset);
  }
  const from = told[0]?.n ?? 0;
  let [missing, wrong] = [0, 0];
  for (const [n, offset] of acknowledged) {
    if (n < from) continue;
    if (!seen.has(n)) missing += 1;
    else if (seen.get(n) !== offset) wrong += 1;
  }
  return { missing, twice, doubled, disordered, wrong, gaps };
}

export const CLEAN: Account = {
  missing: 0,
  twice: 0,
  doubled: 0,
  disordered: 0,
  wrong: 0,
  gaps: 0,
};

/** Waits until as many were acknowledged as now and `more`. */
export const untilPublished = async (fleet: EventsFleet, more: number): Promise<void> => {
  const wanted = fleet.acknowledged.size + more;
  await until(`${more} more were published`, () => fleet.acknowledged.size >= wanted, 60_000);
};
