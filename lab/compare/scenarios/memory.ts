// Owns: measuring what a connection costs in memory: idle, and with one subscription.
import { CompareError } from "../compare-error.ts";
import { holdPlan } from "../load-plans.ts";
import type { Sizes } from "../plan.ts";
import type { MemoryFigures } from "../scenario.ts";
import type { Running } from "../servers.ts";
import { runWatched } from "../watched-load.ts";

const WARM_UP_CONNECTIONS = 200;
const READING_MS = 1000;
/**
 * After this time a quiet server has finished its idle work: Bun runs its collector after about ten
 * idle seconds.
 */
const QUIET_MS = 12_000;
const EMPTY_QUIET_MS = 2000;

/** `start` gives a new server; the two figures come from two of them. */
export async function measureMemory(
  start: () => Promise<Running>,
  sizes: Sizes,
): Promise<MemoryFigures> {
  return {
    idleBytes: await bytesOf(start, sizes, false),
    subscribedBytes: await bytesOf(start, sizes, true),
  };
}

async function bytesOf(
  start: () => Promise<Running>,
  sizes: Sizes,
  subscribes: boolean,
): Promise<number> {
  const servers = await start();
  const ms = QUIET_MS + sizes.memory.readings * READING_MS;
  const garbage = setInterval(servers.collectGarbage, READING_MS);
  try {
    await runWatched(
      holdPlan(servers, sizes, { connections: WARM_UP_CONNECTIONS, subscribes, ms: 500 }),
      {},
    );
    const emptyBytes = await settled(servers, sizes.memory.readings);
    const { connections } = sizes.memory;
    const load = await runWatched(holdPlan(servers, sizes, { connections, subscribes, ms }), {
      servers: servers.usage,
    });
    const { connected } = load.phase("hold");
    if (connected !== connections)
      throw new CompareError(
        "load_failed",
        `Cannot measure: found ${connected} connections, expected ${connections}`,
      );
    const { fromMs, toMs } = load.span("hold");
    return (
      (load.leastRssBytes("servers", { fromMs: fromMs + QUIET_MS, toMs }) - emptyBytes) /
      connections
    );
  } finally {
    clearInterval(garbage);
    await servers.stop();
  }
}

/** Least of some readings after a quiet while. */
async function settled(servers: Running, readings: number): Promise<number> {
  let leastBytes = Number.POSITIVE_INFINITY;
  await Bun.sleep(EMPTY_QUIET_MS);
  for (let reading = 0; reading < readings; reading++) {
    leastBytes = Math.min(leastBytes, servers.usage()?.rssBytes ?? Number.NaN);
    await Bun.sleep(READING_MS / 2);
  }
  return leastBytes;
}
