// Owns: what happens in one simulated run: the set, its people, and the incidents, all from a seed.
import type { SeededRandom } from "@holdfast/core";
import type { Desired, Strategy } from "../model/desired.ts";
import { type Cluster, PLACES, TICK_MS } from "./cluster.ts";

/** The wish as people change it. */
export type Wish = { -readonly [K in keyof Desired]: Desired[K] };

/** What the run changes besides the cluster. */
export interface Stage {
  readonly cluster: Cluster;
  readonly wish: Wish;
  readonly random: SeededRandom;
  /** How many people want to be connected. */
  people: number;
  /** The part of them that goes in each tick; others come. */
  churn: number;
  /** How many more are announced. */
  announced: number;
  /** Revisions that clients feel as bad. */
  readonly bad: Set<string>;
  readonly log: (text: string) => void;
}

export function drawWish(random: SeededRandom, only?: Strategy["kind"]): Wish {
  const replicas = 1 + random.int(5);
  const analysis = { connectionMinutesMin: 100, connectionMinutesMax: 4000, waitMsMax: 120_000 };
  const strategies: readonly Strategy[] = [
    { kind: "Rolling" },
    {
      kind: "Canary",
      steps: [
        { sharePercent: 10, connectionMinutesMin: 50, pause: 10_000 },
        {
          sharePercent: 50,
          connectionMinutesMin: 0,
          pause: random.chance(0.3) ? "until-promoted" : 0,
        },
      ],
      analysis,
    },
    { kind: "BlueGreen", keepOldMs: 20_000, analysis },
  ];
  const strategy = strategies.find(({ kind }) => kind === only) ?? random.pick(strategies);
  return {
    revision: "r0",
    replicas,
    ...(random.chance(0.4)
      ? { autoscaling: { replicasMin: 1, replicasMax: 8, downAfterMs: 20_000 } }
      : {}),
    release: { strategy, isPaused: false, progressMsMax: 240_000 },
    drain: { windowMs: 16_000, preDelayMs: 2 * TICK_MS },
    connections: { perPod: PLACES, headroom: 0.1 },
    rebalance: { isEnabled: true, tolerance: 0.1, sessionsMin: 3 },
    warmMs: 4000,
    disruption: { replacementMsMax: 40_000 },
  };
}

type Incident = readonly [name: string, happens: (stage: Stage) => void];

/** What may happen; each as likely as the others. */
const INCIDENTS: readonly Incident[] = [
  ["a release", (stage) => release(stage, {})],
  ["a release", (stage) => release(stage, {})],
  ["a broken release", (stage) => release(stage, { isBroken: true })],
  ["a bad release", (stage) => release(stage, { isBad: true })],
  [
    "more or fewer people",
    (stage) => {
      const most = Math.max(1, stage.wish.autoscaling?.replicasMax ?? stage.wish.replicas);
      stage.people = stage.random.int(Math.ceil(most * PLACES * 0.7));
    },
  ],
  [
    "a spike is announced, or over",
    (stage) => {
      stage.announced = stage.announced > 0 ? 0 : stage.random.int(4 * PLACES);
    },
  ],
  [
    "other replicas",
    ({ wish, random }) => {
      wish.replicas = 1 + random.int(6);
    },
  ],
  ["a machine goes", (stage) => cordon(stage, false)],
  ["a machine goes", (stage) => cordon(stage, false)],
  ["a spot notice", (stage) => cordon(stage, true)],
  ["a machine stays after all", uncordon],
  [
    "a machine dies",
    ({ cluster, random }) => {
      const alive = [...cluster.machines.values()].filter(({ isDead }) => !isDead);
      if (alive.length > 2) cluster.kill(random.pick(alive));
    },
  ],
  [
    "a pod dies",
    ({ cluster, random }) => {
      const pods = [...cluster.pods.values()];
      if (pods.length === 0) return;
      const pod = random.pick(pods);
      cluster.evacuate(pod);
      cluster.pods.delete(pod.name);
    },
  ],
  [
    "somebody takes or gives a label",
    ({ cluster, random }) => {
      for (const pod of cluster.pods.values()) {
        if (random.chance(0.5)) continue;
        pod.receives = !pod.receives;
        pod.version = cluster.bump();
      }
    },
  ],
  [
    "everything is promoted",
    ({ wish, cluster }) => {
      const to = cluster.status?.release?.to;
      if (to !== undefined)
        wish.release = { ...wish.release, promoted: { revision: to, step: "all" } };
    },
  ],
  [
    "an abort",
    ({ wish, cluster }) => {
      const { status } = cluster;
      if (status?.release !== undefined)
        wish.release = { ...wish.release, aborted: status.release.to };
    },
  ],
  [
    "a pause or its end",
    ({ wish }) => {
      wish.release = { ...wish.release, isPaused: !wish.release.isPaused };
    },
  ],
  [
    "the old template again",
    ({ wish, cluster }) => {
      wish.revision = cluster.status?.stable ?? wish.revision;
    },
  ],
];

/** Now and then, one of them. */
export function incident(stage: Stage, only?: readonly string[]): void {
  const among = INCIDENTS.filter(([name]) => only === undefined || only.includes(name));
  if (among.length === 0) return;
  const [name, happens] = stage.random.pick(among);
  stage.log(`incident: ${name}`);
  happens(stage);
}

function release(
  { wish, cluster, bad, random }: Stage,
  { isBroken = false, isBad = false }: { isBroken?: boolean; isBad?: boolean },
): void {
  const revision = `r${random.int(1_000_000)}`;
  if (isBroken) cluster.broken.add(revision);
  if (isBad) bad.add(revision);
  wish.revision = revision;
}

function cordon({ cluster, random }: Stage, isSpot: boolean): void {
  const staying = [...cluster.machines.values()].filter(
    ({ isDead, goingSinceMs }) => !isDead && goingSinceMs === undefined,
  );
  if (staying.length < 2) return;
  const machine = random.pick(staying);
  machine.goingSinceMs = cluster.nowMs;
  if (isSpot) machine.endsAtMs = cluster.nowMs + 60_000;
}

function uncordon({ cluster, random }: Stage): void {
  const going = [...cluster.machines.values()].filter(
    ({ isDead, goingSinceMs }) => !isDead && goingSinceMs !== undefined,
  );
  if (going.length === 0) return;
  const machine = random.pick(going);
  machine.goingSinceMs = undefined;
  machine.endsAtMs = undefined;
}

/** All that people or machines still owe is given, so that everything can settle. */
export function heal(stage: Stage): void {
  const { wish, cluster } = stage;
  stage.announced = 0;
  const most = wish.autoscaling?.replicasMax ?? wish.replicas;
  stage.people = Math.min(stage.people, Math.floor(most * cluster.places * 0.6));
  wish.release = { ...wish.release, isPaused: false };
  for (let i = 0; i < 3; i++) {
    const name = `n${i}`;
    cluster.machines.set(name, {
      name,
      zone: `z${i}`,
      slots: 8,
      goingSinceMs: undefined,
      endsAtMs: undefined,
      isDead: false,
    });
  }
}
