// Owns: measuring what an idle connection costs in memory: with a session, and keep-alives running.
import { CompareError } from "../../compare/compare-error.ts";
import type { Broker } from "./brokers.ts";
import { type Client, connectAll } from "./client.ts";

export interface MemoryRules {
  /** Two numbers of connections: the second one is larger. */
  readonly connections: readonly [few: number, many: number];
  /** A quiet while after which a runtime has done its idle work. */
  readonly quietMs: number;
  readonly readings: number;
}

/**
 * Memory by connection: above the broker before anyone came, and of each connection between the two
 * numbers.
 */
export interface MemoryFigures {
  readonly fewBytes: number;
  readonly manyBytes: number;
  readonly betweenBytes: number;
}

const WARM_UP_CONNECTIONS = 200;
const READING_MS = 500;
/** A client pings after half of it. */
const KEEP_ALIVE_S = 16;
const PINGS_MS = 100;

/** `subscribes`: each client has one subscription, to a topic of its own. */
export async function measureMemory(
  broker: Broker,
  rules: MemoryRules,
  subscribes: boolean,
): Promise<MemoryFigures> {
  const [few, many] = rules.connections;
  const idle = new Idle(broker.port, subscribes);
  const garbage = setInterval(broker.collectGarbage, 1000);
  try {
    await idle.grow(WARM_UP_CONNECTIONS, "warm");
    idle.close();
    const emptyBytes = await leastBytes(broker, rules);
    await idle.grow(few, "few");
    const fewBytes = await leastBytes(broker, rules);
    await idle.grow(many - few, "many");
    const manyBytes = await leastBytes(broker, rules);
    idle.check();
    return {
      fewBytes: (fewBytes - emptyBytes) / few,
      manyBytes: (manyBytes - emptyBytes) / many,
      betweenBytes: (manyBytes - fewBytes) / (many - few),
    };
  } finally {
    clearInterval(garbage);
    idle.close();
  }
}

async function leastBytes(broker: Broker, { quietMs, readings }: MemoryRules): Promise<number> {
  await Bun.sleep(quietMs);
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < readings; n++) {
    least = Math.min(least, broker.usage().rssBytes);
    await Bun.sleep(READING_MS);
  }
  return least;
}

class Idle {
  readonly #port: number;
  readonly #subscribes: boolean;
  #clients: Client[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #turn = 0;

  constructor(port: number, subscribes: boolean) {
    this.#port = port;
    this.#subscribes = subscribes;
  }

  async grow(count: number, name: string): Promise<void> {
    this.#timer ??= setInterval(() => this.#ping(), PINGS_MS);
    const more = await connectAll(
      count,
      (n) => ({ port: this.#port, clientId: `${name}-${n}`, keepAliveS: KEEP_ALIVE_S }),
      async (client, n) => {
        if (this.#subscribes) await client.subscribe(`devices-${name}-${n}`);
      },
    );
    this.#clients.push(...more);
  }

  check(): void {
    const failed = this.#clients.filter(({ failure }) => failure !== undefined);
    if (failed.length > 0)
      throw new CompareError(
        "load_failed",
        `Cannot measure: found ${failed.length} connections that ended: ${failed[0]?.failure}`,
      );
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const client of this.#clients) client.close();
    this.#clients = [];
  }

  /** Each client once in half of the keep alive. */
  #ping(): void {
    const turns = (KEEP_ALIVE_S * 500) / PINGS_MS;
    for (let n = this.#turn % turns; n < this.#clients.length; n += turns) this.#clients[n]?.ping();
    this.#turn += 1;
  }
}
