import { expect, test } from "bun:test";
import { loadConfig } from "@holdfast/config";
import { createLogger } from "../log/index.ts";
import { NODE_OPTIONS } from "../options/index.ts";
import { createNode } from "./create-node.ts";

/** A node on ports of its own, and the lines that it logs. */
async function startedNode(env: Readonly<Record<string, string>> = {}) {
  const loaded = loadConfig(NODE_OPTIONS, {
    env: {
      HOLDFAST_PORT: "0",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_AUTH_ANONYMOUS: "true",
      HOLDFAST_DRAIN_PRE_DELAY_MS: "0",
      HOLDFAST_ALLOWED_ORIGINS: '["https://app.example"]',
      HOLDFAST_CHANNELS: '{"chat:{room}":{}}',
      ...env,
    },
    flags: {},
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const lines: { readonly event: string; readonly [field: string]: unknown }[] = [];
  const logger = createLogger({
    sink: (line) => lines.push(JSON.parse(line)),
    limit: { linesMax: 2, windowMs: 60_000 },
  });
  const node = await createNode({ config: loaded.config, logger, version: "test" });
  await node.start();
  const named = (...names: readonly string[]) => lines.filter(({ event }) => names.includes(event));
  return { node, lines, named };
}

const upgrade = (port: number, origin: string) =>
  fetch(`http://127.0.0.1:${port}/connect`, {
    headers: {
      upgrade: "websocket",
      connection: "upgrade",
      "sec-websocket-version": "13",
      "sec-websocket-key": btoa("0123456789abcdef"),
      origin,
    },
  });

test("a node tells its whole life: contract, start, drains whoever orders them, end", async () => {
  const { node, lines, named } = await startedNode();
  void node.control.drain({ preDelayMs: 60_000, windowMs: 7_000 });
  node.control.undrain();
  await node.control.drain({ preDelayMs: 0, windowMs: 1_000 });
  await node.stop();
  await node.stop();
  expect(lines.map(({ event }) => event).filter((event) => event !== "readiness_changed")).toEqual([
    "contract_loaded",
    "node_starting",
    "node_listening",
    "drain_started",
    "drain_undone",
    "drain_started",
    "drain_finished",
    "node_stopped",
  ]);
  expect(
    named("contract_loaded", "drain_started", "drain_undone", "drain_finished", "node_stopped"),
  ).toMatchObject([
    { channels: 1, rpcs: 0 },
    { connections: 0 },
    { connections: 0 },
    { connections: 0 },
    { total: 0, remaining: 0, cut: 0 },
    { cut: 0 },
  ]);
  // The clock is real, and may go on between the order and the line about it.
  const [first, second] = named("drain_started").map(({ deadlineInMs }) => Number(deadlineInMs));
  expect(first).toBeGreaterThan(60_000);
  expect(first).toBeLessThanOrEqual(67_000);
  expect(second).toBeGreaterThan(0);
  expect(second).toBeLessThanOrEqual(1_000);
});

test("refused origins are in the log, and what the log holds back is in the metrics", async () => {
  const { node, named } = await startedNode();
  try {
    for (let count = 0; count < 5; count++)
      expect((await upgrade(node.port, `https://evil.example/${"x".repeat(500)}`)).status).toBe(
        403,
      );
    expect(named("socket_refused")).toHaveLength(2);
    expect(named("socket_refused")[0]).toMatchObject({
      level: "warn",
      reason: "origin",
      address: "127.0.0.1",
    });
    expect(String(named("socket_refused")[0]?.origin)).toMatch(
      /^https:\/\/evil\.example\/x{100,180}$/,
    );
    const metrics = await (await fetch(`http://127.0.0.1:${node.internalPort}/metrics`)).text();
    expect(metrics).toMatch(/^holdfast_log_suppressed_total\S* 3$/m);
    // A page that opens the address is no socket that was refused.
    expect((await fetch(`http://127.0.0.1:${node.port}/connect`)).status).toBe(426);
    expect(metrics).toMatch(/^holdfast_sockets_refused_total\{.*reason="origin".*\} 5$/m);
  } finally {
    await node.stop();
  }
});
