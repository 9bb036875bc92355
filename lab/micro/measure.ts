// Owns: one round of one server: memory of connections, then the cost of publishing to 1, 1,000 and
// all of them.
import { BenchError } from "./bench-error.ts";
import { Child } from "./child.ts";
import type { Data } from "./commands.ts";
import type { Rival } from "./dialects.ts";
import { payloadObject } from "./payload.ts";
import type { Plan } from "./plan.ts";

/** The cost of one measured fan-out. */
export interface FanOut {
  readonly deliveries: number;
  readonly userUs: number;
  readonly systemUs: number;
  /** From the first publish to the last arrival. */
  readonly deliveriesPerSecond: number;
  /**
   * Publications that did not arrive, plus those that arrived without being expected; must be 0.
   */
  readonly wrong: number;
}

export interface Round {
  readonly idleBytes: number;
  readonly subscribedBytes: number;
  readonly fanOuts: Readonly<Record<string, FanOut>>;
}

interface Bench {
  readonly plan: Plan;
  readonly rival: Rival;
  readonly server: Child;
  readonly drivers: readonly Child[];
}

/**
 * What is published to: links `from`..`to` are subscribed as `plan` says, and each gets `perLink`
 * of `count` publications.
 */
interface Target {
  readonly from: number;
  readonly to: number;
  readonly channels: readonly string[];
  readonly count: number;
  readonly perSecond: number;
}

const WARM_UP_CONNECTIONS = 200;
const WAIT_MS = 30_000;

/** Starts the server and drivers, measures, and ends them whatever happens. */
export async function measureRound(
  plan: Plan,
  rival: Rival,
  commands: { readonly server: readonly string[]; readonly driver: readonly string[] },
): Promise<Round> {
  const server = await Child.start(commands.server);
  const drivers: Child[] = [];
  try {
    for (let n = 0; n < plan.drivers; n++) drivers.push(await Child.start(commands.driver));
    return await measure({ plan, rival, server, drivers });
  } finally {
    await Promise.all([server, ...drivers].map((child) => child.stop()));
  }
}

async function measure(bench: Bench): Promise<Round> {
  const { plan, server } = bench;
  await connect(bench, WARM_UP_CONNECTIONS);
  await all(bench, "close");
  const emptyBytes = await server.settledRssBytes(plan.settleReadings);
  await connect(bench, plan.connections);
  const idleBytes = (await server.settledRssBytes(plan.settleReadings)) - emptyBytes;
  await subscribe(bench, { plan: "mixed", name: "memory", from: 0, to: plan.connections });
  const subscribedBytes = (await server.settledRssBytes(plan.settleReadings)) - emptyBytes;
  const fanOuts = await measureFanOuts(bench);
  return {
    idleBytes: idleBytes / plan.connections,
    subscribedBytes: subscribedBytes / plan.connections,
    fanOuts,
  };
}

async function measureFanOuts(bench: Bench): Promise<Record<string, FanOut>> {
  const { plan, rival } = bench;
  const room = sharedTarget("room", plan.room, {
    perSecond: plan.roomPerSecond,
    windowMs: plan.roomWindowMs,
  });
  const everyone = sharedTarget("everyone", plan.connections, {
    perSecond: plan.everyonePerSecond,
    windowMs: plan.windowMs,
  });
  const singles: Target = {
    from: 0,
    to: plan.room,
    channels: Array.from({ length: plan.room }, (_, n) => `single-${n}`),
    count: Math.ceil((plan.singlesPerSecond * plan.windowMs) / 1000 / plan.room) * plan.room,
    perSecond: plan.singlesPerSecond,
  };
  await subscribe(bench, { plan: "own", name: "single", from: 0, to: plan.room });
  await subscribe(bench, { plan: "same", name: "room", from: 0, to: plan.room });
  await subscribe(bench, { plan: "same", name: "everyone", from: 0, to: plan.connections });
  // A server that runs for weeks has compiled its hot code: so must this one before it is measured.
  await fanOut(bench, { ...singles, perSecond: 0 }, "server");
  await fanOut(bench, { ...room, count: Math.ceil(room.count / 4), perSecond: 0 }, "server");
  const fanOuts: Record<string, FanOut> = {
    single: await fanOut(bench, singles, "server"),
    room: await fanOut(bench, room, "server"),
    everyone: await fanOut(bench, everyone, "server"),
    flatOut: await fanOut(
      bench,
      { ...room, count: Math.ceil(room.count / 2), perSecond: 0 },
      "server",
    ),
  };
  if (rival === "holdfast")
    fanOuts.clientRoom = await fanOut(
      bench,
      { ...room, count: Math.ceil(room.count / 2) },
      "client",
    );
  return fanOuts;
}

/** One channel for the first links. */
function sharedTarget(
  name: string,
  links: number,
  pace: { readonly perSecond: number; readonly windowMs: number },
): Target {
  const perSecond = pace.perSecond / links;
  return {
    from: 0,
    to: links,
    channels: [name],
    count: Math.ceil((perSecond * pace.windowMs) / 1000),
    perSecond,
  };
}

async function fanOut(
  bench: Bench,
  target: Target,
  publisher: "server" | "client",
): Promise<FanOut> {
  const { plan, server, drivers } = bench;
  const range = { from: target.from, to: target.to };
  const perLink = target.count / target.channels.length;
  const share = plan.connections / plan.drivers;
  const targets = drivers.map(
    (_, n) =>
      Math.max(0, Math.min(target.to, (n + 1) * share) - Math.max(target.from, n * share)) *
      perLink,
  );
  await Promise.all(
    drivers.map((driver, n) =>
      driver.ask("expect", { target: targets[n] === 0 ? Number.MAX_SAFE_INTEGER : targets[n] }),
    ),
  );
  const before = await server.ask("usage");
  const order = {
    channels: target.channels,
    channel: target.channels[0],
    count: target.count,
    perSecond: target.perSecond,
  };
  const [last] = drivers.slice(-1);
  const { startedMs } =
    publisher === "server"
      ? await server.ask("publish", order)
      : await asClient(last, { ...order, data: JSON.stringify(payloadObject(1)) });
  const counts = await Promise.all(
    drivers.map((driver, n) =>
      targets[n] === 0
        ? { total: 0, elsewhere: 0 }
        : driver.ask("wait", { ...range, timeoutMs: WAIT_MS }),
    ),
  );
  const after = await server.ask("usage");
  const deliveries = targets.reduce((sum, expected) => sum + expected, 0);
  const lastArrivalMs = Math.max(...counts.map((count: Data) => Number(count.lastArrivalMs ?? 0)));
  return {
    deliveries,
    userUs: (Number(after.userUs) - Number(before.userUs)) / deliveries,
    systemUs: (Number(after.systemUs) - Number(before.systemUs)) / deliveries,
    deliveriesPerSecond: (deliveries / (lastArrivalMs - Number(startedMs))) * 1000,
    wrong: counts.reduce((sum, count, n) => sum + wrongOf(count, targets[n] ?? 0, perLink), 0),
  };
}

/**
 * The last driver publishes: on this plan it has no subscriber of the room, so counts stay apart.
 */
async function asClient(driver: Child | undefined, order: Data): Promise<Data> {
  const answer = (await driver?.ask("publish", order)) ?? {};
  if (answer.acknowledged !== order.count)
    throw new BenchError(
      "load_failed",
      `Cannot count: found ${String(answer.acknowledged)} acknowledged publishes, expected ${String(order.count)}`,
    );
  return answer;
}

function wrongOf(count: Data, expected: number, perLink: number): number {
  if (expected === 0) return 0;
  const uneven = count.least === perLink && count.most === perLink ? 0 : 1;
  return (
    Math.abs(expected - Number(count.total)) +
    Number(count.elsewhere) +
    Number(count.failed) +
    uneven
  );
}

async function connect(bench: Bench, connections: number): Promise<void> {
  const share = connections / bench.drivers.length;
  const { port } = bench.server.hello;
  const perSecond = bench.plan.connectsPerSecond / bench.drivers.length;
  const answers = await Promise.all(
    bench.drivers.map((driver, n) =>
      driver.ask("connect", {
        rival: bench.rival,
        port,
        first: n * share,
        count: share,
        perSecond,
      }),
    ),
  );
  refuseFailures(bench.rival, answers);
}

async function subscribe(bench: Bench, order: Data): Promise<void> {
  const perSecond = bench.plan.connectsPerSecond / bench.drivers.length;
  refuseFailures(bench.rival, await all(bench, "subscribe", { ...order, perSecond }));
}

function all(bench: Bench, cmd: string, args: Data = {}): Promise<readonly Data[]> {
  return Promise.all(bench.drivers.map((driver) => driver.ask(cmd, args)));
}

function refuseFailures(rival: Rival, answers: readonly Data[]): void {
  const failures = answers.flatMap((answer) => answer.failures as readonly string[]);
  if (failures.length > 0) throw new BenchError("load_failed", `${rival}: ${failures.join("; ")}`);
}
