// Owns: everything that the telemetry proof starts, and one step with it.
import { mkdirSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { Helper } from "@holdfast/load/processes";
import { eventually, ProveError } from "../prove-error.ts";
import { RedisServers } from "../redis-servers.ts";
import { StolenTime } from "../stolen-time.ts";
import { readAcks } from "./ack-log.ts";
import type { DeviceCount } from "./device.ts";
import type { DevicesFigures } from "./device-counts.ts";
import { countsOf, differences, roundTripsOf } from "./device-figures.ts";
import type { DevicesCommands } from "./devices.ts";
import { siteOf } from "./events.ts";
import { Nodes } from "./nodes.ts";
import type { Got } from "./oracle.ts";
import type { Spread } from "./result.ts";
import { Database, KAFKA_ACCOUNT, Kafka } from "./servers.ts";
import type { TelemetryStep } from "./steps.ts";
import type { TelemetryPlan } from "./telemetry-plan.ts";
import {
  type Arrival,
  EventsWatcher,
  KafkaWatcher,
  SocketWatcher,
  type WindowRow,
} from "./watchers.ts";

const PROCESSES = 2;
const START_MS = 60_000;
/** A step that takes longer ends the proof. */
const STEP_MS = 180_000;
const SAMPLE_MS = 1000;
/** Results are as fresh as before if they come within so long after they could. */
const FRESH_MS = 2000;
const SETTLED_MS = 120_000;
const LEFT_OUT = 1_000_000_000;

/** What was seen in a step, beside the oracle's account. */
export interface Seen {
  readonly name: string;
  readonly title: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly tookMs: number;
  readonly caughtUpMs: number;
  readonly roundTripMs: Spread;
  readonly devices: Readonly<Partial<Record<DeviceCount, number>>>;
  readonly lagMax: number;
  readonly stateBytesMax: number;
  readonly stolenPercent: number;
  readonly load: number;
  readonly mayTellGaps: boolean;
  /** Events of the nodes' logs, with their counts. */
  readonly logged: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

export interface DirectArrival {
  readonly key: string;
  readonly at: number;
  readonly value: number;
  readonly atMs: number;
}

export interface BenchOptions {
  readonly plan: TelemetryPlan;
  readonly folder: string;
  readonly say: (text: string) => void;
}

export class TelemetryBench {
  readonly #options: BenchOptions;
  readonly #devices: Helper<DevicesCommands>[] = [];
  readonly directByKafka: DirectArrival[] = [];
  /** From the write to the consumer. */
  readonly straightByKafka: number[] = [];
  readonly #byKafka: Arrival[] = [];
  #redis: RedisServers | undefined;
  #database: Database | undefined;
  #kafka: Kafka | undefined;
  #nodes: Nodes | undefined;
  #socket: SocketWatcher | undefined;
  #events: EventsWatcher | undefined;
  #followers: KafkaWatcher[] = [];
  #isDirect = false;

  constructor(options: BenchOptions) {
    this.#options = options;
    rmSync(options.folder, { recursive: true, force: true });
    mkdirSync(join(options.folder, "nodes"), { recursive: true });
  }

  get nodes(): Nodes {
    return started(this.#nodes);
  }
  get database(): Database {
    return started(this.#database);
  }
  get kafka(): Kafka {
    return started(this.#kafka);
  }
  get redisVersion(): string {
    return started(this.#redis).version;
  }

  async start(): Promise<void> {
    const { plan, folder, say } = this.#options;
    say("servers start");
    const topics = ["windows", "direct", "straight"];
    [this.#redis, this.#database, this.#kafka] = await Promise.all([
      RedisServers.start(join(folder, "redis")),
      Database.start(),
      Kafka.start(join(folder, "kafka"), topics),
    ]);
    this.#nodes = new Nodes({
      folder: join(folder, "nodes"),
      env: {
        HOLDFAST_BROKER_URL: `redis://127.0.0.1:${this.#redis.port}`,
        PROVE_WINDOW_MS: String(plan.windowMs),
        PROVE_LATENESS_MS: String(plan.latenessMs),
        PROVE_PARTITIONS: String(plan.partitions),
        PROVE_KAFKA: `127.0.0.1:${this.#kafka.port}`,
        PROVE_KAFKA_USER: KAFKA_ACCOUNT.user,
        PROVE_KAFKA_PASSWORD: KAFKA_ACCOUNT.password,
        PROVE_DATABASE_URL: this.#database.url,
      },
      onTargets: (targets) => {
        for (const devices of this.#devices) void devices.ask("targets", targets).catch(() => {});
      },
    });
    say("nodes start");
    await Promise.all([this.#nodes.add(), this.#nodes.add()]);
    await this.#watch();
    say("devices connect");
    const { devices: count, sites, seed } = plan;
    for (let share = 0; share < PROCESSES; share++)
      this.#devices.push(new Helper(`devices ${share}`, join(import.meta.dir, "devices.ts")));
    await Promise.all(
      this.#devices.map((devices, share) =>
        devices.ask(
          "start",
          {
            ...{ seed, sites, targets: this.nodes.targets, logFile: this.#logFile(share) },
            indexes: Array.from({ length: count }, (_, index) => index).filter(
              (index) => index % PROCESSES === share,
            ),
            withinMs: START_MS / 2,
          },
          START_MS,
        ),
      ),
    );
  }

  /** Until every channel is there and is read: nodes look for new ones every two seconds. */
  async warmUp(): Promise<void> {
    const { say, plan } = this.#options;
    say("channels open");
    const isRead = async (isDirect: boolean): Promise<void> => {
      await this.begin(isDirect);
      const isThere = (): boolean =>
        isDirect
          ? this.directByKafka.length >= plan.devices
          : started(this.#socket).windows.length >= plan.devices;
      await eventually("results come", isThere, { timeoutMs: SETTLED_MS });
    };
    await isRead(true);
    await Bun.sleep(plan.steadyMs / 2);
    await this.drained();
    await isRead(false);
    await this.#settled();
  }

  /** Devices go on through all steps but for a change between pipelines. */
  async step(step: TelemetryStep): Promise<Seen> {
    const { name, title, isDirect = false, fault } = step;
    const { plan, say } = this.#options;
    const before = await this.figures();
    const loggedBefore = this.nodes.logged();
    const stolen = new StolenTime();
    if (isDirect !== this.#isDirect) await this.drained();
    this.#isDirect = isDirect;
    const [beganMs, fromMs] = [performance.now(), Date.now()];
    await this.begin(isDirect);
    const untilMs = beganMs + STEP_MS;
    let [lagMax, stateBytesMax] = [0, 0];
    const sampler = setInterval(() => {
      void this.nodes.metrics().then(({ lag, stateBytes }) => {
        // For a moment it holds the offsets that a broker leaves out when it comes back.
        if (lag < LEFT_OUT) lagMax = Math.max(lagMax, lag);
        stateBytesMax = Math.max(stateBytesMax, stateBytes);
      });
      const seconds = Math.round((performance.now() - beganMs) / 1000);
      say(`${name}, ${seconds} s: ${this.#byKafka.length} windows in Kafka, lag at most ${lagMax}`);
    }, SAMPLE_MS);
    const failures: string[] = [];
    let caughtUpMs = 0;
    try {
      await Bun.sleep(fault === undefined ? plan.steadyMs : plan.steadyMs / 4);
      if (fault !== undefined) {
        await within(untilMs, name, fault(this.#stage()));
        const endedMs = performance.now();
        await this.#settled().catch((error: unknown) => failures.push(textOf(error)));
        caughtUpMs = Math.round(performance.now() - endedMs);
        await Bun.sleep(plan.steadyMs / 4);
      }
    } finally {
      clearInterval(sampler);
    }
    const after = await this.figures();
    const logged = differences(this.nodes.logged(), loggedBefore);
    if (step.mustFence === true && (logged.pipeline_fenced ?? 0) === 0)
      failures.push("no owner was fenced: the step did not try what it must");
    return {
      ...{ name, title, fromMs, toMs: Date.now(), caughtUpMs, lagMax, stateBytesMax, failures },
      ...{ mayTellGaps: step.mayTellGaps === true, logged },
      tookMs: Math.round(performance.now() - beganMs),
      roundTripMs: roundTripsOf(after),
      devices: differences(countsOf(after), countsOf(before)),
      stolenPercent: stolen.percentSince(),
      load: loadavg()[0] ?? 0,
    };
  }

  /** Nothing is made any more, and everything is acknowledged. */
  async drained(): Promise<void> {
    await this.#all((devices) => devices.ask("pause", undefined));
    await eventually(
      "every event is acknowledged",
      async () => (await this.figures()).every(({ pending }) => pending === 0),
      { timeoutMs: SETTLED_MS, everyMs: 100 },
    );
  }

  begin(isDirect: boolean): Promise<unknown> {
    const perSecond = this.#options.plan.eventsPerSecond / PROCESSES;
    return this.#all((devices) => devices.ask("begin", { perSecond, isDirect }));
  }

  async figures(): Promise<readonly DevicesFigures[]> {
    const all = await this.#all((devices) => devices.ask("figures", undefined));
    return all.flatMap((one) => (one === undefined ? [] : [one]));
  }

  *acks() {
    for (const share of this.#devices.keys()) yield* readAcks(this.#logFile(share));
  }

  async got(): Promise<Got> {
    const [socket, events] = [started(this.#socket), started(this.#events)];
    return {
      ...{ socket: socket.windows, events: events.windows, kafka: this.#byKafka },
      ...{ late: socket.late, dead: socket.dead, table: await this.#table() },
      gapsAtMs: [...socket.gapsAtMs, ...events.gapsAtMs],
    };
  }

  /** How many windows each reader has, without asking for them. */
  async counts(): Promise<readonly number[]> {
    const [found] = await this.database.sql.unsafe("SELECT count(*) AS n FROM windows");
    const kafka = new Set(this.#byKafka.map(({ row }) => `${row.device} ${row.at}`)).size;
    const { windows: socket } = started(this.#socket);
    return [Number(found.n), kafka, socket.length, started(this.#events).windows.length];
  }

  async close(): Promise<void> {
    await Promise.all(this.#devices.map((devices) => devices.end()));
    this.#events?.stop();
    for (const follower of this.#followers) follower.stop();
    await Promise.race([this.#socket?.close(), Bun.sleep(1000)]);
    await this.#nodes?.close();
    await Promise.all([this.#redis?.close(), this.#database?.close(), this.#kafka?.kill()]);
  }

  #stage() {
    const { sinkAwayMs } = this.#options.plan;
    const { nodes, database, kafka } = this;
    return { nodes, database, kafka, redis: started(this.#redis), sinkAwayMs };
  }

  async #watch(): Promise<void> {
    const { plan } = this.#options;
    const { port } = this.nodes.balancer;
    const names = Array.from({ length: plan.sites }, (_, site) => siteOf(site, plan.sites));
    this.#socket = new SocketWatcher(port);
    await this.#socket.watch(names);
    const events = new EventsWatcher(port, names);
    this.#events = events;
    await eventually("the reader of events listens", () => events.subscribed >= names.length, {
      timeoutMs: START_MS,
    });
    const { readerUrl } = this.kafka;
    this.#followers = [
      new KafkaWatcher(readerUrl, "windows", (value, atMs) =>
        this.#byKafka.push({ row: value as WindowRow, atMs }),
      ),
      new KafkaWatcher(readerUrl, "direct", (value, atMs) => {
        const { device, n, at, value: doubled } = value as DirectRow;
        this.directByKafka.push({ key: `${device} ${n}`, at, value: doubled, atMs });
      }),
      new KafkaWatcher(readerUrl, "straight", (value, atMs) =>
        this.straightByKafka.push(atMs - (value as { readonly at: number }).at),
      ),
    ];
  }

  /** Every reader has a window that could close a moment ago, and devices wait for little. */
  async #settled(): Promise<void> {
    const { windowMs, latenessMs, eventsPerSecond } = this.#options.plan;
    const newestOf = (all: readonly Arrival[]): number => all.at(-1)?.row.at ?? 0;
    await eventually(
      "results are as fresh as before",
      async () => {
        const [found] = await this.database.sql
          .unsafe("SELECT max(at) AS at FROM windows")
          .catch(() => [undefined]);
        const oldest = Math.min(
          ...[newestOf(this.#byKafka), Number(found?.at ?? 0)],
          ...[newestOf(started(this.#socket).windows), newestOf(started(this.#events).windows)],
        );
        const pending = (await this.figures()).reduce((sum, one) => sum + one.pending, 0);
        const freshMs = Date.now() - oldest - 2 * windowMs - latenessMs;
        return freshMs < FRESH_MS && pending < eventsPerSecond / 2;
      },
      { timeoutMs: SETTLED_MS, everyMs: 200 },
    );
  }

  async #table(): Promise<readonly Arrival[]> {
    const rows = await this.database.sql.unsafe(
      "SELECT *, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 AS ms FROM windows",
    );
    return rows.map((row: Record<string, unknown>) => ({
      row: {
        ...{ device: String(row.device), at: Number(row.at), events: Number(row.events) },
        ...{ total: Number(row.total), least: Number(row.least), most: Number(row.most) },
        ...{ marks: Number(row.marks), version: Number(row.version) },
      },
      atMs: Number(row.ms),
    }));
  }

  #logFile(share: number): string {
    return join(this.#options.folder, `acks-${share}`);
  }

  #all<T>(ask: (devices: Helper<DevicesCommands>) => Promise<T>): Promise<readonly T[]> {
    return Promise.all(this.#devices.map(ask));
  }
}

interface DirectRow {
  readonly device: string;
  readonly n: number;
  readonly at: number;
  readonly value: number;
}

function started<T>(one: T | undefined): T {
  if (one === undefined) throw new ProveError("not_in_time", "Nothing has been started");
  return one;
}

function within<T>(untilMs: number, name: string, task: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new ProveError("not_in_time", `${name} took longer than ${STEP_MS} ms`)),
    Math.max(0, untilMs - performance.now()),
  );
  return Promise.race([task, late.promise]).finally(() => clearTimeout(timer));
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
