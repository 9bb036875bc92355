// Owns: the HTTP API over a real socket with hardly a node behind it, for tests of what happens
// before an operation.
import { createHash } from "node:crypto";
import type { HistoryReader, NodeControl, NodeInfo } from "@holdfast/core";
import { patience } from "../../../../test/patience.ts";
import { API_SCOPES, type ApiKey } from "../options/index.ts";
import { createHttpApi, type HttpApiOptions } from "./api.ts";
import { API_BASE } from "./routes/index.ts";

const INFO: NodeInfo = {
  node: "n1",
  revision: "r1",
  state: "ready",
  startedAtMs: 1,
  connections: 0,
  sessions: 0,
  fixedSockets: 0,
  connectionsMax: 10,
  isFull: false,
  subscriptions: 0,
  channels: 0,
  queueBytes: 0,
  heldBytes: 0,
  windowMs: 500,
  handshakesPerSecond: 100,
  fence: 0,
  felt: {
    connectionMinutes: 12.5,
    resumes: 4,
    resumesFailed: 1,
    lost: 2,
    slow: 3,
    closedAbnormally: 5,
  },
};

/**
 * Just enough of a node to see that requests arrive; what operations do is tested against a real
 * node in test/integration.
 */
export const control: NodeControl = {
  publish: async (channel) => {
    if (channel === "boom") throw new Error("a secret detail");
    if (channel === "down")
      return { ok: false, code: "broker_unavailable", message: "no", retryMs: 1_500 };
    return { ok: true, value: { position: { epoch: "e", offset: 1 }, duplicate: false } };
  },
  history: async () => ({
    ok: true,
    value: {
      epoch: "e",
      head: 0,
      oldest: 1,
      more: false,
      publications: [],
      deliveryClass: "ordered",
    },
  }),
  openHistory: async (channel) => ({ ok: true, value: readerOf(channel, control.history) }),
  removeHistory: async () => ({ ok: true, value: { epoch: "e", offset: 0 } }),
  presence: async () => ({ ok: true, value: [] }),
  channels: async ({ limit }) => ({
    ok: true,
    value: Array.from({ length: limit }, (_, i) => `c${i}`),
  }),
  sessions: () => [],
  disconnect: async () => ({ ok: true, value: undefined }),
  unsubscribe: async () => ({ ok: true, value: undefined }),
  rpc: async (_method, input) => ({ ok: true, value: input }),
  info: () => INFO,
  drain: async () => ({
    total: 0,
    remaining: 0,
    asked: 0,
    moved: 0,
    told: 0,
    cut: 0,
    deadlineInMs: 0,
  }),
  undrain: () => false,
  nodes: () => [],
  sessionsEverywhere: async () => ({ sessions: [], missing: [] }),
  obey: () => ({ ok: true, value: undefined }),
  order: async () => ({ ok: true, value: undefined }),
};

/** A reader for which nothing is ever removed. */
export const readerOf = (channel: string, history: NodeControl["history"]): HistoryReader => ({
  read: (query) => history(channel, query),
  removedTo: () => 0,
  close: () => {},
});

export const keyOf = (name: string): string => `${name}-${"k".repeat(32)}`;
export const hashed = (name: string, scopes: ApiKey["scopes"]): ApiKey => ({
  name,
  keyHash: `sha256:${createHash("sha256").update(keyOf(name)).digest("hex")}`,
  scopes,
});
const KEYS: ApiKey[] = [
  { name: "all", key: keyOf("all"), scopes: ["*"] },
  ...API_SCOPES.filter((scope) => scope !== "*").map((scope) => hashed(scope, [scope])),
];

export interface Ask {
  readonly method?: string;
  /** Name of the key that is sent; null: none. */
  readonly key?: string | null;
  readonly body?: unknown;
  readonly raw?: string | Uint8Array | ReadableStream;
  readonly headers?: Record<string, string>;
}

/** A listener of its own, and what it told its log and its metrics. */
export function serve(options: Partial<HttpApiOptions> = {}) {
  const seen: { event: string; fields: unknown }[] = [];
  const counted: { route: string | undefined; status: number }[] = [];
  const streams: string[] = [];
  const streamed = { bytes: 0 };
  const told = (event: string) => (fields: unknown) => void seen.push({ event, fields });
  const api = createHttpApi({
    control,
    keys: KEYS,
    failuresPerMinuteMax: 1e6,
    events: { apiCommand: told("command"), apiKeyRefused: told("key"), apiFailed: told("failed") },
    recorder: {
      httpRequest: (route, status) => counted.push({ route, status }),
      streamOpened: (route) => void streams.push(`open ${route}`),
      streamBytes: (_route, bytes) => {
        streamed.bytes += bytes;
      },
      streamEnded: (route, why) => void streams.push(`${why} ${route}`),
    },
    ...options,
  });
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      api(request, {
        address: self.requestIP(request)?.address ?? "",
        path: new URL(request.url).pathname,
        mayCut: (may) => self.timeout(request, may ? 1 : 0),
      }),
  });
  const ask = async (
    path: string,
    { method = "POST", key = "all", body, raw, headers = {} }: Ask = {},
  ) => {
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`http://127.0.0.1:${server.port}${API_BASE}${path}`, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${keyOf(key)}` }),
        ...(text === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(text === undefined ? {} : { body: text as string }),
    });
    const answer = await response.text();
    const json = answer.startsWith("{") ? JSON.parse(answer) : undefined;
    return { status: response.status, headers: response.headers, text: answer, json };
  };
  return {
    ask,
    api,
    seen,
    counted,
    streams,
    streamed,
    port: server.port ?? 0,
    stop: () => server.stop(true),
  };
}

/** For what happens over a real socket: returns when it holds, rejects after two seconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedMs = performance.now(); !(await holds()); await Bun.sleep(1)) {
    if (performance.now() - startedMs > patience(2_000)) throw new Error("did not happen");
  }
}
