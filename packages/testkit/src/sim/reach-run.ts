// Owns: runs of many clients behind a balancer that may bind them to nodes: how often they are
// asked to move, how often they come back, and how many attempts that takes; and what becomes of
// them if the nodes that are left have no room.
import { createSeededRandom, type NodeSettings } from "@holdfast/core";
import { LONG_TOKEN_MS } from "./authentication.ts";
import { BrokerTruth } from "./broker-truth.ts";
import { Cluster } from "./cluster.ts";
import { EventLoop } from "./event-loop.ts";
import { type Balancer, Network } from "./network.ts";
import { drawSettings } from "./settings.ts";
import { SimBroker } from "./sim-broker.ts";
import { SimClient } from "./sim-client.ts";
import { Trace } from "./trace.ts";
import { Verdict, type Violation } from "./verdict.ts";
import { SIM_CONTRACT } from "./workload.ts";

/** What stands before the nodes, and what happens. Nothing fails in such a run. */
export interface ReachOptions {
  /** See `EventLoopOptions.settle`. */
  readonly settle: () => void;
  readonly seed: number;
  readonly balancer: Balancer;
  readonly clients: number;
  readonly slots: number;
  /** Each node is replaced by one of a newer revision, one after the other, after the calm. */
  readonly rollout?: boolean;
  readonly calmMs: number;
  /** A node dies after the calm, and another one takes its place so much later. */
  readonly deadForMs?: number;
  readonly fleet?: Partial<NodeSettings["fleet"]>;
  readonly limits?: Partial<NodeSettings["limits"]>;
}

/** What clients went through, in all. */
export interface ReachResult {
  /** Before the rollout: sessions that were asked to move, and connections that were opened. */
  readonly calm: Counts;
  readonly rollout: Counts;
  /** From the death of a node until another one has taken its place. */
  readonly dead: Counts & { readonly waiting: number };
  /** How long it took then until everybody was connected. */
  readonly backMs: number;
  /** Sessions on each node when the calm ended. */
  readonly sessions: readonly number[];
  /** Clients that were not connected at any time after they had been, also for a moment. */
  readonly disturbed: number;
  readonly violations: readonly Violation[];
}

interface Counts {
  readonly asked: number;
  readonly attempts: number;
}

const WARM_MS = 10_000;
const LOOK_MS = 250;
const WINDOW_MS = 15_000;
const STEP_MS_MAX = 60_000;

/** Plays it. The same options give the same result. */
export function runReach(options: ReachOptions): ReachResult {
  const { calmMs, slots } = options;
  const run = new ReachRun(options);
  run.until(WARM_MS);
  const warm = run.counts();
  run.until(WARM_MS + calmMs);
  const calm = run.counts();
  const sessions = run.cluster.nodes().map(({ engine }) => engine.info().sessions);
  if (options.rollout === true)
    for (let slot = 0; slot < slots; slot++) if (!run.replace(slot)) break;
  const rolled = run.counts();
  const waiting = options.deadForMs === undefined ? 0 : run.lose(options.deadForMs);
  const dead = { ...less(run.counts(), rolled), waiting };
  return {
    calm: less(calm, warm),
    rollout: less(rolled, calm),
    dead,
    backMs: run.settle(),
    sessions,
    disturbed: run.disturbed(),
    violations: run.verdict.violations,
  };
}

const less = (now: Counts, before: Counts): Counts => ({
  asked: now.asked - before.asked,
  attempts: now.attempts - before.attempts,
});

class ReachRun {
  readonly cluster: Cluster;
  readonly verdict: Verdict;
  readonly #loop: EventLoop;
  readonly #network: Network;
  readonly #clients: readonly SimClient[];
  #asked = 0;

  constructor(options: ReachOptions) {
    const random = createSeededRandom(options.seed);
    this.#loop = new EventLoop({ settle: options.settle });
    const now = (): number => this.#loop.nowMs;
    const trace = new Trace({ keep: 1, now, live: undefined });
    this.verdict = new Verdict(now, () => {});
    const truth = new BrokerTruth(trace, now);
    const settings = settingsOf(options);
    const broker = new SimBroker({
      loop: this.#loop,
      random: random.fork("broker"),
      truth,
      faults: {
        latencyMs: 1,
        jitterMs: 1,
        failBefore: 0,
        failAfter: 0,
        timeoutMs: 2000,
        feedApart: false,
      },
      limits: {},
    });
    this.#network = new Network({
      loop: this.#loop,
      random: random.fork("network"),
      settings: { latencyMs: 5, jitterMs: 10, bytesPerMs: 5000, hardLimitBytes: 1_000_000 },
      balancer: options.balancer,
    });
    this.cluster = new Cluster(options.slots, {
      loop: this.#loop,
      network: this.#network,
      broker,
      random: random.fork("nodes"),
      settings,
      contract: SIM_CONTRACT,
      rollsOut: true,
      verdict: this.verdict,
      trace,
      wrapBroker: (view) => view,
      wrapAuthenticator: (authenticator) => authenticator,
      sending: (_client, message) => {
        if (typeof message === "string" && message.includes('"t":"migrate"')) this.#asked += 1;
        return message;
      },
      reads: () => () => {},
    });
    this.#clients = Array.from({ length: options.clients }, (_, index) => {
      const name = `c${index}`;
      return new SimClient({
        plan: planOf(name, 500 + random.int(3000)),
        loop: this.#loop,
        process: this.#loop.process(name),
        network: this.#network,
        random: random.fork(name),
        truth,
        verdict: this.verdict,
        trace,
        clocksWrong: () => false,
        frames: false,
      });
    });
  }

  until(untilMs: number): void {
    this.#loop.run(untilMs);
  }

  counts(): Counts {
    return {
      asked: this.#asked,
      attempts: this.#network.dials,
    };
  }

  /** Whether it ended in time. */
  replace(slot: number): boolean {
    this.cluster.stop(slot, WINDOW_MS, LOOK_MS);
    this.until(this.#loop.nowMs + LOOK_MS);
    return this.settle() < STEP_MS_MAX;
  }

  /** A node's process dies. Answers how many wait for room when its replacement starts. */
  lose(backAfterMs: number): number {
    this.cluster.kill(0, "refuses", backAfterMs);
    this.until(this.#loop.nowMs + backAfterMs);
    return this.#clients.filter(({ connected }) => !connected).length;
  }

  /** Until all is well; answers how long that took. */
  settle(): number {
    const startMs = this.#loop.nowMs;
    while (this.#loop.nowMs - startMs < STEP_MS_MAX && !this.#settled())
      this.until(this.#loop.nowMs + LOOK_MS);
    return this.#loop.nowMs - startMs;
  }

  #settled(): boolean {
    return this.cluster.whole && this.#clients.every(({ connected }) => connected);
  }

  disturbed(): number {
    return this.#clients.filter(({ statesSeen }) =>
      statesSeen.slice(statesSeen.indexOf("connected")).some((state) => state !== "connected"),
    ).length;
  }
}

function settingsOf({ fleet, limits, clients }: ReachOptions): Omit<NodeSettings, "nodeId"> {
  const drawn = drawSettings(createSeededRandom(1));
  const most = 4 * clients;
  return {
    ...drawn,
    limits: {
      ...drawn.limits,
      connectionsMax: most,
      handshakesInFlightMax: most,
      nodeChannelsPerSecondMax: 100_000,
      ...limits,
    },
    timeouts: { ...drawn.timeouts, resumeTtlMs: 600_000 },
    admission: { handshakesPerSecond: 200, resumeReserve: 0.3, windowMinMs: 500 },
    fleet: {
      ...drawn.fleet,
      rebalance: true,
      rebalanceTolerance: 0.1,
      rebalanceSessionsMin: 5,
      rebalancePerSecond: 50,
      rebalanceCooldownMs: 5000,
      ...fleet,
    },
    drain: { ...drawn.drain, perSecondMax: 500 },
  };
}

const planOf = (name: string, startMs: number) =>
  ({
    name,
    codec: "json",
    startMs,
    subscribe: ["feed:a"],
    last: undefined,
    publish: [],
    member: false,
    watches: false,
    callsEveryMs: undefined,
    readsEveryMs: undefined,
    trusted: true,
    trustEndsMs: undefined,
    tokenMs: LONG_TOKEN_MS,
    tokenEnds: false,
    leavesAtMs: undefined,
    repeats: false,
  }) as const;
