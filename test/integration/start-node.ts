// Owns: real nodes for integration tests: free ports, quick timings, one broker if they form a
// cluster.
import { loadConfig } from "@holdfast/config";
import type { ContractDefinition } from "@holdfast/contract";
import { createMemoryBroker, type MemoryBroker } from "@holdfast/core";
import {
  createLogger,
  createNode,
  type HoldfastNode,
  systemClock,
  systemRandom,
} from "@holdfast/server";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { patience } from "../patience.ts";

export const API_KEY = "integration-test-key-0123456789abcdef";
const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;

export const TEST_CONTRACT: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, permissions: OPEN },
    "fast:{room}": { class: "volatile", permissions: OPEN },
    "state:{room}": { class: "latest", permissions: OPEN },
  },
};

export interface TestNode {
  readonly node: HoldfastNode;
  readonly url: string;
  readonly httpUrl: string;
  readonly internalUrl: string;
  /** Lines of the log that say that something must not happen. */
  readonly bugs: string[];
}

export interface TestNodeOptions {
  readonly contract?: ContractDefinition;
  readonly broker?: MemoryBroker;
  /** How far its clock is ahead. */
  readonly clockAheadMs?: number;
  /** Environment variables, by name. */
  readonly env?: Readonly<Record<string, string>>;
}

export const sharedBroker = (): MemoryBroker =>
  createMemoryBroker({ clock: systemClock, random: systemRandom });

export async function startNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const loaded = loadConfig(NODE_OPTIONS, {
    env: {
      HOLDFAST_PORT: "0",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_AUTH_ANONYMOUS: "true",
      HOLDFAST_AUTH_RESUME_SECRET: "a secret that all test nodes share",
      HOLDFAST_DRAIN_PRE_DELAY_MS: "0",
      HOLDFAST_API_KEYS: JSON.stringify([{ name: "test", key: API_KEY, scopes: ["*"] }]),
      ...options.env,
    },
    flags: {},
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const bugs: string[] = [];
  const logger = createLogger({
    sink: (line) => {
      if (line.includes('"event":"bug"')) bugs.push(line);
    },
  });
  const nodeId = `test-${systemRandom.id().slice(0, 6)}`;
  const node = await createNode({
    config: { ...loaded.config, nodeId },
    logger,
    version: "test",
    contract: options.contract ?? TEST_CONTRACT,
    clock: { ...systemClock, wallMs: () => systemClock.wallMs() + (options.clockAheadMs ?? 0) },
    ...(options.broker === undefined ? {} : { broker: options.broker.connect(nodeId) }),
  });
  await node.start();
  const { port, internalPort } = node;
  return {
    node,
    bugs,
    url: `ws://127.0.0.1:${port}/connect`,
    httpUrl: `http://127.0.0.1:${port}`,
    internalUrl: `http://127.0.0.1:${internalPort}`,
  };
}

/** Waits until `condition` holds, at most `timeoutMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadlineMs = performance.now() + patience(timeoutMs);
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`still not after ${timeoutMs} ms: ${what}`);
    await Bun.sleep(5);
  }
}
