// Owns: what this folder's tests and measurements share: a wire that can be cut, waiting.
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../../../../../test/patience.ts";
import type { LinkEndpoint } from "../index.ts";

/** A wire between a node and the supervisor, for the test to cut or to stall. */
export interface Wire {
  /** Where the node connects. */
  readonly endpoint: LinkEndpoint;
  /** Cuts open connections, and every new one until `heal`. */
  cut(): void;
  heal(): void;
  /**
   * Stops all bytes in this direction on the connections that are open now. New connections are not
   * stalled.
   */
  stall(direction: "to node" | "to supervisor"): void;
  /** Passes everything again, beginning with the bytes that were stopped. */
  resume(): void;
  close(): Promise<void>;
}

export async function layWire(to: LinkEndpoint): Promise<Wire> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  const pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  let isCut = false;
  const path = join(directory, "wire.sock");
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(
      to.address.kind === "unix"
        ? { path: to.address.path }
        : { host: to.address.host, port: to.address.port },
    );
    const pair = { near, far };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", end);
    }
  });
  await new Promise<void>((resolve) => server.listen({ path }, resolve));
  const cut = (): void => {
    isCut = true;
    for (const { near, far } of pairs) {
      near.destroy();
      far.destroy();
    }
  };
  return {
    endpoint: { secret: to.secret, address: { kind: "unix", path } },
    cut,
    heal: () => {
      isCut = false;
    },
    stall(direction) {
      for (const { near, far } of pairs) {
        if (direction === "to node") far.unpipe(near).pause();
        else near.unpipe(far).pause();
      }
    },
    resume() {
      for (const { near, far } of pairs) {
        near.unpipe(far).pipe(far);
        far.unpipe(near).pipe(near);
      }
    },
    async close() {
      cut();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        setTimeout(resolve, 50);
      });
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Repeats `check` until it answers true; throws after five seconds. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + patience(5_000);
  while (!(await check())) {
    if (performance.now() > untilMs)
      throw new Error(`not within five seconds: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
