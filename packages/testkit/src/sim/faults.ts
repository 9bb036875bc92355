// Owns: what goes wrong in a run: drawn from the seed before the run begins, so that it can be
// printed first and taken apart afterwards.
import type { SeededRandom } from "@holdfast/core";
import { type CommandPlan, drawCommands } from "./command-plan.ts";
import type { Balancer } from "./network.ts";

/**
 * What kinds of faults a run has. `deploy`: nodes drain, stop and start and nothing else, so the
 * strictest promises hold. `network`: the clients' side of the network misbehaves too, the broker
 * does not. `chaos`: everything.
 */
export type Profile = "deploy" | "network" | "chaos";

/** Who is told that a connection broke; the other side has it half-open. */
export type Told = "both" | "client" | "server" | "nobody";

/** One fault of a simulated run, `atMs` after its start. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: "cut"; readonly client: number; readonly told: Told }
  | { readonly kind: "slow-reader"; readonly client: number; readonly forMs: number }
  | { readonly kind: "slow-writer"; readonly client: number; readonly forMs: number }
  | { readonly kind: "client-sleeps"; readonly client: number; readonly forMs: number }
  | {
      readonly kind: "weather";
      readonly forMs: number;
      readonly latencyMs: number;
      readonly jitterMs: number;
    }
  | {
      readonly kind: "node-killed";
      readonly slot: number;
      readonly how: "refuses" | "silent";
      readonly backAfterMs: number;
    }
  | {
      readonly kind: "node-stopped";
      readonly slot: number;
      readonly windowMs: number;
      readonly backAfterMs: number;
    }
  | {
      readonly kind: "node-drained";
      readonly slot: number;
      readonly windowMs: number;
      readonly undrainAfterMs: number;
    }
  | { readonly kind: "node-stalls"; readonly slot: number; readonly forMs: number }
  | {
      readonly kind: "clock-jumps";
      readonly who: "node" | "client";
      readonly index: number;
      readonly byMs: number;
    }
  | {
      readonly kind: "broker-errors";
      readonly forMs: number;
      readonly before: number;
      readonly after: number;
    }
  | { readonly kind: "broker-slow"; readonly forMs: number; readonly latencyMs: number }
  | { readonly kind: "broker-cut"; readonly slot: number; readonly forMs: number }
  | { readonly kind: "broker-hole"; readonly slot: number; readonly count: number }
  | { readonly kind: "broker-lost"; readonly downMs: number }
  | { readonly kind: "history-removed"; readonly channel: number }
  /** Node `by` orders another one to drain, and later not to. */
  | {
      readonly kind: "ordered";
      readonly by: number;
      readonly slot: number;
      readonly windowMs: number;
      readonly undrainAfterMs: number;
      readonly tokens: readonly [number | undefined, number | undefined];
      /** Absent: any node takes the sessions. */
      readonly toRevision?: string;
    }
  /** A node is ordered to give up sessions to a revision; `undoneAfterMs` later not to. */
  | {
      readonly kind: "sheds";
      readonly slot: number;
      readonly keep: number;
      readonly toRevision: string;
      readonly windowMs: number;
      readonly undoneAfterMs: number;
    }
  | { readonly kind: "kicked"; readonly client: number }
  | { readonly kind: "unsubscribed"; readonly client: number; readonly channel: number }
);

/** The faults of a run with the cluster that they strike. Times are in ms. */
export interface FaultPlan {
  readonly profile: Profile;
  /** Nodes that run at once. */
  readonly slots: number;
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly brokerLatencyMs: number;
  readonly balancer: Balancer;
  readonly commands: readonly CommandPlan[];
  readonly faults: readonly Fault[];
}

/** Faults happen from here to there; afterwards everything is healed. */
export const FAULTS_FROM_MS = 2000;
export const FAULTS_TO_MS = 20_000;

/** Draws the faults of one run. Depends on the random source alone. */
export function drawFaults(random: SeededRandom, clients: number): FaultPlan {
  const profile = random.pick<Profile>(["deploy", "network", "chaos", "chaos"]);
  const slots = profile === "deploy" ? 2 + random.int(2) : 1 + random.int(3);
  const basis = {
    profile,
    slots,
    latencyMs: 1 + random.int(30),
    jitterMs: random.int(random.chance(0.3) ? 200 : 20),
    brokerLatencyMs: random.int(random.chance(0.3) ? 40 : 4),
    balancer: drawBalancer(random.fork("balancer"), profile),
    commands: drawCommands(random.fork("commands"), { profile, clients }),
  };
  const faults =
    profile === "deploy"
      ? drawDeploys(random, slots)
      : [
          ...drawMany(random, { profile, slots, clients }),
          ...drawMoves(random.fork("moves"), slots),
        ];
  return { ...basis, faults: faults.sort((a, b) => a.atMs - b.atMs) };
}

/**
 * In a run of drains alone everybody can go elsewhere: who reaches one machine alone is cut when
 * its node is gone.
 */
const drawBalancer = (random: SeededRandom, profile: Profile): Balancer =>
  random.pick<Balancer>([
    "random",
    "random",
    "address",
    profile === "deploy" ? "address" : "machine",
  ]);

/**
 * One node after the other is taken out, never two at once: somebody can always take the sessions
 * in.
 */
function drawDeploys(random: SeededRandom, slots: number): Fault[] {
  const faults: Fault[] = [];
  for (let atMs = FAULTS_FROM_MS + random.int(2000); atMs < FAULTS_TO_MS; ) {
    const slot = random.int(slots);
    const windowMs = 3000 + random.int(4000);
    const backAfterMs = random.int(1000);
    if (random.chance(0.7))
      faults.push({ atMs, kind: "node-stopped", slot, windowMs, backAfterMs });
    else
      faults.push({
        atMs,
        kind: "node-drained",
        slot,
        windowMs,
        undrainAfterMs: random.int(windowMs * 2),
      });
    atMs += windowMs * 2 + 2000 + random.int(2000);
  }
  return faults;
}

function drawMany(
  random: SeededRandom,
  run: { readonly profile: Profile; readonly slots: number; readonly clients: number },
): Fault[] {
  const kinds = run.profile === "network" ? NETWORK_KINDS : [...NETWORK_KINDS, ...BROKER_KINDS];
  // Each run has some kinds many times rather than every kind once: troubles of one kind meet each
  // other.
  const chosen = Array.from({ length: 1 + random.int(4) }, () => random.pick(kinds));
  const count = 1 + random.int(12);
  return Array.from({ length: count }, () => {
    const atMs = FAULTS_FROM_MS + random.int(FAULTS_TO_MS - FAULTS_FROM_MS);
    return drawOne(random, random.pick(chosen), { atMs, ...run });
  });
}

/** Orders with a revision: nodes of a run are of the first ones, and nobody is of the last. */
const REVISIONS = ["r0", "r1", "r2", "nobody's"];

function drawMoves(random: SeededRandom, slots: number): Fault[] {
  const count = random.chance(0.4) ? 1 + random.int(4) : 0;
  return Array.from({ length: count }, (): Fault => {
    const atMs = FAULTS_FROM_MS + random.int(FAULTS_TO_MS - FAULTS_FROM_MS);
    const common = {
      atMs,
      slot: random.int(slots),
      toRevision: random.pick(REVISIONS),
      windowMs: 500 + random.int(6000),
    };
    const endsMs = random.int(8000);
    return random.chance(0.5)
      ? { ...common, kind: "sheds", keep: random.int(4), undoneAfterMs: endsMs }
      : {
          ...common,
          kind: "ordered",
          by: random.int(slots),
          undrainAfterMs: endsMs,
          tokens: [drawToken(random), drawToken(random)],
        };
  });
}

const NETWORK_KINDS = [
  "cut",
  "cut",
  "cut",
  "slow-reader",
  "slow-writer",
  "client-sleeps",
  "weather",
  "node-stopped",
  "node-drained",
  "node-drained",
  "node-stalls",
  "clock-jumps",
  "ordered",
  "ordered",
  "kicked",
  "unsubscribed",
] as const satisfies readonly Fault["kind"][];

const BROKER_KINDS = [
  "node-killed",
  "node-killed",
  "broker-errors",
  "broker-slow",
  "broker-cut",
  "broker-hole",
  "broker-hole",
  "broker-lost",
  "history-removed",
  "history-removed",
] as const satisfies readonly Fault["kind"][];

function drawOne(
  random: SeededRandom,
  kind: (typeof NETWORK_KINDS)[number] | (typeof BROKER_KINDS)[number],
  run: { readonly atMs: number; readonly slots: number; readonly clients: number },
): Fault {
  const { atMs } = run;
  const client = random.int(run.clients);
  const slot = random.int(run.slots);
  switch (kind) {
    case "cut":
      return {
        atMs,
        kind,
        client,
        told: random.pick<Told>(["both", "both", "client", "server", "nobody"]),
      };
    case "slow-reader":
    case "slow-writer":
      return { atMs, kind, client, forMs: 200 + random.int(8000) };
    case "client-sleeps":
      return { atMs, kind, client, forMs: 500 + random.int(12_000) };
    case "weather":
      return {
        atMs,
        kind,
        forMs: 500 + random.int(5000),
        latencyMs: random.int(800),
        jitterMs: random.int(2000),
      };
    case "node-killed":
      return {
        atMs,
        kind,
        slot,
        how: random.pick(["refuses", "silent"] as const),
        backAfterMs: 100 + random.int(6000),
      };
    case "node-stopped":
      return { atMs, kind, slot, windowMs: 500 + random.int(6000), backAfterMs: random.int(3000) };
    case "node-drained":
      return {
        atMs,
        kind,
        slot,
        windowMs: 500 + random.int(6000),
        undrainAfterMs: random.int(8000),
      };
    case "node-stalls":
      return { atMs, kind, slot, forMs: 50 + random.int(random.chance(0.2) ? 15_000 : 1500) };
    case "clock-jumps":
      return {
        atMs,
        kind,
        who: random.pick(["node", "client"] as const),
        index: random.int(8),
        byMs: random.int(7_200_000) - 3_600_000,
      };
    case "broker-errors":
      return {
        atMs,
        kind,
        forMs: 200 + random.int(6000),
        before: random.next() * 0.6,
        after: random.next() * 0.6,
      };
    case "broker-slow":
      return { atMs, kind, forMs: 200 + random.int(6000), latencyMs: random.int(1500) };
    case "broker-cut":
      return { atMs, kind, slot, forMs: 100 + random.int(9000) };
    case "broker-hole":
      return { atMs, kind, slot, count: 1 + random.int(3) };
    case "broker-lost":
      return { atMs, kind, downMs: 10 + random.int(2000) };
    case "history-removed":
      return { atMs, kind, channel: random.int(8) };
    case "ordered":
      return {
        atMs,
        kind,
        by: random.int(run.slots),
        slot,
        windowMs: 500 + random.int(6000),
        undrainAfterMs: random.int(8000),
        tokens: [drawToken(random), drawToken(random)],
      };
    case "kicked":
      return { atMs, kind, client };
    case "unsubscribed":
      return { atMs, kind, client, channel: random.int(8) };
  }
}

const drawToken = (random: SeededRandom): number | undefined =>
  random.chance(0.5) ? random.int(4) : undefined;

/** One line for people: `12.340 s  cut client=3 told=server`. */
export function describeFault(fault: Fault): string {
  const { atMs, kind, ...rest } = fault;
  const particulars = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === "number" ? Number(value.toFixed(3)) : value}`,
  );
  return `${(atMs / 1000).toFixed(3).padStart(8)} s  ${kind.padEnd(16)} ${particulars.join(" ")}`;
}
