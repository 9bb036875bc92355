// Owns: a measurement of the brokers: publishes a second and CPU for each, in memory and over the
// link. Run: bun lab/brokers/measure.ts
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectLink, createLinkSecret } from "@holdfast/broker-link";
import type { StreamOptions } from "@holdfast/contract";
import { type Broker, type ChannelListener, createMemoryBroker } from "@holdfast/core";
import { systemClock, systemRandom } from "@holdfast/server";

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 60_000 };
const PAYLOAD = { kind: "json", text: JSON.stringify({ text: "x".repeat(90) }) } as const;
const CHANNELS = 100;
/** Publishes in flight together. */
const WINDOW = 100;
/** A clock tick of /proc in ms, on every Linux that Bun runs on. */
const TICK_MS = 10;

interface Load {
  readonly name: string;
  readonly publishes: number;
  readonly windowSize: number;
  readonly listeners: number;
  readonly keyed?: boolean;
}

const MEMORY_LOADS: readonly Load[] = [
  { name: "memory, nobody listens", publishes: 400_000, windowSize: WINDOW, listeners: 0 },
  {
    name: "memory, nobody listens, idempotency keys",
    publishes: 400_000,
    windowSize: WINDOW,
    listeners: 0,
    keyed: true,
  },
  { name: "memory, 1 node listens", publishes: 400_000, windowSize: WINDOW, listeners: 1 },
  { name: "memory, 3 nodes listen", publishes: 400_000, windowSize: WINDOW, listeners: 3 },
];

const LINK_LOADS: readonly Load[] = [
  { name: "link, one by one", publishes: 10_000, windowSize: 1, listeners: 0 },
  {
    name: "link, 100 in flight, nobody listens",
    publishes: 200_000,
    windowSize: WINDOW,
    listeners: 0,
  },
  {
    name: "link, 100 in flight, idempotency keys, the same node listens",
    publishes: 200_000,
    windowSize: WINDOW,
    listeners: 1,
    keyed: true,
  },
];

interface Figures {
  readonly name: string;
  readonly perSecond: number;
  readonly userUs: number;
  readonly supervisorUs: number | undefined;
}

/**
 * Publishes and waits until every listener has heard everything. `supervisorCpuMs` tells the user
 * CPU of the other process so far.
 */
async function measure(
  load: Load,
  publisher: Broker,
  options: { readonly nodes: readonly Broker[]; readonly supervisorCpuMs?: () => Promise<number> },
): Promise<Figures> {
  let heard = 0;
  const listener: ChannelListener = {
    publication: () => {
      heard += 1;
    },
    removed: () => {},
    presence: () => {},
  };
  for (const node of options.nodes)
    for (let channel = 0; channel < CHANNELS; channel++)
      await node.subscribe(`${load.name}:${channel}`, ORDERED, listener);
  const supervisorBefore = (await options.supervisorCpuMs?.()) ?? 0;
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  for (let sent = 0; sent < load.publishes; sent += load.windowSize) {
    const flight: Promise<unknown>[] = [];
    for (let index = 0; index < load.windowSize; index++) {
      const request = load.keyed
        ? { payload: PAYLOAD, idempotencyKey: `session:${sent + index}` }
        : { payload: PAYLOAD };
      flight.push(publisher.publish(`${load.name}:${(sent + index) % CHANNELS}`, ORDERED, request));
    }
    await Promise.all(flight);
    // In memory everything settles in one turn: the listeners' turn has to come too, as it does on
    // a node.
    if (options.supervisorCpuMs === undefined)
      await new Promise((resolve) => setImmediate(resolve));
  }
  while (heard < load.publishes * options.nodes.length)
    await new Promise((resolve) => setImmediate(resolve));
  const tookMs = performance.now() - startMs;
  const userUs = process.cpuUsage(cpuBefore).user / load.publishes;
  const supervisorAfter = await options.supervisorCpuMs?.();
  return {
    name: load.name,
    perSecond: Math.round((load.publishes / tookMs) * 1000),
    userUs,
    supervisorUs:
      supervisorAfter === undefined
        ? undefined
        : ((supervisorAfter - supervisorBefore) * 1000) / load.publishes,
  };
}

async function measureMemory(): Promise<Figures[]> {
  const figures: Figures[] = [];
  for (const load of MEMORY_LOADS) {
    const broker = createMemoryBroker({ clock: systemClock, random: systemRandom });
    const nodes = Array.from({ length: load.listeners }, (_, index) => broker.connect(`n${index}`));
    figures.push(await measure(load, broker.connect("publisher"), { nodes }));
    broker.close();
  }
  return figures;
}

async function measureLink(): Promise<Figures[]> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-measure-"));
  const [path, secret] = [join(directory, "l.sock"), createLinkSecret()];
  const child = spawn(
    process.execPath,
    [join(import.meta.dir, "../../packages/brokers/link/src/testing/supervisor.ts"), path, secret],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await once(child.stdout, "data");
  const supervisorCpuMs = async (): Promise<number> => {
    // Behind the name in brackets: utime is the 12th field (proc_pid_stat(5)).
    const fields = (await readFile(`/proc/${child.pid}/stat`, "utf8"))
      .replace(/^.*\) /, "")
      .split(" ");
    return Number(fields[11]) * TICK_MS;
  };
  const figures: Figures[] = [];
  try {
    for (const load of LINK_LOADS) {
      const node = await connectLink({
        endpoint: { address: { kind: "unix", path }, secret },
        nodeId: load.name,
        clock: systemClock,
        random: systemRandom,
      });
      figures.push(
        await measure(load, node, { nodes: load.listeners > 0 ? [node] : [], supervisorCpuMs }),
      );
      await node.close();
    }
  } finally {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
  return figures;
}

const rows = [...(await measureMemory()), ...(await measureLink())];
console.log(
  "| load | publishes/s | user us for each, node | user us for each, supervisor |\n|---|---|---|---|",
);
for (const row of rows)
  console.log(
    `| ${row.name} | ${row.perSecond} | ${row.userUs.toFixed(2)} | ${row.supervisorUs?.toFixed(2) ?? ""} |`,
  );
