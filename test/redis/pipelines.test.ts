// Checks pipelines on real nodes over a real Redis: one is killed, one drains, and every event is
// in exactly one window, once.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker } from "@holdfast/core";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { freshPrefix, openBroker } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

setDefaultTimeout(patience(120_000));

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-pipelines-"));
const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(FOLDER, { recursive: true, force: true });
});

const HISTORY = { size: 100_000, ttlMs: 600_000 };
const STREAM = { cls: "ordered", sizeMax: HISTORY.size, ttlMs: HISTORY.ttlMs } as const;
const SITES = ["a", "b", "c", "d", "e"];

const CONFIG = {
  channels: {
    "in:{site}": { history: HISTORY },
    "out:{site}": { history: HISTORY },
    late: { history: HISTORY },
    dead: { history: HISTORY },
  },
};
const PIPELINES = {
  pipelines: {
    windows: {
      from: "in:{site}",
      partitions: 4,
      partitionBy: ["site"],
      start: "oldest",
      steps: [
        { filter: 'value.id != "stop"' },
        {
          window: {
            tumbling: "1s",
            time: "value.at",
            lateness: "500ms",
            idle: "1s",
            key: { site: "params.site" },
          },
          aggregate: { n: "count", ids: { topK: "value.id", k: 100 } },
        },
        { to: { channel: "out:{site}" } },
      ],
      late: { channel: "late" },
      dead: { channel: "dead" },
    },
  },
};

interface Served {
  readonly command: RunningCommand;
  readonly internal: string;
}

async function serve(url: string): Promise<Served> {
  const [port, internalPort] = [await freePort(), await freePort()];
  const args = ["serve", "--config", "config.json", "--pipelines", "pipelines.json"];
  const command = startCommand(
    [
      ...args,
      ...["--host", "127.0.0.1", "--internal-host", "127.0.0.1"],
      ...["--port", String(port), "--internal-port", String(internalPort)],
      ...["--drain-pre-delay-ms", "0"],
    ],
    { cwd: FOLDER, env: { HOLDFAST_AUTH_INSECURE: "true", HOLDFAST_BROKER_URL: url } },
  );
  cleanups.push(() => command.signal("SIGKILL"));
  await command.until((output) => output.includes('"node_listening"'));
  return { command, internal: `http://127.0.0.1:${internalPort}` };
}

/** Everything that a channel keeps. */
async function read(broker: Broker, channel: string): Promise<unknown[]> {
  const values: unknown[] = [];
  let after = 0;
  for (;;) {
    const page = await broker.history(channel, STREAM, { limit: 1000, after });
    for (const { offset, payload } of page.publications) {
      if (payload.kind === "json") values.push(JSON.parse(payload.text));
      after = offset;
    }
    if (!page.more) return values;
  }
}

interface Window {
  readonly key: { readonly site: string };
  readonly fromMs: number;
  readonly n: number;
  readonly ids: readonly { readonly value: string }[];
}

async function metric(node: Served, name: string): Promise<number> {
  const text = await (await fetch(`${node.internal}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

test("a node is killed, another drains: every event is in exactly one window, once", async () => {
  writeFileSync(join(FOLDER, "config.json"), JSON.stringify(CONFIG));
  writeFileSync(join(FOLDER, "pipelines.json"), JSON.stringify(PIPELINES));
  const redis = await startServer({ persistence: "none" });
  cleanups.push(() => stopServers([redis]));
  const url = `${redis.url}?prefix=${freshPrefix()}`;
  const broker = await openBroker(url);
  cleanups.push(() => broker.close());
  let nodes = [await serve(url), await serve(url)];

  const sent = new Map<string, number>();
  let atMs = Date.now() - 3_600_000;
  const publish = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      atMs += 10;
      const id = `e${sent.size}`;
      const at = atMs - (i % 20 === 0 ? 2000 : i % 7) * 1;
      const site = SITES[i % SITES.length] ?? "a";
      const text = JSON.stringify({ id, at, site });
      await broker.publish(`in:${site}`, STREAM, { payload: { kind: "json", text } });
      sent.set(id, at);
      if (i % 5 === 4) await Bun.sleep(5);
    }
  };
  const taken = async (): Promise<number> => {
    const counts = await Promise.all(nodes.map((n) => metric(n, "holdfast_pipeline_partitions")));
    return counts.reduce((a, b) => a + b, 0);
  };
  const until = async (condition: () => Promise<boolean>): Promise<void> => {
    while (!(await condition())) await Bun.sleep(50);
  };
  await until(async () => (await taken()) === 4);
  await publish(1000);
  // Killed in the middle of its windows: the other one goes on when the lease has ended.
  nodes[0]?.command.signal("SIGKILL");
  await publish(1000);
  nodes = [nodes[1] as Served];
  await until(async () => (await taken()) === 4);
  nodes = [...nodes, await serve(url)];
  // Some partitions move to the new one while events come.
  await publish(500);
  await until(async () => (await metric(nodes[1] as Served, "holdfast_pipeline_partitions")) > 0);
  const drained = nodes[0] as Served;
  drained.command.signal("SIGTERM");
  await publish(500);
  expect(await drained.command.ended()).toBe(0);
  nodes = [nodes[1] as Served];

  const placed = async () => {
    const windows = (
      await Promise.all(SITES.map((site) => read(broker, `out:${site}`)))
    ).flat() as Window[];
    const late = (await read(broker, "late")) as { readonly id: string }[];
    return { windows, late };
  };
  await until(async () => {
    const { windows, late } = await placed();
    return windows.reduce((sum, { n }) => sum + n, 0) + late.length >= sent.size;
  });
  const { windows, late } = await placed();
  const places = new Map<string, number>();
  for (const { ids, n, fromMs } of windows) {
    expect(ids).toHaveLength(n);
    for (const { value: id } of ids) {
      places.set(id, (places.get(id) ?? 0) + 1);
      const at = sent.get(id) ?? 0;
      expect(at >= fromMs && at < fromMs + 1000).toBe(true);
    }
  }
  for (const { id } of late) places.set(id, (places.get(id) ?? 0) + 1);
  expect(places.size).toBe(sent.size);
  expect([...places.values()].every((count) => count === 1)).toBe(true);
  const names = windows.map(({ key, fromMs }) => `${key.site} ${fromMs}`);
  expect(new Set(names).size).toBe(names.length);
  expect(late.length).toBeGreaterThan(0);
  expect(await read(broker, "dead")).toEqual([]);
});
