// Owns: one run: a whole bad day of a cluster from one seed, judged after each step; then everything heals and must go on.
import type { Authenticator, Broker, ContractDefinition } from "@holdfast/core";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import { createSeededRandom, type SeededRandom } from "../random.ts";
import { BrokerTruth } from "./broker-truth.ts";
import { Cluster } from "./cluster.ts";
import type { Message } from "./connection.ts";
import { EventLoop, type SimProcess } from "./event-loop.ts";
import { drawFaults, FAULTS_TO_MS, type Fault, type FaultPlan } from "./faults.ts";
import { SimBroker } from "./faulty-broker.ts";
import { Network } from "./network.ts";
import { judgeStreams } from "./publish-oracle.ts";
import { drawSettings } from "./settings.ts";
import { SimClient } from "./sim-client.ts";
import type { SimNode } from "./sim-node.ts";
import { Trace } from "./trace.ts";
import { Verdict, type Violation } from "./verdict.ts";
import { drawWorkload, SIM_CHANNELS, SIM_CONTRACT, type Workload } from "./workload.ts";

export interface RunOptions {
  /** See `EventLoopOptions.settle`. */
  readonly settle: () => void;
  /** Only these faults of the plan, by index: for taking a failing run apart. */
  readonly only?: readonly number[];
  /** Called with every event as a line. */
  readonly trace?: ((line: string) => void) | undefined;
  /** Whether the trace has every frame. */
  readonly frames?: boolean;
  /** Breaks the engines' broker on purpose: a run must notice. */
  readonly wrapBroker?: (broker: Broker) => Broker;
  /** Breaks the check of tokens on purpose. */
  readonly wrapAuthenticator?: (authenticator: Authenticator) => Authenticator;
  /** Other rules than `SIM_CONTRACT`'s. */
  readonly contract?: ContractDefinition;
  /** Breaks the network on purpose: what it answers arrives instead of the message. */
  readonly wrapMessage?: (client: string, message: Message) => Message | undefined;
}

export interface RunResult {
  readonly seed: number;
  readonly plan: FaultPlan;
  readonly workload: Workload;
  readonly violations: readonly Violation[];
  /** Of everything that happened. */
  readonly hash: string;
  readonly lastEvents: readonly string[];
  readonly events: number;
  readonly simulatedMs: number;
  /** What happened, to show that runs do something. */
  readonly counts: {
    readonly messages: number;
    readonly gaps: number;
    readonly published: number;
    readonly notPublished: number;
    readonly reconnects: number;
    readonly migrations: number;
    readonly duplicates: number;
    readonly drains: number;
  };
}

const HEAL_MS = FAULTS_TO_MS + 1000;
const QUIET_AFTER_MS = 2500;
const PROGRESS_WITHIN_MS = 75_000;
const EMPTY_WITHIN_MS = 30_000;
const LOOK_MS = 250;
const EXPIRY_SLACK_MS = 1500;

/** Plays the seed. Never throws for what the engines do: a violation says it. */
export function runSeed(seed: number, options: RunOptions): RunResult {
  const run = new Run(seed, options);
  run.play();
  return run.result();
}

/** What a seed will do, without doing it. */
export function planOf(seed: number): { readonly plan: FaultPlan; readonly workload: Workload } {
  const random = createSeededRandom(seed);
  const workload = drawWorkload(random.fork("workload"));
  return { workload, plan: drawFaults(random.fork("faults"), workload.clients.length) };
}

class Run {
  readonly #seed: number;
  readonly #options: RunOptions;
  readonly #random: SeededRandom;
  readonly #plan: FaultPlan;
  readonly #workload: Workload;
  readonly #loop: EventLoop;
  readonly #trace: Trace;
  readonly #verdict: Verdict;
  readonly #truth: BrokerTruth;
  readonly #broker: SimBroker;
  readonly #network: Network;
  readonly #cluster: Cluster;
  readonly #clients: readonly SimClient[];
  readonly #world: SimProcess;
  readonly #queueBytesMax: number;
  #lastOpen = 0;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    this.#options = options;
    this.#random = createSeededRandom(seed);
    const { plan, workload } = planOf(seed);
    this.#plan = plan;
    this.#workload = workload;
    this.#loop = new EventLoop({ settle: options.settle });
    const now = (): number => this.#loop.nowMs;
    this.#trace = new Trace({ keep: 60, now, live: options.trace });
    this.#verdict = new Verdict(now, ({ rule, text }) => this.#trace.add("oracle", rule, text));
    this.#truth = new BrokerTruth(this.#trace, now);
    const settings = drawSettings(this.#random.fork("settings"));
    this.#queueBytesMax = settings.flow.queueBytesMax + settings.limits.messageBytesMax;
    this.#broker = new SimBroker({
      loop: this.#loop,
      random: this.#random.fork("broker"),
      truth: this.#truth,
      faults: { latencyMs: plan.brokerLatencyMs, jitterMs: plan.brokerLatencyMs, failBefore: 0, failAfter: 0, timeoutMs: 2000 },
      limits: { firstLeaseMs: settings.timeouts.presenceLeaseMs },
    });
    this.#network = new Network({
      loop: this.#loop,
      random: this.#random.fork("network"),
      settings: { latencyMs: plan.latencyMs, jitterMs: plan.jitterMs, bytesPerMs: 5000, hardLimitBytes: this.#queueBytesMax },
    });
    this.#cluster = new Cluster(plan.slots, {
      loop: this.#loop,
      network: this.#network,
      broker: this.#broker,
      random: this.#random.fork("nodes"),
      settings,
      contract: options.contract ?? SIM_CONTRACT,
      rollsOut: this.#random.fork("revisions").chance(0.5),
      verdict: this.#verdict,
      trace: this.#trace,
      wrapBroker: options.wrapBroker ?? ((broker) => broker),
      wrapAuthenticator: options.wrapAuthenticator ?? ((authenticator) => authenticator),
      sending: (client, message, node) => {
        this.#checkExpiry(client, message, node);
        return options.wrapMessage === undefined ? message : options.wrapMessage(client, message);
      },
    });
    this.#clients = workload.clients.map((client) => this.#client(client));
    this.#world = this.#loop.process("world");
    for (const [index, fault] of plan.faults.entries()) {
      if (options.only === undefined || options.only.includes(index)) this.#world.at(fault.atMs, () => this.#strike(fault));
    }
  }

  play(): void {
    try {
      if (this.#until(HEAL_MS)) this.#healAndFinish();
    } catch (error) {
      this.#verdict.broken("bug", error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  result(): RunResult {
    const sum = (pick: (client: SimClient) => number): number => this.#clients.reduce((total, client) => total + pick(client), 0);
    const streams = (client: SimClient) => [...client.streams.values()];
    return {
      seed: this.#seed,
      plan: this.#plan,
      workload: this.#workload,
      violations: this.#verdict.violations,
      hash: this.#trace.hash(),
      lastEvents: this.#trace.last(),
      events: this.#loop.events,
      simulatedMs: this.#loop.nowMs,
      counts: {
        messages: sum((client) => streams(client).reduce((total, { messages }) => total + messages, 0)),
        gaps: sum((client) => streams(client).reduce((total, { gaps }) => total + gaps, 0)),
        published: sum(({ publishes }) => publishes.acknowledgements),
        notPublished: sum(({ publishes }) => publishes.failures.length),
        reconnects: sum(({ stats }) => stats.reconnects),
        migrations: sum(({ stats }) => stats.migrations),
        duplicates: sum(({ stats }) => stats.duplicates),
        drains: this.#cluster.drains,
      },
    };
  }

  // ---- the day ----

  #healAndFinish(): void {
    this.#heal();
    if (!this.#until(HEAL_MS + QUIET_AFTER_MS / 2)) return;
    // A publication that was lost on its way to a node is missed when the next one comes: let there be one in each channel.
    for (const { name, cls } of SIM_CHANNELS) this.#publishLast(name, cls === "latest" ? "last" : undefined);
    if (!this.#until(HEAL_MS + QUIET_AFTER_MS)) return;
    for (const client of this.#clients) client.quiet = true;
    if (!this.#within(PROGRESS_WITHIN_MS, () => this.#missing(), "progress")) return;
    this.#judgeDeploys();
    judgeStreams(this.#truth, this.#verdict);
    if (this.#verdict.guilty) return;
    for (const client of this.#clients) client.close();
    this.#within(EMPTY_WITHIN_MS, () => this.#leftOver(), "H4");
  }

  #publishLast(channel: string, key: string | undefined): void {
    const node = this.#cluster.nodes().find(({ engine }) => engine.state === "ready");
    const retry = (): void => this.#world.at(100, () => this.#publishLast(channel, key));
    if (node === undefined) return retry();
    const payload = { kind: "json", text: JSON.stringify({ id: `world in ${channel}` }) } as const;
    const request = { payload, idempotencyKey: `last in ${channel}`, ...(key === undefined ? {} : { key }) };
    this.#lastOpen += 1;
    void node.engine.publish(channel, request).then((outcome) => {
      this.#lastOpen -= 1;
      if (!outcome.ok) retry();
    });
  }

  /** Runs until then; false when something was broken. */
  #until(untilMs: number): boolean {
    this.#loop.run(untilMs, { after: () => !this.#verdict.guilty, eventsMax: 2_000_000 });
    this.#judgeStep();
    return !this.#verdict.guilty;
  }

  /** Runs until nothing is left of what `lacking` names; a violation when that takes too long. */
  #within(limitMs: number, lacking: () => string | undefined, rule: "progress" | "H4"): boolean {
    const endMs = this.#loop.nowMs + limitMs;
    for (;;) {
      if (!this.#until(this.#loop.nowMs + LOOK_MS)) return false;
      const found = lacking();
      if (found === undefined) return true;
      if (this.#loop.nowMs < endMs) continue;
      this.#verdict.broken(rule, `${limitMs} ms after ${rule === "H4" ? "everyone left" : "everything healed"}: ${found}`);
      return false;
    }
  }

  #heal(): void {
    const { latencyMs, jitterMs, brokerLatencyMs } = this.#plan;
    this.#trace.add("world", "heals");
    Object.assign(this.#network.settings, { latencyMs, jitterMs });
    Object.assign(this.#broker.faults, { latencyMs: brokerLatencyMs, jitterMs: brokerLatencyMs, failBefore: 0, failAfter: 0 });
    this.#cluster.heal();
  }

  // ---- faults ----

  #strike(fault: Fault): void {
    this.#trace.add("world", fault.kind);
    const client = "client" in fault ? this.#clients[fault.client] : undefined;
    const cluster = this.#cluster;
    switch (fault.kind) {
      case "cut": {
        const told = (side: "client" | "server") => (fault.told === "both" || fault.told === side ? this.#random.int(300) : "never");
        for (const connection of this.#connectionsOf(client)) connection.break({ clientMs: told("client"), serverMs: told("server") });
        return;
      }
      case "slow-reader":
        for (const connection of this.#connectionsOf(client)) connection.stall(connection.server, fault.forMs);
        return;
      case "slow-writer":
        for (const connection of this.#connectionsOf(client)) connection.stall(connection.client, fault.forMs);
        return;
      case "client-sleeps":
        client?.process.stall(fault.forMs);
        for (const connection of this.#connectionsOf(client)) connection.break({ clientMs: fault.forMs, serverMs: "never" });
        return;
      case "weather":
        return this.#during(fault.forMs, this.#network.settings, { latencyMs: fault.latencyMs, jitterMs: fault.jitterMs });
      case "node-killed":
        return cluster.kill(fault.slot, fault.how, fault.backAfterMs);
      case "node-stopped":
        return cluster.stop(fault.slot, fault.windowMs, fault.backAfterMs);
      case "node-drained":
        return cluster.drain(fault.slot, fault.windowMs, fault.undrainAfterMs);
      case "node-stalls":
        return cluster.stall(fault.slot, fault.forMs);
      case "clock-jumps":
        if (fault.who === "node") cluster.jumpClock(fault.index, fault.byMs);
        else this.#clients[fault.index % this.#clients.length]?.process.jumpWall(fault.byMs);
        return;
      case "broker-errors":
        return this.#during(fault.forMs, this.#broker.faults, { failBefore: fault.before, failAfter: fault.after });
      case "broker-slow":
        return this.#during(fault.forMs, this.#broker.faults, { latencyMs: fault.latencyMs });
      case "broker-cut":
        return cluster.cutBroker(fault.slot, fault.forMs);
      case "broker-hole":
        return cluster.loseOnTheWay(fault.slot, fault.count);
      case "broker-lost":
        return this.#broker.loseData(fault.downMs);
      case "history-removed": {
        const channel = SIM_CHANNELS[fault.channel % SIM_CHANNELS.length];
        if (channel !== undefined) void cluster.nodes()[0]?.engine.removeHistory(channel.name);
        return;
      }
      case "kicked":
        if (client !== undefined) void cluster.nodes()[0]?.engine.disconnect({ user: client.plan.name }, { reconnect: true });
        return;
    }
  }

  /** Changes settings for a while. A later change wins; healing ends all. */
  #during<T extends object>(forMs: number, target: T, change: Partial<T>): void {
    const before = Object.fromEntries(Object.keys(change).map((name) => [name, target[name as keyof T]]));
    Object.assign(target, change);
    this.#world.at(forMs, () => {
      if (!this.#cluster.healed) Object.assign(target, before);
    });
  }

  #connectionsOf(client: SimClient | undefined) {
    this.#network.sweep();
    return [...this.#network.connections].filter(({ client: end }) => end.process === client?.process);
  }

  // ---- judging ----

  #judgeStep(): void {
    for (const text of this.#truth.violations) this.#verdict.broken("bug", text);
    for (const { plan, stats } of this.#clients) {
      if (stats.undeclared > 0) this.#verdict.broken("H2", `${plan.name} found ${stats.undeclared} undeclared holes`);
    }
    for (const { id, server } of this.#network.connections) {
      if (server.queuedBytesPeak <= this.#queueBytesMax) continue;
      this.#verdict.broken("H4", `connection ${id} of ${server.peer.process.name} had ${server.queuedBytesPeak} bytes in its queue`);
    }
  }

  /** In a run of drains alone nobody may notice anything (H6, H7). */
  #judgeDeploys(): void {
    if (this.#plan.profile !== "deploy") return;
    const left = new Set(this.#clients.filter(({ leaves }) => leaves).map(({ plan }) => plan.name));
    for (const { plan, leaves, statesSeen, publishes, presence, streams, stats } of this.#clients) {
      if (leaves) continue;
      const others = statesSeen.filter((state) => state !== "connected" && state !== "closed");
      if (others.length > 0) this.#verdict.broken("H6", `${plan.name} saw ${statesSeen.join(", ")} in a run of drains alone`);
      const failures = publishes.failures.filter((code) => code !== "closed" && code !== "permission_denied");
      if (failures.length > 0) this.#verdict.broken("H6", `${plan.name} could not publish: ${failures.join(", ")}`);
      for (const user of presence?.leaves ?? []) {
        if (!left.has(user)) this.#verdict.broken("H7", `${plan.name} was told that ${user} had left`);
      }
      for (const [channel, { gaps }] of streams) {
        // What keeps little may lose; large publications may fill a queue.
        const lossy = channel.startsWith("small:") || (channel.startsWith("cursor:") && this.#workload.heavy);
        if (gaps > 0 && !lossy) this.#verdict.broken("H1", `${plan.name} was told of ${gaps} gaps in ${channel}`);
      }
      if (stats.reconnects > 0) this.#verdict.broken("H6", `${plan.name} reconnected ${stats.reconnects} times`);
    }
  }

  /** What is not yet as it should be after healing. */
  #missing(): string | undefined {
    if (!this.#cluster.whole) return "a node is not ready";
    if (this.#lastOpen > 0) return "a last publication is not published";
    for (const client of this.#clients) {
      const lacking = client.missing();
      if (lacking !== undefined) return lacking;
    }
    const members = this.#clients
      .filter(({ plan, left }) => plan.member && !left)
      .map((client) => ({ id: client.session ?? "no session", data: client.memberData }));
    for (const client of this.#clients) {
      const lacking = client.left ? undefined : client.presence?.missing(members);
      if (lacking !== undefined) return lacking;
    }
    return undefined;
  }

  /** What the nodes and the broker still keep of clients that have all left. */
  #leftOver(): string | undefined {
    for (const { plan, closed, process } of this.#clients) {
      if (!closed) return `${plan.name} is not closed`;
      if (process.waiting() > 0) return `${plan.name} has ${process.waiting()} timers`;
    }
    for (const { name, engine } of this.#cluster.nodes()) {
      const { connections, sessions, subscriptions, channels, queueBytes } = engine.info();
      const kept = { connections, sessions, subscriptions, channels, queueBytes };
      if (Object.values(kept).some((count) => count !== 0)) return `${name} keeps ${JSON.stringify(kept)}`;
    }
    const { members } = this.#broker.figures();
    return members === 0 ? undefined : `the broker keeps ${members} members`;
  }

  /** Nothing of a channel leaves for a client whose token is over (H5). */
  #checkExpiry(client: string, message: Message, node: SimNode): void {
    const known = this.#clients.find(({ plan }) => plan.name === client);
    if (known === undefined || known.tokenEndsWallMs === 0) return;
    if (this.#loop.wallMs() <= known.tokenEndsWallMs + EXPIRY_SLACK_MS + this.#cluster.slackMs(node)) return;
    const holdsPub =
      typeof message === "string" ? message.includes('"t":"pub"') : msgpackClientCodec.decode(message).some(({ t }) => t === "pub");
    if (holdsPub) this.#verdict.broken("H5", `${node.name} sent a publication to ${client}, whose token is over`);
  }

  #client(plan: Workload["clients"][number]): SimClient {
    return new SimClient({
      plan,
      loop: this.#loop,
      process: this.#loop.process(plan.name),
      network: this.#network,
      random: this.#random.fork(plan.name),
      truth: this.#truth,
      verdict: this.#verdict,
      trace: this.#trace,
      frames: this.#options.frames ?? false,
    });
  }
}
