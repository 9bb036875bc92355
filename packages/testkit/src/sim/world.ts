// Owns: everything that a run consists of, made from its seed: clients, nodes, broker, network, and
// the record of what happens.
import type { ContractDefinition } from "@holdfast/contract";
import type { Authenticator, Broker } from "@holdfast/core";
import { createSeededRandom, type SeededRandom } from "@holdfast/core";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import { BrokerTruth } from "./broker-truth.ts";
import { Cluster } from "./cluster.ts";
import { CommandOracle } from "./command-oracle.ts";
import type { Message } from "./connection.ts";
import { EventLoop, type SimProcess } from "./event-loop.ts";
import { drawFaults, type FaultPlan } from "./faults.ts";
import { HostileClient, hoarded } from "./hostile-client.ts";
import { HostileOracle } from "./hostile-oracle.ts";
import { HOARD } from "./hostile-plan.ts";
import { Network } from "./network.ts";
import { removedIn } from "./removal-oracle.ts";
import { type DrawnSettings, drawSettings } from "./settings.ts";
import { SimBroker } from "./sim-broker.ts";
import { SimClient } from "./sim-client.ts";
import type { SimNode } from "./sim-node.ts";
import { Trace } from "./trace.ts";
import { Verdict } from "./verdict.ts";
import { drawWorkload, SIM_CONTRACT, type Workload } from "./workload.ts";

/** How a run is carried out, and what a test breaks in it on purpose. */
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
  /** Other settings than the drawn ones: for what only some settings make likely. */
  readonly wrapSettings?: (settings: DrawnSettings) => DrawnSettings;
  /** Breaks the network on purpose: what it answers arrives instead of the message. */
  readonly wrapMessage?: (client: string, message: Message) => Message | undefined;
}

export interface World {
  readonly plan: FaultPlan;
  readonly workload: Workload;
  readonly random: SeededRandom;
  readonly loop: EventLoop;
  readonly trace: Trace;
  readonly verdict: Verdict;
  readonly truth: BrokerTruth;
  readonly broker: SimBroker;
  readonly network: Network;
  readonly cluster: Cluster;
  readonly clients: readonly SimClient[];
  readonly hostiles: HostileOracle;
  readonly commands: CommandOracle;
  /** What happens to the world happens in this process. */
  readonly fate: SimProcess;
  /** More than this may wait for no client. */
  readonly queueBytesMax: number;
  readonly settings: ReturnType<typeof drawSettings>;
}

const BROKER_TIMEOUT_MS = 2000;
const WIRE_BYTES_PER_MS = 5000;
/** A node ends a session this late at most when its token is over. */
const EXPIRY_SLACK_MS = 1500;
const EVENTS_KEPT = 60;
const FILLED_MS = 1000;
/** A frame that asks to move, in JSON; clients that speak MessagePack are not looked at. */
const NOTICE = '"t":"migrate"';

/** What a seed will do, without doing it. */
export function planOf(seed: number): { readonly plan: FaultPlan; readonly workload: Workload } {
  const random = createSeededRandom(seed);
  const workload = drawWorkload(random.fork("workload"));
  return { workload, plan: drawFaults(random.fork("faults"), workload.clients.length) };
}

export function createWorld(seed: number, options: RunOptions): World {
  const random = createSeededRandom(seed);
  const { plan, workload } = planOf(seed);
  const loop = new EventLoop({ settle: options.settle });
  const now = (): number => loop.nowMs;
  const trace = new Trace({ keep: EVENTS_KEPT, now, live: options.trace });
  const verdict = new Verdict(now, ({ rule, text }) => trace.add("oracle", rule, text));
  const truth = new BrokerTruth(trace, now);
  const drawn = drawSettings(random.fork("settings"));
  const settings = options.wrapSettings?.(drawn) ?? drawn;
  const queueBytesMax = settings.flow.queueBytesMax + settings.limits.messageBytesMax;
  const broker = new SimBroker({
    loop,
    random: random.fork("broker"),
    truth,
    faults: {
      latencyMs: plan.brokerLatencyMs,
      jitterMs: plan.brokerLatencyMs,
      failBefore: 0,
      failAfter: 0,
      timeoutMs: BROKER_TIMEOUT_MS,
      feedApart: random.fork("feed").chance(0.5),
    },
    limits: { firstLeaseMs: settings.timeouts.presenceLeaseMs },
  });
  const network = new Network({
    loop,
    random: random.fork("network"),
    balancer: plan.balancer,
    settings: {
      latencyMs: plan.latencyMs,
      jitterMs: plan.jitterMs,
      bytesPerMs: WIRE_BYTES_PER_MS,
      hardLimitBytes: queueBytesMax,
    },
  });
  const cluster: Cluster = new Cluster(plan.slots, {
    loop,
    network,
    broker,
    random: random.fork("nodes"),
    settings,
    contract: options.contract ?? SIM_CONTRACT,
    rollsOut: random.fork("revisions").chance(0.5),
    verdict,
    trace,
    wrapBroker: options.wrapBroker ?? ((view) => view),
    wrapAuthenticator: options.wrapAuthenticator ?? ((authenticator) => authenticator),
    sending: (client, message, node) => {
      checkExpiry(world, { client, message, node });
      checkRemoval(world, { client, message, node });
      if (typeof message === "string" && message.includes(NOTICE)) commands.noticed(client);
      return options.wrapMessage === undefined ? message : options.wrapMessage(client, message);
    },
    reads: (node, channel) => world.hostiles.reads(node, channel, loop.nowMs),
  });
  const clients = workload.clients.map(
    (client) =>
      new SimClient({
        plan: client,
        loop,
        process: loop.process(client.name),
        network,
        random: random.fork(client.name),
        truth,
        verdict,
        trace,
        clocksWrong: () => cluster.clocksWrong,
        frames: options.frames ?? false,
      }),
  );
  const hostiles = workload.hostile.map(
    (hostile) =>
      new HostileClient({
        plan: hostile,
        loop,
        process: loop.process(hostile.name),
        network,
        random: random.fork(hostile.name),
        trace,
        verdict,
      }),
  );
  const fate = loop.process("world");
  const commands = new CommandOracle({ plan, clients, cluster, fate, verdict, trace });
  const world: World = {
    plan,
    workload,
    random,
    loop,
    trace,
    verdict,
    truth,
    broker,
    network,
    cluster,
    clients,
    hostiles: new HostileOracle(hostiles, settings, {
      verdict,
      readsPerChannel: plan.profile === "chaos" ? 1 : 0,
    }),
    commands,
    fate,
    queueBytesMax,
    settings,
  };
  if (hostiles.length > 0) fate.at(FILLED_MS, () => fillHoards(world));
  return world;
}

/** Through the interface of back ends. */
function fillHoards({ cluster, workload }: World): void {
  const node = cluster.nodes().find(({ engine }) => engine.state === "ready");
  for (const channel of workload.hostile.flatMap(({ channels }) => channels)) {
    for (let count = 0; count < HOARD.publications; count++) {
      const text = JSON.stringify(hoarded(channel, count));
      void node?.engine.publish(channel, { payload: { kind: "json", text } });
    }
  }
}

interface Sent {
  readonly client: string;
  readonly message: Message;
  readonly node: SimNode;
}

/** Nothing leaves that was removed. */
export function checkRemoval(world: World, { client, message, node }: Sent): void {
  const { truth, broker, cluster, loop, verdict } = world;
  const found = removedIn(message, {
    truth,
    nowMs: loop.nowMs,
    hearsSinceMs: Math.max(node.view.reachedMs, broker.disturbedUntilMs) + cluster.stalledMs(node),
  });
  if (found !== undefined)
    verdict.broken("removal", `${node.name} sent ${client} what was removed: ${found}`);
}

/** Nothing of a channel leaves for a client whose token is over (H5). */
function checkExpiry(world: World, { client, message, node }: Sent): void {
  const known = world.clients.find(({ plan }) => plan.name === client);
  if (known === undefined || known.tokenEndsWallMs === 0) return;
  if (world.loop.wallMs() <= known.tokenEndsWallMs + EXPIRY_SLACK_MS + world.cluster.slackMs(node))
    return;
  const holdsPub =
    typeof message === "string"
      ? message.includes('"t":"pub"')
      : msgpackClientCodec.decode(message).some(({ t }) => t === "pub");
  if (holdsPub)
    world.verdict.broken("H5", `${node.name} sent a publication to ${client}, whose token is over`);
}
