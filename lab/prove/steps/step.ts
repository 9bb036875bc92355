// Owns: the type of a step of a proof, and what a step can do to the system under test.

import type { Helper } from "@holdfast/load/processes";
import type { BackEnd } from "../back-end.ts";
import type { BrokerPlace } from "../broker-place.ts";
import type { Fleet } from "../fleet.ts";
import type { NetworkCommands } from "../network.ts";
import { eventually } from "../prove-error.ts";
import type { ClientSpec, Workload } from "../workload.ts";

/** The system under load. */
export interface Stage {
  readonly fleet: Fleet;
  readonly broker: BrokerPlace;
  readonly network: Helper<NetworkCommands>;
  readonly frontPort: number;
  readonly backEnd: BackEnd;
  readonly workload: Workload;
  readonly quick: boolean;
  /** Revision of the newest deployment, and a newer one. */
  readonly revision: () => string;
  readonly nextRevision: () => string;
  /** Adds clients that are no part of the crowd; resolves when they have everything. */
  addExtras(specs: readonly ClientSpec[], port: number): Promise<void>;
  /**
   * Resolves when every client has a connection. Waits at least until clients that lost theirs know
   * it.
   */
  everyoneBack(): Promise<void>;
  /** Time from the fault until every client that lost its connection has another. */
  back(ms: number): void;
  /** Shown in the report's charts. */
  mark(text: string): void;
  /** Told in the report. */
  note(text: string): void;
  /** The step fails, and says why. */
  fail(text: string): void;
}

export interface Step {
  readonly name: string;
  readonly title: string;
  /** Part of `--quick`. */
  readonly quick: boolean;
  /** It moves sessions on purpose: no application may see a disconnect. */
  readonly isDrain: boolean;
  /** It destroys what the broker keeps: gaps that say so are right. */
  readonly mayLoseData: boolean;
  readonly needsRedis: boolean;
  readonly timeLimitMs: number;
  run(stage: Stage): Promise<void>;
}

/** Ids of the nodes that run, oldest first. */
export const nodeIds = ({ fleet }: Stage): readonly string[] => fleet.nodes.map(({ id }) => id);

/** Drains nodes at once; each must end by itself with status 0 (H6). */
export async function drainNodes(stage: Stage, ids: readonly string[]): Promise<void> {
  stage.mark(`drain ${ids.join(", ")}`);
  const statuses = await Promise.all(ids.map((id) => stage.fleet.drain(id)));
  for (const [place, status] of statuses.entries())
    if (status !== 0)
      stage.fail(`${ids[place]} ended with status ${status} instead of 0 when it was told to go`);
}

/** Whether the nodes' connections differ from the mean by less than the rebalancer's tolerance. */
const TOLERANCE = 0.1;
const SESSIONS_MIN = 20;
const BALANCED_MS = 60_000;

/** Resolves when every node has about its share. */
export async function spreadEvenly(stage: Stage): Promise<void> {
  await eventually("sessions are spread evenly", () => isBalanced(stage), {
    timeoutMs: BALANCED_MS,
    everyMs: 250,
  });
}

async function isBalanced({ network }: Stage): Promise<boolean> {
  const counts = (await network.ask("backends", undefined)).map(({ connections }) => connections);
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.every((count) => count - mean <= Math.max(SESSIONS_MIN, mean * TOLERANCE));
}
