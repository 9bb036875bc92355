import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defineContract } from "@holdfast/contract";
import { z } from "zod";
import { API_KEY, startNode, type TestNode } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { makeProject, type Project } from "./project.ts";

const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract = defineContract({
  channels: {
    "chat:{room}": { presence: true, permissions: OPEN },
    locked: { permissions: { ...OPEN, publish: "nobody" } },
  },
  rpc: {
    sum: {
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      allow: "anyone",
      handler: ({ a, b }) => a + b,
    },
  },
});

/** npm packages that are the program itself, for this machine. */
const NODE = `npm:node-${process.platform}-${process.arch}`;
const NODES = { node20: "20.20.2", node22: "22.23.5", node24: "24.22.3" };

let node: TestNode;
let project: Project;

beforeAll(async () => {
  node = await startNode({ contract });
  project = await makeProject({
    ours: ["@holdfast/client", "@holdfast/contract", "@holdfast/api"],
    others: {
      ws: "8.21.3",
      deno: "2.9.6",
      ...Object.fromEntries(
        Object.entries(NODES).map(([name, version]) => [name, `${NODE}@${version}`]),
      ),
    },
    fixture: "runtimes",
  });
}, patience(180_000));
afterAll(async () => {
  await project?.[Symbol.asyncDispose]();
  await node?.node.stop();
}, patience(120_000));

const DENO = ["deno", "run", "--allow-all", "--node-modules-dir=manual"];
const programs = (): readonly (readonly [string, readonly string[]])[] => [
  ...Object.keys(NODES).map((name) => [name, [project.installed(`${name}/bin/node`)]] as const),
  ["bun", [process.execPath]],
  ["deno", [project.installed(".bin/deno"), ...DENO.slice(1)]],
];

describe.each(["node20", "node22", "node24", "bun", "deno"])(
  "installed on %s, the packages work",
  (name) => {
    test.each(["mjs", "cjs"])(
      "as %s",
      async (format) => {
        const command = programs().find(([known]) => known === name)?.[1] ?? [];
        const urls = JSON.stringify({ ws: node.url, http: node.httpUrl, key: API_KEY });
        const runtime = `${name}-${format}`;
        const { out } = await project.run([...command, `run.${format}`, runtime, urls]);
        expect(out.trim()).toBe(`done on ${runtime}`);
        expect(node.bugs).toEqual([]);
      },
      patience(60_000),
    );
  },
);

test("each program is the one that it is said to be", async () => {
  const versions = await Promise.all(
    programs().map(async ([, command]) =>
      (await project.run([command[0] ?? "", "--version"])).out.trim(),
    ),
  );
  expect(versions.slice(0, 3)).toEqual(Object.values(NODES).map((version) => `v${version}`));
  expect(versions.at(-1)).toStartWith("deno 2.");
});
