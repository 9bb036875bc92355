// Owns: running the built SDK on other runtimes than the tests' own, against a real node.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineContract, rpc } from "@holdfast/contract";
import { z } from "zod";
import { buildClient } from "../../tools/build-client.ts";
import { startNode, type TestNode } from "../integration/start-node.ts";
import { patience } from "../patience.ts";

const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract = defineContract({
  channels: {
    "chat:{room}": { presence: true, permissions: OPEN },
    "locked:{room}": { permissions: { ...OPEN, publish: "nobody" } },
  },
  rpc: {
    sum: rpc({
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      allow: "anyone",
      handler: ({ a, b }) => a + b,
    }),
    slow: rpc({
      input: z.any(),
      output: z.any(),
      allow: "anyone",
      handler: () => Bun.sleep(3_000),
    }),
  },
});

const suite = fileURLToPath(new URL("./sdk-suite.mjs", import.meta.url));
let node: TestNode;
let dist: string;

beforeAll(async () => {
  dist = await mkdtemp(join(tmpdir(), "holdfast-dist-"));
  [node] = await Promise.all([startNode({ contract }), buildClient(dist)]);
});
afterAll(async () => {
  await node.node.stop();
  await rm(dist, { recursive: true, force: true });
});

test.each([
  ["Node", ["node", "--test", suite]],
  ["Bun", [process.execPath, "test", suite]],
] as const)(
  "the built SDK works on %s",
  async (_name, command) => {
    const run = Bun.spawn([...command], {
      env: { ...process.env, HOLDFAST_URL: node.url, HOLDFAST_DIST: dist },
      stdout: "pipe",
      stderr: "pipe",
    });
    const timer = setTimeout(() => run.kill(), patience(45_000));
    const [out, err, status] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    clearTimeout(timer);
    if (status !== 0) console.log(out, err);
    expect(status).toBe(0);
    // A suite that ran nothing would pass too.
    expect(`${out}${err}`).toMatch(/# pass (9|10)|(9|10) pass/);
    expect(node.bugs).toEqual([]);
  },
  patience(60_000),
);
