// Owns: the network process: the balancer in front of the nodes, and the proxies that can be cut,
// stalled and made bad.

import { answerCommands } from "@holdfast/load/processes";
import { type Backend, type BackendState, type Balancer, startBalancer } from "@holdfast/relay";
import { TcpProxy, type Weather } from "./tcp-proxy.ts";

const CHECK_EVERY_MS = 100;
const SAMPLE_EVERY_MS = 250;
const SAMPLES_MAX = 4000;
/** How long a newcomer waits for a ready node. */
const WAIT_MS = 5000;

/** Sessions of each node at one moment. */
export interface ConnectionSample {
  readonly atMs: number;
  readonly connections: Readonly<Record<string, number>>;
}

/** A connection that the balancer handed to a node. */
export interface Forwarded {
  readonly atMs: number;
  readonly node: string;
}

let forwarded: Forwarded[] = [];
let samples: ConnectionSample[] = [];
let balancer: Balancer | undefined;
const proxies = new Map<string, TcpProxy>();

function front(): Balancer {
  balancer ??= startBalancer({
    checkEveryMs: CHECK_EVERY_MS,
    waitMs: WAIT_MS,
    onForward: (node) => forwarded.push({ atMs: Date.now(), node }),
  });
  return balancer;
}

function proxy(name: string): TcpProxy {
  const found = proxies.get(name);
  if (found === undefined) throw new RangeError(`Cannot use the proxy ${name}: there is none`);
  return found;
}

/** Commands of the network process. */
const commands = {
  start(): number {
    setInterval(() => {
      const connections = Object.fromEntries(
        front()
          .backends()
          .map(({ id, connections: count }) => [id, count]),
      );
      if (samples.length < SAMPLES_MAX) samples.push({ atMs: Date.now(), connections });
    }, SAMPLE_EVERY_MS);
    return front().port;
  },
  add: (backend: Backend): void => front().add(backend),
  remove: (id: string): void => front().remove(id),
  backends: (): readonly BackendState[] => front().backends(),
  whenReady: ({
    id,
    timeoutMs,
  }: {
    readonly id: string;
    readonly timeoutMs: number;
  }): Promise<void> => front().whenReady(id, timeoutMs),
  /** What happened since the last call. */
  take(): { forwarded: readonly Forwarded[]; samples: readonly ConnectionSample[] } {
    const taken = { forwarded, samples };
    forwarded = [];
    samples = [];
    return taken;
  },
  /** Answers the proxy's port. */
  async proxy({
    name,
    target,
    weather,
  }: {
    readonly name: string;
    readonly target: number;
    readonly weather?: Weather;
  }): Promise<number> {
    const started = await TcpProxy.start({ target, ...(weather === undefined ? {} : { weather }) });
    proxies.set(name, started);
    return started.port;
  },
  cut: (name: string): void => proxy(name).cut(),
  restore: (name: string): void => proxy(name).restore(),
  stall: ({ name, isStalled }: { readonly name: string; readonly isStalled: boolean }): void =>
    proxy(name).stall(isStalled),
};
export type NetworkCommands = typeof commands;

if (import.meta.main) answerCommands(process, commands);
