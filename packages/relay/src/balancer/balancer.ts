// Owns: a small TCP balancer for development, tests and proofs: least connections over backends
// that say that they are ready. Not for production.
import { Pipe, type PipeEnd } from "./pipe.ts";

export interface Backend {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Answers 200 if newcomers may be sent to this backend. */
  readonly readyUrl: string;
  /**
   * Newcomers go to the ready backends of the highest rank. If none of these is ready, the next
   * rank is used. Default 0.
   */
  readonly rank?: number;
}

export interface BalancerOptions {
  readonly host?: string;
  /** 0: a free one. */
  readonly port?: number;
  /** Time between two health checks of a backend. Default 250 ms. */
  readonly checkEveryMs?: number;
  /** Newcomers that find no ready backend wait for one at most this long. Default 2 seconds. */
  readonly waitMs?: number;
  /** Most connections; more are refused. Default 15,000: each takes two descriptors. */
  readonly connectionsMax?: number;
  /** A newcomer was sent to this backend. */
  readonly onForward?: (id: string) => void;
}

export interface BackendState {
  readonly id: string;
  readonly ready: boolean;
  readonly connections: number;
}

export interface Balancer {
  readonly port: number;
  add(backend: Backend): void;
  /** No newcomers from now on; connections stay. */
  remove(id: string): void;
  backends(): readonly BackendState[];
  /** Resolves when the backend's health check says ready; rejects after `timeoutMs`. */
  whenReady(id: string, timeoutMs: number): Promise<void>;
  /** Connections accepted so far. */
  accepted(): number;
  /** Cuts every connection, or those of one backend, without a closing handshake. */
  cut(id?: string): void;
  stop(): void;
}

interface Known {
  readonly backend: Backend;
  ready: boolean;
  readonly pipes: Set<Pipe>;
  checking: boolean;
}

const CHECK_TIMEOUT_MS = 1000;
const WAIT_STEP_MS = 20;

export class BalancerError extends Error {
  readonly code = "not_ready";
}

/** Throws if it cannot listen on the port. */
export function startBalancer(options: BalancerOptions = {}): Balancer {
  const {
    host = "127.0.0.1",
    port = 0,
    checkEveryMs = 250,
    waitMs = 2000,
    connectionsMax = 15_000,
  } = options;
  const backends = new Map<string, Known>();
  let accepted = 0;
  let connections = 0;

  const check = async (known: Known): Promise<void> => {
    if (known.checking) return;
    known.checking = true;
    known.ready = await isReady(known.backend.readyUrl);
    known.checking = false;
  };
  const timer = setInterval(() => {
    for (const known of backends.values()) void check(known);
  }, checkEveryMs);

  /**
   * The ready backend with the fewest connections among those of the highest rank, or undefined.
   */
  const choose = (refused: ReadonlySet<Known>): Known | undefined => {
    let best: Known | undefined;
    for (const known of backends.values()) {
      if (known.ready && !refused.has(known) && (best === undefined || isBetter(known, best)))
        best = known;
    }
    return best;
  };

  const pair = async (pipe: Pipe): Promise<void> => {
    const deadlineMs = performance.now() + waitMs;
    const refused = new Set<Known>();
    while (!pipe.ended) {
      const known = choose(refused);
      if (known !== undefined) {
        // Counted before it is connected, so that a burst spreads.
        known.pipes.add(pipe);
        pipe.onEnd = () => known.pipes.delete(pipe);
        if (await pipe.connect(known.backend)) return options.onForward?.(known.backend.id);
        known.pipes.delete(pipe);
        refused.add(known);
      } else {
        if (performance.now() > deadlineMs) return pipe.cut();
        refused.clear();
        await Bun.sleep(WAIT_STEP_MS);
      }
    }
  };

  const server = Bun.listen<PipeEnd | undefined>({
    hostname: host,
    port,
    socket: {
      data(socket, bytes) {
        socket.data?.received(bytes);
      },
      drain(socket) {
        socket.data?.drained();
      },
      open(socket) {
        if (connections >= connectionsMax) return void socket.terminate();
        accepted += 1;
        connections += 1;
        const pipe = new Pipe(socket, () => {
          connections -= 1;
        });
        void pair(pipe);
      },
      close(socket) {
        socket.data?.closed();
      },
      error(socket) {
        socket.data?.closed();
      },
    },
  });

  return {
    port: server.port,
    add(backend) {
      const known: Known = { backend, ready: false, pipes: new Set(), checking: false };
      backends.set(backend.id, known);
      void check(known);
    },
    remove(id) {
      backends.delete(id);
    },
    backends: () =>
      [...backends.values()].map(({ backend, ready, pipes }) => ({
        id: backend.id,
        ready,
        connections: pipes.size,
      })),
    async whenReady(id, timeoutMs) {
      const deadlineMs = performance.now() + timeoutMs;
      while (backends.get(id)?.ready !== true) {
        if (performance.now() > deadlineMs)
          throw new BalancerError(
            `Cannot use backend ${id}: it is not ready after ${timeoutMs} ms`,
          );
        await Bun.sleep(WAIT_STEP_MS);
      }
    },
    accepted: () => accepted,
    cut(id) {
      for (const known of backends.values())
        if (id === undefined || known.backend.id === id)
          for (const pipe of [...known.pipes]) pipe.cut();
    },
    stop() {
      clearInterval(timer);
      server.stop(true);
      for (const known of backends.values()) for (const pipe of [...known.pipes]) pipe.cut();
    },
  };
}

function isBetter(a: Known, b: Known): boolean {
  const rise = (a.backend.rank ?? 0) - (b.backend.rank ?? 0);
  return rise > 0 || (rise === 0 && a.pipes.size < b.pipes.size);
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
