// Owns: a TCP switch in front of nodes, as a balancer would be: new connections go to the current
// target, old ones stay.
import { createConnection, createServer, type Socket } from "node:net";

export interface Switch {
  readonly port: number;
  /** Where new connections go. */
  target(port: number): void;
  /** Cuts every connection that passes through, without a word. */
  cutAll(): void;
  /**
   * Stops reading, or reads on, what nodes send on the connections that pass through now: to them
   * their clients read nothing.
   */
  stall(isStalled: boolean): void;
  accepted(): number;
  close(): void;
}

export async function startSwitch(firstTarget: number): Promise<Switch> {
  let targetPort = firstTarget;
  let accepted = 0;
  const pairs = new Set<Socket>();
  const nodeSides = new Set<Socket>();
  const server = createServer((near) => {
    accepted += 1;
    const far = createConnection(targetPort, "127.0.0.1");
    nodeSides.add(far);
    far.on("close", () => nodeSides.delete(far));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      pairs.add(from);
      from.setNoDelay(true);
      from.on("data", (bytes) => to.write(bytes));
      from.on("error", () => to.destroy());
      from.on("close", () => {
        pairs.delete(from);
        to.destroy();
      });
      from.on("end", () => to.end());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    target(port) {
      targetPort = port;
    },
    cutAll() {
      for (const socket of pairs) socket.destroy();
    },
    stall(isStalled) {
      for (const socket of nodeSides) isStalled ? socket.pause() : socket.resume();
    },
    accepted: () => accepted,
    close() {
      for (const socket of pairs) socket.destroy();
      server.close();
    },
  };
}
