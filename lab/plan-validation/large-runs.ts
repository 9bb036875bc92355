// Owns: the runs with 10,000 clients: a chat, all connections at once, a killed node, a rolling
// restart; and the model's prediction of each.
import {
  type Calibration,
  costsOf,
  loadOfNode,
  type MassReconnectOptions,
  type MassReconnectResult,
  NODE_SETTINGS,
  receiverOf,
  SCENARIO_DEFAULTS,
  type Scenario,
  simulateMassReconnect,
  simulateRollingDeploy,
  windowForPace,
} from "@holdfast/plan";
import { type Figure, figure } from "./result.ts";
import type { NodeSettings, ValidationGround } from "./test-bed.ts";

export interface LargeOptions {
  readonly ground: ValidationGround;
  readonly calibration: Calibration;
  readonly clients: number;
  readonly say: (text: string) => void;
}

const A = 500;
const ROOM = 100;
const PUBLISHES_PER_SECOND = 200;
const DATA_BYTES = 100;
const CHAT_S = 10;
const PRE_DELAY_MS = 500;
const CONNECTS_PER_SECOND = 400;
const SETTLE_MS = 6000;
const BACK_MS_MAX = 120_000;
const LOOPBACK_MS = 0.2;
const SEEDS = 9;

/**
 * Two nodes: a chat, then all connections are dropped, with the window that clients were told and
 * without, then one node is killed.
 */
export async function stormRuns({
  ground,
  calibration,
  clients,
  say,
}: LargeOptions): Promise<readonly Figure[]> {
  const settings: NodeSettings = {
    handshakesPerSecond: A,
    preDelayMs: PRE_DELAY_MS,
    windowMs: 20_000,
  };
  const ids = [await ground.startNode(settings), await ground.startNode(settings)];
  await connectAll(ground, ids, clients);
  const run = (name: string): string => `${clients.toLocaleString("en-US")} clients, ${name}`;
  const scenario = scenarioOf(clients, 2);

  say("chat");
  const chat = await chatOf(ground, ids);
  const load = loadOfNode({ ...scenario, calibration }, 2);
  const figures: Figure[] = [
    figure(run("2 nodes, chat"), "CPU for each delivery", "µs", {
      predicted: (load.cpuShare * 1e6) / load.deliveriesPerSecond,
      measured: chat.usPerDelivery,
    }),
    figure(run("2 nodes, chat"), "resident memory of a node", "MB", {
      predicted: (load.memoryBytes - load.kernelBytes) / 1e6,
      measured: chat.rssBytes / 1e6,
    }),
  ];

  say("all connections at once");
  const stormWindowMs = await told(ground);
  await ground.all("mark");
  await ground.all("drop");
  const storm = await everyoneBack(ground, clients);
  const idle = { ...scenario, demand: { ...scenario.demand, publishesPerSecond: 0 } };
  figures.push(
    ...massReconnectFigures(
      run("all connections dropped at once"),
      massReconnectOf(idle, calibration, { clients, nodes: 2, windowMs: stormWindowMs }),
      storm,
    ),
  );

  say("all connections at once, without a window");
  await Bun.sleep(SETTLE_MS);
  await ground.all("mark");
  await ground.all("drop", { windows: false });
  const bare = await everyoneBack(ground, clients);
  figures.push(
    ...massReconnectFigures(
      run("the same, nobody told a window"),
      massReconnectOf(idle, calibration, { clients, nodes: 2, windowMs: 0 }),
      bare,
    ),
  );

  say("a node is killed");
  await Bun.sleep(SETTLE_MS);
  const killWindowMs = await told(ground);
  const [first = "", second = ""] = ids;
  await ground.balance([second]);
  await ground.all("mark");
  await ground.kill(first);
  const kill = await everyoneBack(ground, clients);
  const lost = await ground.sum("losses");
  figures.push(
    ...massReconnectFigures(
      run("one of two nodes killed"),
      massReconnectOf(idle, calibration, { clients: lost, nodes: 1, windowMs: killWindowMs }),
      {
        ...kill,
        clients: lost,
      },
    ),
  );
  await ground.clear();
  return figures;
}

/** Three nodes are replaced one after the other; also how long a node took to start. */
export async function rollingDeployRun({
  ground,
  calibration,
  clients,
  say,
}: LargeOptions): Promise<{ readonly figures: readonly Figure[]; readonly startMs: number }> {
  const nodes = 3;
  const windowMs = windowForPace(clients / nodes, A, A);
  const settings: NodeSettings = { handshakesPerSecond: A, preDelayMs: PRE_DELAY_MS, windowMs };
  const ids: string[] = [];
  for (let node = 0; node < nodes; node++) ids.push(await ground.startNode(settings));
  await connectAll(ground, ids, clients);
  say("a rolling restart");
  await ground.all("mark");
  const startedMs = performance.now();
  let startMs = 0;
  let live = [...ids];
  for (const old of ids) {
    const beginMs = performance.now();
    const fresh = await ground.startNode(settings, "2");
    startMs += performance.now() - beginMs;
    live = [...live.filter((id) => id !== old), fresh];
    await ground.balance(live);
    await ground.drain(old);
  }
  const tookMs = performance.now() - startedMs;
  const [moves, losses, attempts, peak] = [
    await ground.sum("moves"),
    await ground.sum("losses"),
    await ground.sum("attempts"),
    await peakOfNode(ground),
  ];
  await ground.clear();
  const scenario = scenarioOf(clients, nodes);
  const predicted = simulateRollingDeploy({
    sessions: clients,
    nodes,
    node: { receiver: receiverOf(scenario), costs: costsOf(scenario, calibration), background: 0 },
    balancer: "least-connections",
    startMs: startMs / nodes,
    preDelayMs: PRE_DELAY_MS,
    windowMs,
    perSecondMax: A,
    connectTimeoutMs: NODE_SETTINGS.connectTimeoutMs,
    networkMs: LOOPBACK_MS,
    eventsMax: 5_000_000,
    seed: 1,
  });
  const run = `${clients.toLocaleString("en-US")} clients, rolling restart of ${nodes} nodes`;
  const figures = [
    figure(run, "whole time, starts of nodes as measured", "s", {
      predicted: predicted.tookMs / 1000,
      measured: tookMs / 1000,
    }),
    figure(run, "moves for each session", "", {
      predicted: predicted.movesPerSession,
      measured: moves / clients,
    }),
    figure(run, "attempts for each move", "", {
      predicted: predicted.attemptsPerMove,
      measured: attempts / Math.max(1, moves),
    }),
    figure(run, "sessions cut", "", { predicted: predicted.cut, measured: losses }),
    figure(run, "peak connections of a node", "/s", {
      predicted: predicted.attemptsPerSecondMax,
      measured: peak,
    }),
  ];
  return { figures, startMs: startMs / nodes };
}

function scenarioOf(clients: number, nodes: number): Scenario {
  return {
    demand: {
      ...SCENARIO_DEFAULTS.demand,
      clients,
      publishesPerSecond: PUBLISHES_PER_SECOND,
      roomSize: ROOM,
      dataBytes: DATA_BYTES,
    },
    node: { ...SCENARIO_DEFAULTS.node, handshakesPerSecond: A },
    fleet: { ...SCENARIO_DEFAULTS.fleet, nodes },
  };
}

async function connectAll(
  ground: ValidationGround,
  ids: readonly string[],
  clients: number,
): Promise<void> {
  const each = clients / ground.drivers;
  await ground.balance(ids);
  await ground.startClients({
    each,
    perSecond: CONNECTS_PER_SECOND / ground.drivers,
    roomSize: ROOM,
  });
  await everyoneBack(ground, clients);
  // Until then losing a connection would not count as its first.
  await Bun.sleep(SETTLE_MS);
}

async function chatOf(
  ground: ValidationGround,
  ids: readonly string[],
): Promise<{ readonly usPerDelivery: number; readonly rssBytes: number }> {
  await ground.all("mark");
  const cpuUs = (): number => ids.reduce((sum, id) => sum + ground.cpuUs(id), 0);
  const beforeUs = cpuUs();
  const perSecond = PUBLISHES_PER_SECOND / ground.drivers;
  await ground.all("publish", { count: perSecond * CHAT_S, perSecond, bytes: DATA_BYTES });
  await Bun.sleep(500);
  const deliveries = await ground.sum("deliveries");
  return {
    usPerDelivery: (cpuUs() - beforeUs) / deliveries,
    rssBytes: ids.reduce((sum, id) => sum + ground.rssBytes(id), 0) / ids.length,
  };
}

/** The window that clients know: they ask once, as the SDK's pings do all the time. */
async function told(ground: ValidationGround): Promise<number> {
  await ground.all("ping", { perSecond: 1000 });
  await Bun.sleep(300);
  const statuses = await ground.all("status");
  return Math.max(...statuses.map(({ windowMs }) => Number(windowMs)));
}

interface Back {
  readonly clients: number;
  readonly backMs: number;
  readonly attempts: number;
  readonly peak: number;
}

async function everyoneBack(ground: ValidationGround, clients: number): Promise<Back> {
  for (let turn = 0; turn * 200 < BACK_MS_MAX; turn++) {
    if ((await ground.sum("connected")) === clients) break;
    await Bun.sleep(200);
  }
  const statuses = await ground.all("status");
  const backMs = Math.max(...statuses.map(({ lastArrivalMs }) => Number(lastArrivalMs)));
  return {
    clients,
    backMs,
    attempts: await ground.sum("attempts"),
    peak: await peakOfNode(ground),
  };
}

/**
 * Most connections that any node was given in any second (in steps of a tenth), of all drivers
 * together.
 */
async function peakOfNode(ground: ValidationGround): Promise<number> {
  const slots = new Map<number, Map<number, number>>();
  for (const { attempts } of await ground.all("times"))
    for (const [atMs, port] of attempts as readonly (readonly [number, number])[]) {
      const ofPort = slots.get(port) ?? new Map<number, number>();
      const slot = Math.floor(atMs / 100);
      slots.set(port, ofPort.set(slot, (ofPort.get(slot) ?? 0) + 1));
    }
  const peaks = [...slots.values()].flatMap((ofPort) =>
    [...ofPort.keys()].map((slot) =>
      Array.from({ length: 10 }, (_, back) => ofPort.get(slot - back) ?? 0).reduce(
        (sum, count) => sum + count,
        0,
      ),
    ),
  );
  return Math.max(0, ...peaks);
}

function massReconnectOf(
  scenario: Scenario,
  calibration: Calibration,
  massReconnect: { readonly clients: number; readonly nodes: number; readonly windowMs: number },
): MassReconnectOptions {
  return {
    ...massReconnect,
    balancer: "least-connections",
    receiver: receiverOf(scenario),
    costs: costsOf(scenario, calibration),
    background: 0,
    connectTimeoutMs: NODE_SETTINGS.connectTimeoutMs,
    networkMs: LOOPBACK_MS,
    horizonMs: BACK_MS_MAX,
    eventsMax: 5_000_000,
    seed: 1,
  };
}

/** A few late clients decide when all are back, so several seeds are tried. */
export function predictedMassReconnects(
  options: MassReconnectOptions,
): readonly MassReconnectResult[] {
  return Array.from({ length: SEEDS }, (_, place) =>
    simulateMassReconnect({ ...options, seed: place + 1 }),
  );
}

function massReconnectFigures(
  run: string,
  options: MassReconnectOptions,
  { clients, backMs, attempts, peak }: Back,
): readonly Figure[] {
  const massReconnects = predictedMassReconnects(options);
  const predicted = (of: (massReconnect: MassReconnectResult) => number): readonly number[] =>
    massReconnects.map(of);
  return [
    figure(run, "everyone back", "s", {
      predicted: predicted((massReconnect) => (massReconnect.backMs ?? options.horizonMs) / 1000),
      measured: backMs / 1000,
    }),
    figure(run, "attempts for each client", "", {
      predicted: predicted((massReconnect) => massReconnect.attemptsPerClient),
      measured: attempts / Math.max(1, clients),
    }),
    figure(run, "peak connections of a node", "/s", {
      predicted: predicted((massReconnect) => massReconnect.attemptsPerSecondMax),
      measured: peak,
    }),
  ];
}
