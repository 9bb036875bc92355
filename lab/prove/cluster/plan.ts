// Owns: the plan of a proof on a real cluster, read from its arguments.
import { parseArgs } from "node:util";
import { parsed, whole } from "../arguments.ts";
import { ProveError } from "../prove-error.ts";
import type { ClusterStep } from "./steps/cluster-step.ts";
import { CLUSTER_STEPS } from "./steps/cluster-steps.ts";

export interface ClusterPlan {
  readonly clients: number;
  readonly channels: number;
  readonly seed: number;
  readonly workers: number;
  readonly publishesPerSecond: number;
  readonly steps: readonly ClusterStep[];
  readonly json?: string;
  readonly html?: string;
  readonly docs: boolean;
}

export const CLUSTER_HELP = `prove --cluster: real pods, the operator, real clients outside of the pods; every publication accounted for
  --steps a,b      these steps: ${CLUSTER_STEPS.map(({ name }) => name).join(", ")}
  --clients N      default 400
  --channels N     default 80, at least 10
  --rate N         publishes a second, all together (default 60)
  --seed N         default 1
  --json FILE      write the result
  --html FILE      write the report, one file for everything
  --docs           keep the result in docs/proof/cluster.json and write docs/proof.md anew; steps that this run leaves out stay
`;

/** Throws `argument_invalid`; undefined when help is wanted. */
export function clusterPlanFrom(args: readonly string[]): ClusterPlan | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        ...{ cluster: flag, help: flag, docs: flag, steps: text, clients: text, channels: text },
        ...{ rate: text, seed: text, json: text, html: text },
      },
    }),
  );
  if (values.help === true) return undefined;
  return {
    clients: whole("clients", values.clients, { standard: 400, least: 30, most: 20_000 }),
    channels: whole("channels", values.channels, { standard: 80, least: 10, most: 10_000 }),
    seed: whole("seed", values.seed, { standard: 1, least: 0, most: 2 ** 31 }),
    workers: 2,
    publishesPerSecond: whole("rate", values.rate, { standard: 60, least: 1, most: 10_000 }),
    steps: chosen(values.steps),
    docs: values.docs === true,
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.html === undefined ? {} : { html: values.html }),
  };
}

/** In their order. Pauses are compared with those of still steps, so these are always there. */
function chosen(only: string | undefined): readonly ClusterStep[] {
  if (only === undefined) return CLUSTER_STEPS;
  const names = only.split(",");
  const unknown = names.find((name) => !CLUSTER_STEPS.some((step) => step.name === name));
  if (unknown !== undefined)
    throw new ProveError(
      "argument_invalid",
      `Cannot run the step ${unknown}: expected some of ${CLUSTER_STEPS.map(({ name }) => name).join(", ")}`,
    );
  return CLUSTER_STEPS.filter(({ name, isStill }) => isStill === true || names.includes(name));
}
