// Checks pipelines of a contract on real nodes: results reach subscribers, partitions move in a
// drain, state that does not fit is refused.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Holdfast } from "@holdfast/client";
import { type ContractDefinition, defineContract } from "@holdfast/contract";
import {
  channel,
  count,
  counting,
  from,
  latest,
  lookup,
  pipeline,
  sum,
  tumbling,
} from "@holdfast/pipelines";
import { StartError } from "@holdfast/server";
import { z } from "zod";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { startCommand } from "./command.ts";
import { sharedBroker, startNode, type TestNode, until } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const OPEN = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const Reading = z.object({ device: z.string(), value: z.number() });

const windows = (size: number) =>
  pipeline(from("in:{site}", Reading), { start: "oldest" })
    .join(
      latest("devices", { schema: z.object({ owner: z.string() }) }),
      (r) => r.device,
      (r, device) => ({ ...r, owner: device?.owner ?? "nobody" }),
    )
    .join(
      lookup(async (key) => key.toUpperCase()),
      (r) => r.owner,
      (r, name) => ({ ...r, name: name ?? "" }),
    )
    .filter((r) => r.value >= 0)
    .window(counting(size, { key: (r, { params }) => ({ site: params.site, owner: r.name }) }))
    .aggregate({ n: count(), total: sum((r) => r.value) })
    .to(channel("out:{site}"))
    .on("dead", channel("dead"));

const contract = (pipelines: ContractDefinition["pipelines"] = {}): ContractDefinition =>
  defineContract({
    channels: {
      "in:{site}": { permissions: OPEN },
      "out:{site}": { permissions: OPEN },
      devices: { class: "latest", permissions: OPEN },
      dead: { permissions: OPEN },
      fast: { class: "volatile", permissions: OPEN },
    },
    pipelines,
  });

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  pipelines: ContractDefinition["pipelines"],
  broker = sharedBroker(),
): Promise<TestNode & { readonly broker: typeof broker }> {
  const node = await startNode({ contract: contract(pipelines), broker });
  cleanups.push(() => node.node.stop());
  return { ...node, broker };
}

async function metric(node: TestNode, name: string): Promise<number> {
  const text = await (await fetch(`${node.internalUrl}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
  return lines.reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
}

test("results reach subscribers, and go on from node to node without a hole", async () => {
  const first = await start({ windows: windows(3) });
  const client = new Holdfast(first.url);
  cleanups.push(() => client.close());
  const got: unknown[] = [];
  const out = client.channel("out:north").subscribe(({ data }) => got.push(data));
  await out.ready;
  await client.channel("devices").publish({ owner: "ada" }, { key: "d1" });
  const publish = (value: number) => client.channel("in:north").publish({ device: "d1", value });
  for (const value of [1, 2, -1, 3, 4]) await publish(value);
  await until("it has come", () => got.length === 1);
  const key = { site: "north", owner: "ADA" };
  expect(got[0]).toMatchObject({ key, n: 3, total: 6 });

  // The half of the next window moves with the partition.
  const second = await start({ windows: windows(3) }, first.broker);
  await until(
    "it has come",
    async () =>
      (await metric(first, "holdfast_pipeline_partitions")) +
        (await metric(second, "holdfast_pipeline_partitions")) ===
      1,
  );
  await first.node.drain({ windowMs: 1000 });
  await until(
    "it has come",
    async () => (await metric(second, "holdfast_pipeline_partitions")) === 1,
  );
  const other = new Holdfast(second.url);
  cleanups.push(() => other.close());
  await other.channel("out:north").subscribe(({ data }) => got.push(data)).ready;
  for (const value of [5, 6]) await other.channel("in:north").publish({ device: "d1", value });
  await until("it has come", () => got.some((one) => (one as { total: number }).total === 15));
  expect([...first.bugs, ...second.bugs]).toEqual([]);
});

test("a window that changed is refused, or rebuilt from what is kept, as it says", async () => {
  const first = await start({ windows: windows(3) });
  const client = new Holdfast(first.url);
  cleanups.push(() => client.close());
  await until(
    "it has come",
    async () => (await metric(first, "holdfast_pipeline_partitions")) === 1,
  );
  for (const value of [1, 2, 3, 4])
    await client.channel("in:north").publish({ device: "d1", value });
  await until(
    "it has come",
    async () => (await metric(first, "holdfast_pipeline_results_total")) === 1,
  );
  client.close();
  await first.node.drain({ windowMs: 100 });
  const second = await start({ windows: windows(2) }, first.broker);
  await until("it has come", async () => (await metric(second, "holdfast_pipeline_refused")) === 1);
  expect(await metric(second, "holdfast_pipeline_partitions")).toBe(0);
  const { definition } = windows(2);
  const rebuilt = { definition: { ...definition, version: 2, onChange: "rebuild" as const } };
  const third = await start({ windows: rebuilt }, first.broker);
  await until(
    "it has come",
    async () => (await metric(third, "holdfast_pipeline_partitions")) === 1,
  );
  await until(
    "it has come",
    async () => (await metric(third, "holdfast_pipeline_results_total")) === 2,
  );
});

test("pipelines that cannot run end the start, with every problem", async () => {
  const bad = {
    "bad name": pipeline(from("in:{site}")).to(channel("out:x")),
    source: pipeline(from("nowhere")).to(channel("out:x")),
    fast: pipeline(from("fast")).to(channel("out:x")),
    sink: pipeline(from("in:{site}")).to({ sink: "nothing", options: {} }),
    table: pipeline(from("in:{site}")).join(
      latest("dead"),
      () => "x",
      (r) => r,
    ),
    odd: {} as never,
  };
  const { odd, ...others } = bad;
  const refused = async (pipelines: ContractDefinition["pipelines"]): Promise<string> => {
    try {
      await start(pipelines);
      return "";
    } catch (error) {
      return error instanceof StartError ? error.problems.join("\n") : String(error);
    }
  };
  const text = await refused(others);
  for (const part of ["its name", "nowhere", "volatile channel fast", "found nothing", "a join"])
    expect(text).toContain(part);
  expect(await refused({ odd })).toContain('pipeline "odd": found none');
  expect(
    await refused({
      ok: pipeline(from("in:{site}")).window(tumbling("1s")).aggregate({ n: count() }),
    }),
  ).toBe("");
});

test("a node opens the sinks of packages, and hands them what a pipeline gives", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-sink-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "heat.ndjson");
  const config = { channels: { "in:{site}": { permissions: OPEN } } };
  const pipelines = {
    heat: {
      from: "in:{site}",
      start: "oldest",
      steps: [{ map: "value.n * 2" }, { to: { file: { path } } }],
    },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "pipelines.json"), JSON.stringify({ pipelines }));
  const [port, internalPort] = [await freePort(), await freePort()];
  const args = ["serve", "--config", "config.json", "--pipelines", "pipelines.json"];
  const command = startCommand(
    [
      ...args,
      "--port",
      String(port),
      "--internal-port",
      String(internalPort),
      "--host",
      "127.0.0.1",
    ],
    { cwd: folder, env: { HOLDFAST_AUTH_INSECURE: "true" } },
  );
  cleanups.push(() => command.signal("SIGKILL"));
  await command.until((output) => output.includes('"node_listening"'));
  const client = new Holdfast(`ws://127.0.0.1:${port}/connect`);
  cleanups.push(() => client.close());
  for (const n of [1, 2, 3]) await client.channel("in:north").publish({ n });
  const lines = (): string[] =>
    readdirSync(folder)
      .filter((name) => name.startsWith("heat"))
      .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"));
  await until("the file has the lines", () => lines().length === 3);
  expect(lines().map((line) => (JSON.parse(line) as { value: unknown }).value)).toEqual([2, 4, 6]);
});
