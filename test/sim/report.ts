// Owns: the report of a failing seed: the faults first, then the broken rule, the last events, and
// how to see it again.
import { describeClient, describeFault, type RunResult } from "@holdfast/testkit/sim";

/** `kept`: the faults that are enough to make it fail, by index. */
export function report(result: RunResult, kept: readonly number[] | undefined): string {
  const { seed, plan, workload, violations, lastEvents } = result;
  const only =
    kept === undefined || kept.length === plan.faults.length
      ? ""
      : ` --only ${kept.length === 0 ? "none" : kept.join(",")}`;
  const again = `npm run simulate -- --from ${seed} --seeds 1`;
  return [
    `seed ${seed}: ${plan.profile}, ${plan.slots} nodes, latency ${plan.latencyMs}+${plan.jitterMs} ms, broker ${plan.brokerLatencyMs} ms, balancer by ${plan.balancer}`,
    ...workload.clients.map((client) => `  ${describeClient(client)}`),
    ...plan.faults.map(
      (fault, index) =>
        `  ${kept === undefined || kept.includes(index) ? " " : "-"}${String(index).padStart(2)} ${describeFault(fault)}`,
    ),
    "last events:",
    ...lastEvents.map((line) => `  ${line}`),
    "broken:",
    ...violations.map(
      ({ rule, atMs, text }) => `  ${rule} at ${(atMs / 1000).toFixed(3)} s: ${text}`,
    ),
    `replay: ${again}`,
    ...(only === "" ? [] : [`fewest faults: ${again}${only}`]),
    "",
  ].join("\n");
}
