// Owns: measuring a steady flow of publications: what each delivery costs the servers, and how long
// it takes.
import type { LoadPlan } from "@holdfast/load";
import { CompareError } from "../compare-error.ts";
import type { FlowFigures } from "../scenario.ts";
import type { Running } from "../servers.ts";
import { runWatched } from "../watched-load.ts";

const HELD_P50_MS_MAX = 250;

/**
 * A server that is later than `heldP50MsMax` at the median is at its end: costs of another load
 * would be compared. Throws `CompareError` then.
 */
export async function measureFlow(
  servers: Running,
  plan: LoadPlan,
  heldP50MsMax = HELD_P50_MS_MAX,
): Promise<FlowFigures> {
  const load = await runWatched(plan, { servers: servers.usage, redis: servers.redisUsage });
  const { result } = load;
  const window = load.phase("window");
  const span = load.span("window");
  const { delivered, duplicated, outOfOrder, gaps } = window.counts;
  const { p50Us = Number.NaN, p99Us = Number.NaN } = window.times.delivery ?? {};
  if (!(p50Us / 1000 <= heldP50MsMax)) {
    const found = `${delivered} deliveries, half of them later than ${p50Us / 1000} ms`;
    const doubts = `${result.warnings.join(" ")} ${JSON.stringify(result.total.errors)}`;
    throw new CompareError(
      "load_failed",
      `Cannot measure: found ${found}, expected a server that holds the pace; ${doubts}`,
    );
  }
  const [cpu, redis] = [load.cpu("servers", span), load.cpu("redis", span)];
  return {
    deliveries: delivered,
    ...(cpu === undefined
      ? {}
      : {
          userUsPerDelivery: cpu.userUs / delivered,
          systemUsPerDelivery: cpu.systemUs / delivered,
        }),
    p50Ms: p50Us / 1000,
    p99Ms: p99Us / 1000,
    wrong: result.lost + duplicated + outOfOrder + gaps,
    loadUsPerDelivery: (window.generator.userUs + window.generator.systemUs) / delivered,
    ...(redis === undefined
      ? {}
      : { redisUsPerDelivery: (redis.userUs + redis.systemUs) / delivered }),
  };
}
