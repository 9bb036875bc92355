// Owns: which commands of a back end a run has: drawn from the seed.
import type { SeededRandom } from "@holdfast/core";
import { SIM_CHANNELS } from "./workload.ts";

/** A command that follows the first notice to move that its client gets. */
export interface CommandPlan {
  readonly what: "kicked" | "banned" | "unsubscribed";
  readonly client: number;
  readonly channel: string;
  readonly afterMs: number;
  /** Which of the nodes takes the command. */
  readonly by: number;
  /** It names the session, not the user. */
  readonly namesSession: boolean;
}

export function drawCommands(
  random: SeededRandom,
  run: { readonly profile: string; readonly clients: number },
): readonly CommandPlan[] {
  if (random.chance(0.5)) return [];
  // Where nobody may notice anything, only a subscription may end.
  const kinds =
    run.profile === "deploy"
      ? (["unsubscribed"] as const)
      : (["unsubscribed", "kicked", "banned"] as const);
  return Array.from({ length: 1 + random.int(3) }, () => ({
    what: random.pick<CommandPlan["what"]>(kinds),
    client: random.int(run.clients),
    channel: random.pick(SIM_CHANNELS).name,
    afterMs: random.int(random.chance(0.5) ? 100 : 1500),
    by: random.int(3),
    namesSession: random.chance(0.5),
  }));
}
